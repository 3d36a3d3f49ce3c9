/**
 * What a kind is, and which there are. A kind runs in a slot's thread: it is prepared once per job and then called for
 * every task, with one and the same `Task` that stands on the task's input and takes its output.
 *
 * A new kind is one file that exports a `Kind`, and one line in `BUILT_IN`. A Drone can also be started with kinds of its
 * operator, as modules that export `kind`.
 */
import type { Encoding, Reduce } from '@hive/shared';
import type { BoxRuns } from '../folds/box-runs.ts';
import type { DiskLimit } from '../sandbox/disk-watch.ts';
import type { SandboxSetup } from '../sandbox/plan.ts';
import type { TaskLine } from '../slots/control-block.ts';
import type { GroupWords } from '../slots/group-words.ts';
import { command } from './command.ts';
import { echo } from './echo.ts';
import { functionKind } from './function.ts';
import { hash } from './hash.ts';
import { sleep } from './sleep.ts';

export interface KindJob {
  /** Its id. */
  readonly job: string;
  readonly encoding: Encoding;
  readonly params: Readonly<Record<string, unknown>>;
  /** How its results are folded; null: they are not. */
  readonly reduce: Reduce | null;
}

/** The task at hand. Valid until the function that was called with it returns or its promise settles. */
export interface Task {
  readonly position: number;
  /** The input is [offset, offset + size) of `bytes`, which is shared memory; views of it end with the task. */
  readonly bytes: Buffer;
  readonly offset: number;
  readonly size: number;
  /** Set when the input is a stream: its length in bytes. */
  readonly streamBytes: number | null;
  /** The stream is the input as the job's encoding writes it, not bytes as they are; `value` cannot read it. */
  readonly isStreamEncoded: boolean;
  /** Which task of the job it is, counted from 0. */
  readonly index: number;
  /** Which attempt at it this is, counted from 1. */
  readonly attempt: number;
  /** Aborted when the task is cancelled. */
  readonly signal: AbortSignal;
  /** Where the output goes. */
  readonly out: Buffer;
  /** Makes room for an output of exactly `size` bytes; to be written to `out` from the returned offset on, at once. */
  reserve(size: number): number;
  /** The output is these bytes; over 1 MiB they go to a file, and travel as a stream. */
  put(bytes: Uint8Array): void;
  /**
   * Adds to the output, which is a stream of bytes as they are, of any length. Not together with `put`, `putInput` or
   * `reserve`. @throws TaskFailure when the disk does not take it
   */
  write(bytes: Uint8Array): void;
  /** Adds to the output, which is the value as the job's encoding writes it, of any length; otherwise like `write`. */
  writeEncoded(bytes: Uint8Array): void;
  /** The output is the input. */
  putInput(): void;
  /** The job shall end with the output of this task as its value, and all else be cancelled. The output has at most 1 MiB. */
  finish(): void;
  /** The input, decoded. */
  value(): unknown;
  /** The stream's bytes in order. @throws TaskFailure when it cannot be read */
  chunks(): AsyncIterable<Uint8Array>;
}

/** The tasks that the operator has registered. */
export interface OperatorTasks {
  /** Null: there are none. */
  readonly folder: string | null;
  /** No function is run but these. */
  readonly areAll: boolean;
}

/** The slot whose thread a kind runs in: what kinds need that start processes. */
export interface KindSlot {
  readonly number: number;
  /** Folder for the files of this slot's processes; absolute. It may not exist yet, and goes with the Drone. */
  readonly folder: string;
  /** File in which this slot's process group stands, for whoever ends it should the Drone be killed. */
  readonly groups: string;
  /** How the main thread ends the process that the thread waits for. */
  readonly group: GroupWords;
  /** Number of the lease's stay in the slot. */
  readonly run: number;
  /** Whether somebody watches what is printed; then the files of the output are left to the main thread. */
  readonly isWatched: boolean;
  /** The task at this position is to be ended after so many milliseconds, with the verdict `limit`. */
  limit(position: number, millis: number): void;
  /** It is to be ended when its folders take more than this, with the verdict `disk`. */
  limitDisk(position: number, limit: DiskLimit): void;
  /** The sandboxes of this Drone; null: it has none. */
  readonly sandbox: SandboxSetup | null;
  readonly tasks: OperatorTasks;
  /** The thread is replaced before it begins another task. */
  renew(): void;
  /**
   * A blob that the job names in its spec: the absolute path of a file with its bytes, which is there, and must not be
   * changed, until the lease that runs now has ended. Rejects with a TaskFailure when it cannot be had. It may take long:
   * who waits for it may want to watch the task's signal, too.
   */
  blob(hash: string): Promise<string>;
  /** For a task that submits work. */
  readonly nesting: Nesting;
  /** How the process in which tasks run folds what they give; null: it does not. */
  readonly boxRuns: BoxRuns | null;
}

/** What a slot's thread has of the main one for a task that submits work. */
export interface Nesting {
  /** The way to the Queen, with the lease's token. Rejects with a TaskFailure when the task may submit nothing. */
  pass(): Promise<TaskLine>;
  /** Whether all tasks of this thread wait for others, and its slot is given away: then nothing begins in it. */
  readonly isAway: boolean;
  /** Resolves when the slot is the thread's own again. */
  comeBack(): Promise<void>;
  /** One of several tasks at once begins; it ends when what this gives is called. */
  begin(): () => void;
  /** From now on a task waits for others. */
  rest(): Resting;
}

/** A task that waits for others. */
export interface Resting {
  /** Never resolves; rejects with a TaskFailure when it may not wait. */
  readonly refused: Promise<never>;
  /** It has nothing to wait for any more: resolves when it may run on. */
  goOn(): Promise<void>;
  /** The task has ended meanwhile. */
  end(): void;
}

/** Runs one task. Kinds that never wait return undefined, which keeps them in a loop without promises. */
export interface Runner {
  (task: Task): void | Promise<void>;
  /** How it runs more than one task at once. */
  several?: Several;
}

/** A kind that can have several tasks under way in one slot. */
export interface Several {
  /** How many at most; it may turn out when the first has begun. */
  readonly limit: number;
  /**
   * Starts a task, of which everything must be read at once. What it resolves with puts the output when all tasks before it
   * have ended, and may throw. Rejects with the task's failure.
   */
  start(task: Task): Promise<(task: Task) => void>;
}

export interface Kind {
  readonly name: string;
  /** @throws TaskFailure when the job's parameters make no sense: every task of it fails with that */
  prepare(job: KindJob, slot: KindSlot): Runner;
  /** The short text of an output, for people, where its encoding does not say how to show it; null: no better idea. */
  displayOutput?(encoding: Encoding, output: Uint8Array): string | null;
}

/** The kinds that every Drone knows. */
export const BUILT_IN: readonly Kind[] = [command, echo, functionKind, hash, sleep];
