/**
 * The memory that a slot's two sides share. The thread claims tasks and leaves results in it; the main thread lowers the
 * end, and reads what is finished at any time, so results need no message each and survive the thread.
 *
 * Claiming: the thread stores `next` = n + 1, then loads `end`; if n is not below it, it stores n again and stops.
 * Retracting: the main thread stores `end`, then loads `next`; what is below `next` may have been started. Both are
 * sequentially consistent, so at least one side sees the other's word: a task given back is never started.
 *
 * Results: `sizes` has one word per position (its top bits mark a failure or a value in a file), `data` is a ring of
 * bytes. A value that does not fit before the ring's end stands at its start; both sides know that from its size alone. A
 * result is visible once `completed` is above its position. The thread waits when the ring is full of what was not taken.
 */
import { type JobId, type LeaseNumber, LIMITS, type Message, type Reduce } from '@hive/shared';
import type { Door } from '../commands/native-door.ts';
import type { OperatorTasks } from '../kinds/kind.ts';
import type { DiskLimit } from '../sandbox/disk-watch.ts';
import type { SandboxSetup } from '../sandbox/plan.ts';
import type { ThreadFolding } from './folding.ts';

/** Int32 words of the block. */
export const WORD = {
  /** Tasks claimed: positions [0, next). */
  next: 0,
  /** The thread starts nothing from this position on. */
  end: 1,
  /** Tasks finished: positions [0, completed). */
  completed: 2,
  /** Bytes of the ring that the main thread has taken, padding included, modulo 2^32. */
  taken: 3,
  /** Tasks marked in the abort bits. */
  aborts: 4,
  /** The position whose start `startedAt` is. */
  startedPosition: 5,
  /** What the lease is: number of the job as the thread was told, ranges, streams, tasks, size of all inputs or -1. */
  job: 6,
  ranges: 7,
  streams: 8,
  count: 9,
  size: 10,
  /** 1 if the clock is to be read for every task. */
  isTimed: 11,
  /** The run at whose end, as it then was, the thread has come to rest. */
  stopped: 12,
  /** The process that the thread has started and waits for (see group-words.ts): its id, 0 none, -1 about to start. */
  pid: 13,
  /** The task whose process is to be ended: its position + 1, 0 none, -1 any; why; and how long the text is that says so. */
  endTask: 14,
  endWhy: 15,
  endTextBytes: 16,
  /** 1 if somebody watches what commands print: the main thread removes the files of their output, not the thread. */
  isWatched: 17,
  /** 1 if the process is a sandbox that must not be asked to end itself, but what runs in it (sandbox/run.ts). */
  isBox: 18,
  /** 1 while a user's function folds. */
  isFolding: 19,
} as const;
/** Even: what follows is aligned to eight bytes. */
const WORDS = 20;
const REASON_BYTES = 2_048;
/** Float64 words behind them: time worked in this lease, and when the task at `startedPosition` began; milliseconds. */
export const TIME = { busy: 0, startedAt: 1 } as const;
const TIMES = 2;

/** Top bit of a size: the bytes are a failure, as msgpack. */
export const FAILED_BIT = 0x8000_0000;
/** What a failure in the ring may have beside its words: what the task gave all the same, there or in its file. */
export interface FailedOutput {
  readonly value?: Uint8Array;
  readonly stream?: { readonly bytes: number; readonly encoded: boolean };
}
/**
 * Second bit of a size: the value is in a file (see output-files.ts). The bytes are its length as float64, big-endian, and
 * one byte more: 1 if the file holds the value as the job's encoding writes it, 0 if it is bytes as they are.
 */
export const STREAM_BIT = 0x4000_0000;
export const STREAM_NOTE_BYTES = 9;
/** Third bit of a size: the task ends its job with this value. */
export const FINISH_BIT = 0x2000_0000;
/** Large enough for two values of the largest size, and for some 50 ms of small ones. */
export const RING_BYTES = 4 * LIMITS.valueBytesMax;
/** Unreported bytes at which the thread asks for a look. */
export const REPORT_BYTES = 256 * 1024;
export const INPUT_BYTES = 64 * 1024;

export interface SharedMemory {
  readonly control: SharedArrayBuffer;
  readonly sizes: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
}

export function newSharedMemory(): SharedMemory {
  return {
    control: new SharedArrayBuffer(WORDS * 4 + TIMES * 8 + LIMITS.leaseTasksMax / 8 + REASON_BYTES),
    sizes: new SharedArrayBuffer(LIMITS.leaseTasksMax * 4),
    ring: new SharedArrayBuffer(RING_BYTES),
    input: new SharedArrayBuffer(INPUT_BYTES),
  };
}

/** One side's view of the block. */
export interface ControlBlock {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly times: Float64Array<SharedArrayBuffer>;
  /** One bit per position: the task is not to be started. */
  readonly abortBits: Uint8Array<SharedArrayBuffer>;
  /** UTF-8: why the process of a task is to be ended. */
  readonly reason: Uint8Array<SharedArrayBuffer>;
}

