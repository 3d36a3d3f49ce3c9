/**
 * The second argument of every function: what it may know of its task, and what it may say while it runs. One per task,
 * made in a few words, so it costs a tiny function next to nothing.
 */
import { TaskFailure } from '../kinds/failure.ts';
import type { Task } from '../kinds/kind.ts';
import type { Printed } from './printer.ts';
import type { TaskHive } from './task-hive.ts';

/** Ends the whole job, successfully, with this value. Thrown, so that the function ends where it stands. */
export class Finish {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** Progress is said no more often than anybody looks. */
const PROGRESS_MILLIS = 100;

/** What a context needs of its task, while it runs. */
export interface TaskFace extends Pick<Task, 'signal' | 'index' | 'attempt'> {
  write(bytes: Uint8Array): void;
}

export class FunctionContext {
  #task: TaskFace;
  #printed: Printed;
  #isOver = false;
  readonly #submitter: (signal: AbortSignal) => TaskHive;
  #hive: TaskHive | null = null;
  #progressAt = Number.NEGATIVE_INFINITY;
  /** Bytes were written as the output. */
  hasWritten = false;
  readonly index: number;
  readonly attempt: number;

  readonly params: Readonly<Record<string, unknown>>;

  /** @param submitter what `hive` is, for the task that asks for it; throws when it may submit nothing */
  constructor(
    task: TaskFace,
    printed: Printed,
    params: Readonly<Record<string, unknown>>,
    submitter: (signal: AbortSignal) => TaskHive,
  ) {
    this.#submitter = submitter;
    this.params = params;
    this.#task = task;
    this.#printed = printed;
    this.index = task.index;
    this.attempt = task.attempt;
  }

  get signal(): AbortSignal {
    return this.#task.signal;
  }

  // Getters, so that a task may take them apart: ({ log }) => …; made only for those who ask.

  get log(): (...values: readonly unknown[]) => void {
    return (...values) => {
      if (!this.#isOver) console.log(...values);
    };
  }

  get progress(): (done: number, of: number) => void {
    return (done, of) => {
      const now = performance.now();
      if (this.#isOver || (done < of && now - this.#progressAt < PROGRESS_MILLIS)) return;
      this.#progressAt = now;
      this.#printed.event({ type: 'progress', done: Number(done), of: Number(of) });
    };
  }

  get emit(): (value: unknown) => void {
    return (value) => {
      if (!this.#isOver) this.#printed.event({ type: 'emit', value });
    };
  }

  get finish(): (value: unknown) => never {
    return (value) => {
      throw new Finish(value);
    };
  }

  get write(): (bytes: Uint8Array | string) => void {
    return (bytes) => {
      if (this.#isOver)
        throw new TaskFailure('tooLate', 'The task has ended; its output cannot be written any more.');
      this.hasWritten = true;
      this.#task.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    };
  }

  get hive(): TaskHive {
    if (this.#isOver)
      throw new TaskFailure('tooLate', 'The task has ended; it cannot submit anything any more.');
    this.#hive ??= this.#submitter(this.signal);
    return this.#hive;
  }

  /** Whoever kept it can do no harm with it any more. */
  end(): void {
    this.#isOver = true;
    this.#hive?.end();
  }
}
