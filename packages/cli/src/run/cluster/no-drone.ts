/** Why no Drone takes the commands of a run, and what to do about it. */
import type { DroneInfo } from '@hive/client';
import { UsageError } from '@hive/shared';
import { fittingSlots, labelsOf, type Wanted } from './fitting.ts';

export function noDrone(drones: readonly DroneInfo[], wanted: Wanted): UsageError {
  return new UsageError(sentence(drones, wanted), 'noDrone');
}

function sentence(drones: readonly DroneInfo[], { isOwnHost, sandbox }: Wanted): string {
  const placed = fittingSlots(drones, labelsOf({ isOwnHost, sandbox: null }));
  if (placed > 0 && sandbox !== null) {
    const image = sandbox.image === undefined ? '' : ` with the image ${sandbox.image}`;
    return `No Drone${isOwnHost ? ' of yours on this machine' : ''} offers the sandbox ${sandbox.level}${image} as you want it: start one that does ("hive drone --help" lists what it can be given), or ask for less. "hive drones --json" shows what each offers, as labels.`;
  }
  if (!isOwnHost) return 'No Drone takes commands: start one with "hive drone", or write "hive run --local".';
  const others = drones.length;
  const there = others === 0 ? '' : ` (there ${others === 1 ? 'is one' : `are ${others}`} elsewhere)`;
  return `No Drone of yours runs on this machine${there}: start one with "hive drone", or write "hive run --local". Commands that need no files of this folder can go to others with --anywhere.`;
}
