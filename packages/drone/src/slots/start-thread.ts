/** Starts the thread of a slot, of which the slot then hears, and ends it. */
import { Worker } from 'node:worker_threads';
import type { LeaseOrder, SlotNumber } from '../agent/events.ts';
import { closeDoor, type Door, newDoor } from '../commands/native-door.ts';
import type { SandboxSetup } from '../sandbox/plan.ts';
import type { SharedMemory, ThreadData } from './control-block.ts';
import type { SlotMemory } from './memory.ts';
import type { OutputFiles } from './output-files.ts';

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './slot-thread.ts' : './slot-thread.js',
  import.meta.url,
);

/** What a slot's thread is started with. */
export interface ThreadOptions {
  /** Names of further kinds and the URLs of their modules. */
  readonly kindModules: Readonly<Record<string, string>>;
  /** What the operator allows a thread, in MiB, for its heap and once more for its buffers; jobs may ask for less. */
  readonly heapMiB?: number;
  /** What a thread has when neither the operator nor the job says; absent: Node's own, and buffers are not bounded. */
  readonly memory?: SlotMemory;
  /** Where outputs over 1 MiB go. */
  readonly outputs: OutputFiles;
  /** What commands run in; without it, in nothing. */
  readonly sandbox?: SandboxSetup;
  /** Folder of the tasks that the operator has registered. */
  readonly tasks?: string;
  /** Functions that clients send are refused. */
  readonly tasksOnly?: boolean;
}

/** With less a thread cannot do its own part. */
const HEAP_MIB_MIN = 16;

/**
 * The heap of the thread in which a lease runs: what its job asks for (`memoryMiB`), and no more than the operator allows;
 * undefined: Node's default. A function in a sandbox has a process of its own, with a heap of its own.
 */
export function heapFor(order: Pick<LeaseOrder, 'spec'>, options: ThreadOptions): number | undefined {
  return limitFor(order, options) ?? options.memory?.heapMiB;
}

/** What the buffers of a function may hold in that thread, in MiB; undefined: anything. */
export function buffersFor(order: Pick<LeaseOrder, 'spec'>, options: ThreadOptions): number | undefined {
  return order.spec.kind === 'function'
    ? (limitFor(order, options) ?? options.memory?.buffersMiB)
    : undefined;
}

function limitFor(
  { spec }: Pick<LeaseOrder, 'spec'>,
  { heapMiB, sandbox }: ThreadOptions,
): number | undefined {
  const {
    memoryMiB,
    name,
    sandbox: wish = 'none',
  } = (spec.params ?? {}) as Readonly<Record<string, unknown>>;
  if (spec.kind !== 'function' || !Number.isSafeInteger(memoryMiB)) return heapMiB;
  const isBoxed = name === undefined && (wish !== 'none' || (sandbox?.policy.minimum ?? 'none') !== 'none');
  if (isBoxed) return heapMiB;
  return Math.min(Math.max(memoryMiB as number, HEAP_MIB_MIN), heapMiB ?? Number.POSITIVE_INFINITY);
}

/** @param heapMiB of this thread; undefined: Node's default */
export function startThread(
  slot: SlotNumber,
  memory: SharedMemory,
  options: ThreadOptions,
  heapMiB: number | undefined,
): Worker {
  const { kindModules, outputs, sandbox = null, tasks = null, tasksOnly = false } = options;
  const door = newDoor();
  const workerData: ThreadData = {
    memory,
    door,
    kindModules,
    slot,
    outputs: outputs.folder,
    sandbox,
    tasks: { folder: tasks, areAll: tasksOnly },
  };
  const worker = new Worker(THREAD, {
    workerData,
    name: `slot ${slot}`,
    env: process.env,
    ...(heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
  });
  DOORS.set(worker, door);
  return worker;
}

const DOORS = new WeakMap<Worker, Door>();

/** Ends a thread that `startThread` has started: at once, unless it is in native code, which would take the process with it. */
export async function endThread(worker: Worker): Promise<void> {
  const door = DOORS.get(worker);
  const left = door === undefined ? null : closeDoor(door);
  if (left !== null) await left;
  await worker.terminate();
}
