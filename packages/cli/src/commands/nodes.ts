/** `hive nodes`: the nodes of the mesh, as the one that is asked knows them. */
import type { NodeInfo } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount, formatDuration } from '../format.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';
import { print } from '../print.ts';
import { formatTable } from '../table.ts';

export const nodesCommand: CommandModule<object, ViewArguments> = {
  command: ['nodes', 'peers'],
  describe: 'The nodes of the mesh',
  builder: { ...CLIENT_OPTIONS, ...JSON_OPTION },
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive nodes');
    const nodes = await hive.nodes();
    print(argv, { nodes }, () => formatNodes(nodes, Date.now()));
  },
};

/** @param now in milliseconds since 1970 */
export function formatNodes(nodes: readonly NodeInfo[], now: number): string {
  if (nodes.length === 0) return 'This Queen is not part of a mesh. Start nodes with "hive node".';
  const columns = [
    { head: 'NAME' },
    { head: 'STATE' },
    { head: 'SLOTS', align: 'right' },
    { head: 'BUSY', align: 'right' },
    { head: 'LOAD', align: 'right' },
    { head: 'QUEUE', align: 'right' },
    { head: 'HEARD', align: 'right' },
    { head: 'ADDRESS' },
    { head: 'VERSION' },
    { head: 'ID' },
  ] as const;
  const rows = nodes.map((node) => [
    node.self === true ? `${node.name} *` : node.name,
    node.state,
    String(node.slots),
    String(node.busySlots),
    `${Math.round(node.load * 100)} %`,
    formatCount(node.queue),
    node.self === true ? 'itself' : `${formatDuration(Math.max(0, now - Date.parse(node.lastHeardAt)))} ago`,
    node.address,
    node.version,
    node.id.slice(0, 12),
  ]);
  return formatTable(columns, rows);
}
