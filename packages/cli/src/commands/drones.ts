/** `hive drones`: who works here. */

import type { DroneInfo } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount, formatDuration } from '../format.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';
import { print } from '../print.ts';
import { formatTable } from '../table.ts';

export const dronesCommand: CommandModule<object, ViewArguments> = {
  command: 'drones',
  describe: 'The Drones that are connected',
  builder: { ...CLIENT_OPTIONS, ...JSON_OPTION },
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive drones');
    const drones = await hive.drones();
    print(argv, { drones }, () => formatDrones(drones));
  },
};

function formatDrones(drones: readonly DroneInfo[]): string {
  if (drones.length === 0) return 'No Drone is connected. Start one with "hive drone".';
  const columns = [
    { head: 'NAME' },
    { head: 'STATE' },
    { head: 'SLOTS', align: 'right' },
    { head: 'BUSY', align: 'right' },
    { head: 'DONE', align: 'right' },
    { head: 'TASKS/S', align: 'right' },
    { head: 'CONNECTED FOR', align: 'right' },
    { head: 'ADDRESS' },
    { head: 'LABELS' },
  ] as const;
  const rows = drones.map((drone) => [
    drone.name,
    drone.state,
    String(drone.slots),
    String(drone.busySlots),
    formatCount(drone.tasksDone),
    formatCount(drone.tasksPerSecond),
    formatDuration(drone.connectedMillis),
    drone.address,
    shownLabels(drone.labels),
  ]);
  return formatTable(columns, rows);
}

/** What a person looks for; the machine's id and what sandboxes can do are in --json. */
function shownLabels(labels: DroneInfo['labels']): string {
  const shown = Object.entries(labels).filter(
    ([label]) => label !== 'host.id' && !label.startsWith('sandbox.'),
  );
  return shown.map(([label, value]) => `${label}=${value}`).join(' ');
}
