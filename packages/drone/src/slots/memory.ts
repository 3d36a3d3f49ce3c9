/**
 * How much memory a slot's thread may hold. V8 bounds the thread's heap by itself, but by default at several GiB, in which a
 * function that needs too much thrashes long before it fails; and it does not bound what buffers hold, which is outside of the
 * heap and can take the machine down. So heaps get a share of the machine, and buffers are watched while a task runs.
 *
 * Buffers that are garbage count until V8 collects them, which it does late: half as much again as is held is usual, and more
 * where buffers are few and large. So a thread is over its limit only if it has twice that, and in two looks at one task. Memory
 * that is shared between threads, or that native code takes for itself, is counted nowhere.
 */
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Worker } from 'node:worker_threads';

const MIB = 2 ** 20;
/** Less than this is no default, however small the machine. */
const DEFAULT_MIB_MIN = 512;
/** A heap that is larger takes long to fill and longer to fail; whoever needs it says so. */
const DEFAULT_HEAP_MIB_MAX = 2_048;
const SLACK = 2;
const SLACK_MIB_MIN = 128;

/** Of one thread, in MiB. */
export interface SlotMemory {
  readonly heapMiB: number;
  readonly buffersMiB: number;
}

/**
 * What each of so many slots has when nobody says: half of the machine is shared out for heaps, each of 2 GiB and of what V8
 * would take at most, and a quarter for buffers, which with their slack is the other half.
 */
export function defaultMemory(
  slots: number,
  machineBytes = bytesHere(),
  heapBytesMax = heapBytes(),
): SlotMemory {
  const share = (part: number) => Math.max(DEFAULT_MIB_MIN, Math.floor(machineBytes / part / slots / MIB));
  const heapMiB = Math.max(
    DEFAULT_MIB_MIN,
    Math.min(share(2), Math.floor(heapBytesMax / MIB), DEFAULT_HEAP_MIB_MAX),
  );
  return { heapMiB, buffersMiB: share(4) };
}

/** Of the machine, or of the container if that has less. */
function bytesHere(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}
const heapBytes = (): number => getHeapStatistics().heap_size_limit;

/** What a thread is said to have thrown that was ended because of its buffers. */
export class TooMuchInBuffers extends Error {
  readonly limitMiB: number;
  constructor(limitMiB: number) {
    super(`the thread had more than ${limitMiB} MiB in buffers`);
    this.limitMiB = limitMiB;
  }
}

export const isTooMuch = (bytes: number, limitMiB: number): boolean =>
  bytes > Math.max(limitMiB * SLACK, limitMiB + SLACK_MIB_MIN) * MIB;

/** Of one slot: looks at its thread, one look at a time. */
export class BufferWatch {
  #isLooking = false;
  /** What was seen to be too much last: the thread, and the task that it ran. */
  #seen: { readonly worker: Worker; readonly task: string } | null = null;

  /**
   * Resolves with whether the thread is to be ended; a thread that does not answer (it is in native code) is not.
   * @param task that runs now: the same text for the same task
   */
  async look(worker: Worker, task: string, limitMiB: number): Promise<boolean> {
    // Absent in older versions of Node: buffers are not watched there.
    if (this.#isLooking || typeof worker.getHeapStatistics !== 'function') return false;
    this.#isLooking = true;
    try {
      const { external_memory: bytes } = await worker.getHeapStatistics();
      const before = this.#seen;
      this.#seen = isTooMuch(bytes, limitMiB) ? { worker, task } : null;
      return this.#seen !== null && before?.worker === worker && before.task === task;
    } catch {
      // The thread has ended.
      return false;
    } finally {
      this.#isLooking = false;
    }
  }
}