export function controlBlock(control: SharedArrayBuffer): ControlBlock {
  return {
    words: new Int32Array(control, 0, WORDS),
    times: new Float64Array(control, WORDS * 4, TIMES),
    abortBits: new Uint8Array(control, WORDS * 4 + TIMES * 8, LIMITS.leaseTasksMax / 8),
    reason: new Uint8Array(control, WORDS * 4 + TIMES * 8 + LIMITS.leaseTasksMax / 8),
  };
}

/**
 * Where things stand in the input memory: pairs (first, count) of the ranges and (position, bytes) of the streams as
 * float64 (bytes are negative for a value as its encoding writes it), then the sizes as they came (unless all are equal), then the values end to end.
 */
export function inputLayout(ranges: number, streams: number, count: number, isUniform: boolean) {
  const streamsAt = ranges * 16;
  const sizesAt = streamsAt + streams * 16;
  return { streamsAt, sizesAt, dataAt: sizesAt + (isUniform ? 0 : count * 4) };
}

/** From the main thread; n > 0 starts the lease in the block as run n, 0 goes on with it. */
export type ToThread =
  | number
  | { readonly type: 'job'; readonly id: number; readonly job: ThreadJob }
  | { readonly type: 'forgetJob'; readonly id: number }
  /** Tasks of the lease that comes next which were tried before: index, number of this attempt, … */
  | { readonly type: 'attempts'; readonly attempts: readonly number[] }
  | { readonly type: 'input'; readonly input: SharedArrayBuffer }
  | { readonly type: 'abort'; readonly position: number | null; readonly reason: string }
  | BlobAnswer
  | PassAnswer
  /** The task that waited for others may run on, or, with a problem, may not wait. */
  | { readonly type: 'goOn'; readonly problem: string | null }
  | {
      readonly type: 'chunk';
      readonly position: number;
      readonly chunk: Pick<Message<'StreamChunk'>, 'offset' | 'data' | 'last' | 'error'>;
    };
/** The file of a blob that the thread has asked for, or why there is none. */
export interface BlobAnswer {
  readonly type: 'blob';
  readonly hash: string;
  readonly path?: string;
  readonly failure?: { readonly code: string; readonly message: string };
}
/** With what the task that runs may open a session with its Queen, or why it cannot. */
export interface PassAnswer {
  readonly type: 'pass';
  readonly run: number;
  readonly pass: TaskLine | null;
  readonly problem: string;
  /** It would be the same elsewhere and later. */
  readonly isLasting: boolean;
}
/** The way to a Queen for a task that submits work. */
export interface TaskLine {
  readonly queen: string;
  /** The Drone's key, as a line; null: there are none. */
  readonly key: string | null;
  readonly isForced: boolean;
  readonly job: JobId;
  readonly lease: LeaseNumber;
  readonly token: Uint8Array;
}
/** Exit code of a thread that has ended because it was to be replaced. */
export const RENEWED = 86;
/** What the thread must know of a job. */
export interface ThreadJob {
  readonly job: JobId | '';
  readonly kind: string;
  readonly encoding: 'raw' | 'msgpack' | 'hive-js';
  readonly params: Readonly<Record<string, unknown>>;
  readonly range: { readonly start: number; readonly step: number } | null;
  /** Its tasks run one by one in this slot, whatever it says. */
  readonly isSequential?: boolean;
  /** How results are folded; null: they are not. */
  readonly reduce: Reduce | null;
  /** The tasks are folds: their inputs are lists of folded values. */
  readonly isFold: boolean;
}

/** From the thread: that it is up, that there is much to report, that a task reads its stream; -n: run n has stopped. */
export const SAYS = { ready: 0, much: 1 } as const;
export type FromThread =
  | number
  | { readonly position: number; readonly offset: number; readonly length: number }
  /** The task at this position may run for so many milliseconds by a limit of its own. */
  | { readonly position: number; readonly limitMillis: number }
  /** A task would submit work. */
  | { readonly run: number; readonly wantsPass: true }
  /** It waits for that, or would run on. */
  | { readonly run: number; readonly waits: boolean }
  /** A task needs this blob. */
  | { readonly blob: string }
  /** Finished tasks of a reduced job, folded. */
  | ThreadFolding
  /** The folders of the task at this position may take so many bytes. */
  | ({ readonly position: number } & DiskLimit);

/** What a thread is started with. */
export interface ThreadData {
  readonly memory: SharedMemory;
  /** What it goes through to native code; of this thread alone. */
  readonly door: Door;
  /** Names of further kinds and the URLs of the modules that export them. */
  readonly kindModules: Readonly<Record<string, string>>;
  readonly slot: number;
  /** Folder for values that are too large for the ring, and for what commands need. */
  readonly outputs: string;
  /** The sandboxes of this Drone; null: it has none. */
  readonly sandbox: SandboxSetup | null;
  readonly tasks: OperatorTasks;
}

const offset = (() => {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e3 + nanos / 1e6 - performance.now();
})();
/** Milliseconds on a clock that never goes back and is the same in all threads of this process. */
export const clock = (): number => performance.now() + offset;
