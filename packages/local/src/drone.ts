/** A Drone that works for one Queen, ready when it has joined her. */
import { type Drone, type DroneEnd, type Predecessor, type SandboxPolicy, startDrone } from '@hive/drone';
import type { PeerId } from '@hive/shared';
import type { AccessOptions, Address } from '@hive/shared/node';

export interface JoinOptions extends AccessOptions {
  readonly queen: Address;
  readonly name: string;
  /** Default: as many as this machine runs in parallel. */
  readonly slots?: number | undefined;
  /** Folder of tasks that it knows by name. */
  readonly tasks?: string | undefined;
  /** Time without the Queen after which it ends by itself; never by default. */
  readonly orphanTimeoutMillis?: number;
  /** What its commands run in at least, and what jobs may ask for. Absent: no sandboxes. */
  readonly sandbox?: SandboxPolicy;
  /** Added to its own. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Its id; default: a random one. */
  readonly peer?: PeerId;
  /** The process in whose place it was started. */
  readonly predecessor?: Predecessor;
}
export type LocalDrone = Drone;

/** Resolves when the Drone has joined. @throws UsageError when its options make no sense or the Queen refuses it */
export async function joinQueen({
  queen,
  name,
  slots,
  tasks,
  orphanTimeoutMillis,
  sandbox,
  labels,
  peer,
  predecessor,
  ...access
}: JoinOptions): Promise<LocalDrone> {
  let joined = () => {};
  const whenJoined = new Promise<null>((resolve) => {
    joined = () => resolve(null);
  });
  const drone = startDrone({
    key: access.key,
    data: access.data,
    insecure: access.insecure,
    queens: () => [queen],
    name,
    ...(slots === undefined ? {} : { slots }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(orphanTimeoutMillis === undefined ? {} : { orphanTimeoutMillis }),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(labels === undefined ? {} : { labels }),
    ...(peer === undefined ? {} : { peer }),
    ...(predecessor === undefined ? {} : { predecessor }),
    onEvent: ({ type }) => {
      if (type === 'connected') joined();
    },
  });
  const end = await Promise.race([whenJoined, drone.closed]);
  if (end !== null) throw errorOf(end);
  return drone;
}

function errorOf(end: DroneEnd): Error {
  return 'error' in end ? end.error : new Error(`The Drone ended before it had joined: ${end.how}.`);
}
