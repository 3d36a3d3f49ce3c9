/** Where commands may run: without further ado only where whoever submits them could have run them himself. */
import { hostname, userInfo } from 'node:os';
import type { DroneInfo } from '@hive/client';

export type Labels = Readonly<Record<string, string>>;

/** Labels that a Drone of this host and user has. */
export function ownLabels(): Labels {
  const uid = process.getuid?.();
  return { host: hostname(), ...(uid === undefined ? { user: userInfo().username } : { uid: String(uid) }) };
}

/** Slots of the Drones that take commands and have these labels. */
export function fittingSlots(drones: readonly DroneInfo[], labels: Labels | null): number {
  let slots = 0;
  for (const drone of drones) {
    const hasLabels = Object.entries(labels ?? {}).every(([name, value]) => drone.labels[name] === value);
    if (hasLabels && drone.kinds.includes('command') && drone.state !== 'draining') slots += drone.slots;
  }
  return slots;
}
