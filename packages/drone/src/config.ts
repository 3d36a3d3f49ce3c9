/** What a Drone is started with, and what it takes when nothing is said. */
import { availableParallelism, hostname, userInfo } from 'node:os';
import { resolve } from 'node:path';
import { type EndedProcess, LIMITS, type PeerId, UsageError } from '@hive/shared';
import {
  type Access,
  type AccessOptions,
  type Address,
  accessOf,
  allowInsecure,
  defaultDataFolder,
  hostId,
  insecureOf,
  type PortRange,
  randomPeerId,
} from '@hive/shared/node';
import type { DroneEvent } from './events.ts';
import { registeredTasks } from './functions/registered.ts';
import { BUILT_IN } from './kinds/kind.ts';
import { lastWordsOf, type Predecessor } from './predecessor.ts';
import type { SandboxPolicy } from './sandbox/policy.ts';
import { labelsOfSandbox, type OpenSandbox, openSandbox } from './sandbox/setup.ts';

/** `key`, `data` and `insecure` say how it proves that it belongs: see `accessOf`. */
export interface DroneOptions extends AccessOptions {
  /** Where the Queens are. Asked before every dial, so a Queen may move. Absent: it dials nobody and waits to be dialled. */
  readonly queens?: () => readonly Address[] | Promise<readonly Address[]>;
  /** Wait to be dialled at the first free port of these. */
  readonly listen?: PortRange;
  /** A name for people; the host's by default. */
  readonly name?: string;
  /** Tasks that run at once; by default as many as there are processors. */
  readonly slots?: number;
  /** Added to `os`, `arch`, `host`, `host.id`, `uid` and `user`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Kinds that this Drone runs; all that it knows by default, with `tasksOnly` no other than functions. */
  readonly allow?: readonly string[];
  /** Further kinds: their names, and the URLs of modules that export them as `kind`. */
  readonly kindModules?: Readonly<Record<string, string>>;
  /**
   * What one slot's thread may have, in MiB, for its heap and once more for its buffers. Default: a share of the machine's
   * memory, or the container's, at least 512, as heap at most 2,048.
   */
  readonly slotHeapMiB?: number;
  /** Time without any Queen after which the Drone ends; never by default. */
  readonly orphanTimeoutMillis?: number;
  /** Bytes of blobs that are kept at hand. Default: 2 GiB. */
  readonly blobBytesMax?: number;
  /**
   * What commands run in at least, and what their jobs may ask for. Without it there are no sandboxes on this Drone. The
   * data folder of this user is always hidden.
   */
  readonly sandbox?: SandboxPolicy;
  /** Folder of task files (`resize.task.ts`) that jobs may name instead of sending one of their own. */
  readonly tasks?: string;
  /** Run no functions but those, and no other kind that `allow` does not name. Default: false. */
  readonly tasksOnly?: boolean;
  readonly onEvent?: (event: DroneEvent) => void;
  /** Its id; default: a random one. No two processes may have the same. */
  readonly peer?: PeerId;
  /** The process in whose place it was started, if that was lost: Queens are told how it ended. */
  readonly predecessor?: Predecessor;
  /** Events about single tasks carry their values in full. Default: false. */
  readonly showValues?: boolean;
}

export interface DroneConfig {
  readonly peer: PeerId;
  readonly predecessor: EndedProcess | undefined;
  readonly queens: DroneOptions['queens'];
  /** Asked before every dial. @throws UsageError when there is no key (yet) */
  readonly access: () => Access;
  readonly listen: PortRange | undefined;
  readonly name: string;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly kinds: readonly string[];
  readonly kindModules: Readonly<Record<string, string>>;
  readonly slotHeapMiB: number | undefined;
  readonly orphanTimeoutMillis: number | undefined;
  readonly blobBytesMax: number;
  readonly sandbox: OpenSandbox | null;
  /** Absolute; null: there is none. */
  readonly tasks: string | null;
  readonly tasksOnly: boolean;
  readonly onEvent: DroneOptions['onEvent'];
  readonly showValues: boolean;
}

