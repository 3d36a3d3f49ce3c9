/** Where commands may run: without further ado only where whoever submits them could have run them himself. */
import { userInfo } from 'node:os';
import type { DroneInfo } from '@hive/client';
import { labelsOfWish, type SandboxWish } from '@hive/shared';
import { hostId } from '@hive/shared/node';

export type Labels = Readonly<Record<string, string>>;

/** Labels that Drones of this host and user have. */
export function ownLabels(): Labels {
  const uid = process.getuid?.();
  return {
    'host.id': hostId(),
    ...(uid === undefined ? { user: userInfo().username } : { uid: String(uid) }),
  };
}

/** What a Drone must have for the commands of one run. */
export interface Wanted {
  /** Only this host and user will do. */
  readonly isOwnHost: boolean;
  /** Null: none. */
  readonly sandbox: SandboxWish | null;
}

export function labelsOf({ isOwnHost, sandbox }: Wanted): Labels {
  return { ...(isOwnHost ? ownLabels() : {}), ...(sandbox === null ? {} : labelsOfWish(sandbox)) };
}

/** Slots of the Drones that take commands and have these labels. */
export function fittingSlots(drones: readonly DroneInfo[], labels: Labels): number {
  let slots = 0;
  for (const drone of drones) {
    const hasLabels = Object.entries(labels).every(([name, value]) => drone.labels[name] === value);
    if (hasLabels && drone.kinds.includes('command') && drone.state !== 'draining') slots += drone.slots;
  }
  return slots;
}
