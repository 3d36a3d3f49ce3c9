/** `hive status`: how the Queen, her Drones and jobs are, in a few lines. */

import type { QueenStatus } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount, formatDuration, plural } from '../format.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';
import { print } from '../print.ts';
import { formatPairs } from '../table.ts';

export const statusCommand: CommandModule<object, ViewArguments> = {
  command: 'status',
  describe: 'How the Hive is',
  builder: { ...CLIENT_OPTIONS, ...JSON_OPTION },
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive status');
    const status = await hive.status();
    print(argv, status, () => formatStatus(status));
  },
};

function formatStatus(status: QueenStatus): string {
  const { drones, slots, busySlots, jobs } = status;
  const states = Object.entries(jobs).filter(([, count]) => count > 0);
  const lines: [string, string][] = [
    ['Queen', `${status.name}, up for ${formatDuration(status.uptimeMillis)}, store: ${status.store}`],
    [
      'Drones',
      drones === 0
        ? 'none: start one with "hive drone"'
        : `${formatCount(drones)} with ${plural(slots, 'slot')}, ${formatCount(busySlots)} busy`,
    ],
    [
      'Jobs',
      states.length === 0
        ? 'none'
        : states.map(([state, count]) => `${formatCount(count)} ${state}`).join(', '),
    ],
    [
      'Tasks',
      `${formatCount(status.tasksRunning)} with Drones, ${formatCount(status.tasksReady)} ready, ${formatCount(status.tasksRecorded)} done, ${formatCount(status.tasksPerSecond)}/s`,
    ],
  ];
  // Those that were moved for balance are no news.
  const returned = Number(status['tasksReturned'] ?? 0) - Number(status['tasksRetracted'] ?? 0);
  if (returned > 0) lines.push(['Reassigned', plural(returned, 'task')]);
  if (status.storeDamage !== undefined) lines.push(['Damage', status.storeDamage]);
  return formatPairs(lines);
}
