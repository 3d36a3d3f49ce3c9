/** `hive bench nodes`: what a mesh costs. */
import type { Argv, CommandModule } from 'yargs';
import { parseSize, positive } from '../options.ts';
import { count, percent } from '../print.ts';
import type { Spread } from '../stats.ts';
import { compareNodes, type NodesReport } from './compare.ts';

interface NodesArguments {
  readonly nodes: number;
  readonly slots: number;
  readonly size: string;
  readonly tasks: number;
  readonly runs: number;
  readonly json: boolean;
}

export const nodesCommand: CommandModule<object, NodesArguments> = {
  command: 'nodes',
  describe: 'The same hash work on a mesh, and on one Queen with as many Drones',
  builder: (argv: Argv) =>
    argv.options({
      nodes: {
        type: 'number',
        default: 3,
        coerce: positive('nodes'),
        describe: 'Nodes, and Drones of the one Queen',
      },
      slots: { type: 'number', default: 1, coerce: positive('slots'), describe: 'Slots of each' },
      size: { type: 'string', default: '64KiB', describe: 'Bytes that each task hashes' },
      tasks: { type: 'number', default: 20_000, coerce: positive('tasks'), describe: 'Tasks in a run' },
      runs: { type: 'number', default: 5, coerce: positive('runs'), describe: 'Rounds to measure' },
      json: { type: 'boolean', default: false, describe: 'Print one JSON object' },
    }) as unknown as Argv<NodesArguments>,
  handler: async ({ json, size, nodes, slots, tasks, runs }) => {
    const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
    const report = await compareNodes({ nodes, slots, tasks, runs, size: parseSize(size) }, say);
    console.log(json ? JSON.stringify(report) : printNodes(report));
  },
};

export function printNodes(report: NodesReport): string {
  const rate = ({ median, min, max }: Spread) => `${count(median)}/s median (${count(min)} to ${count(max)})`;
  const share = ({ median, min, max }: Spread) => `${percent(median)} (${percent(min)} to ${percent(max)})`;
  return [
    `nodes: ${report.method}`,
    `  one Queen       ${rate(report.oneQueen)}`,
    `  at one node     ${rate(report.oneNode)}; ${share(report.oneNodeShare)} of that`,
    `  at all nodes    ${rate(report.allNodes)}; ${share(report.allNodesShare)} of that`,
  ].join('\n');
}