/** @throws UsageError when an option makes no sense */
export function readOptions(options: DroneOptions): DroneConfig {
  const { slots = Math.min(availableParallelism(), LIMITS.slotsMax), kindModules = {} } = options;
  if (!Number.isInteger(slots) || slots < 1 || slots > LIMITS.slotsMax) {
    throw new UsageError(`A Drone has 1 to ${LIMITS.slotsMax} slots, not ${slots}.`);
  }
  if (options.queens === undefined && options.listen === undefined) {
    throw new UsageError('A Drone needs Queens to dial, or a port at which she dials it.');
  }
  const sandbox = options.sandbox === undefined ? null : sandboxOf(options.sandbox);
  const tasks = tasksOf(options);
  const name = (options.name ?? hostname()).slice(0, LIMITS.nameMax);
  const labels = {
    os: process.platform,
    arch: process.arch,
    host: hostname(),
    'host.id': hostId(),
    node: name,
    ...whoRuns(),
    ...labelsOfTasks(tasks),
    ...options.labels,
    ...(sandbox === null ? {} : labelsOfSandbox(sandbox)),
  };
  if (Object.keys(labels).length > LIMITS.labelsMax) {
    throw new UsageError(`A Drone has at most ${LIMITS.labelsMax} labels.`);
  }
  const { queens, listen, onEvent, orphanTimeoutMillis, slotHeapMiB, showValues = false } = options;
  const { blobBytesMax = LIMITS.droneBlobBytesMax } = options;
  const { tasksOnly = false } = options;
  const kinds = kindsOf(kindModules, options.allow ?? (tasksOnly ? ['function'] : undefined));
  const access = accessOf(options, 'drone');
  if (listen !== undefined) checkListening(listen, options);
  const own = { name, slots, labels, kinds, kindModules, slotHeapMiB, showValues, sandbox, tasks, tasksOnly };
  const { peer = randomPeerId() } = options;
  const predecessor = options.predecessor === undefined ? undefined : lastWordsOf(options.predecessor);
  return { ...own, peer, predecessor, blobBytesMax, queens, listen, access, orphanTimeoutMillis, onEvent };
}

/** @throws UsageError */
function tasksOf({ tasks, tasksOnly }: DroneOptions): string | null {
  if (tasks !== undefined) return resolve(tasks);
  if (tasksOnly)
    throw new UsageError('A Drone that runs only registered tasks needs a folder of them: --tasks DIR.');
  return null;
}

/** Whoever names a task gets a Drone that has it. @throws UsageError */
function labelsOfTasks(folder: string | null): Readonly<Record<string, string>> {
  if (folder === null) return {};
  return Object.fromEntries([...registeredTasks(folder).keys()].map((name) => [`task:${name}`, 'yes']));
}

/** Whoever dials may give work, so without keys that is nobody from elsewhere. @throws UsageError */
function checkListening({ host }: PortRange, options: AccessOptions): void {
  const insecure = insecureOf(options);
  if (insecure) allowInsecure(host, insecure === 'yes-really');
}

function sandboxOf(policy: SandboxPolicy): OpenSandbox {
  const hidden = [...new Set([...policy.hidden, defaultDataFolder()])];
  return openSandbox({ ...policy, hidden }, { drone: randomPeerId().slice(0, 16) });
}

/** Whose process this is, so that jobs can ask for a Drone of their submitter. Nothing where the system does not say. */
function whoRuns(): { readonly uid?: string; readonly user?: string } {
  const uid = process.getuid?.();
  try {
    const { username } = userInfo();
    return { ...(uid === undefined ? {} : { uid: String(uid) }), user: username.slice(0, LIMITS.nameMax) };
  } catch {
    // A user without a name.
    return uid === undefined ? {} : { uid: String(uid) };
  }
}

function kindsOf(modules: Readonly<Record<string, string>>, allow: readonly string[] | undefined): string[] {
  const known = [...new Set([...BUILT_IN.map((kind) => kind.name), ...Object.keys(modules)])];
  if (allow === undefined) return known;
  const unknown = allow.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`There is no kind "${unknown}". This Drone knows ${known.join(', ')}.`);
  }
  return [...new Set(allow)];
}
