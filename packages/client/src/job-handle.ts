/** The public face of a submitted job. */
import { type Encoding, type Failure, type JobId, type Outcome, UsageError } from '@hive/shared';
import { type EncodedResults, encodedResults } from './encoded.ts';
import { thrownIn } from './errors.ts';
import type { CancelOptions, Job, JobProgress } from './job.ts';
import type { JobSummary } from './job-stream.ts';
import { PageCursor } from './page-cursor.ts';
import type { PageQueue } from './page-queue.ts';
import type { PageReader } from './page-reader.ts';
import type { Printed } from './printed.ts';
import { type TaskEvent, taskEvents } from './task-events.ts';

/** What became of one task. `index` is the position of its input, counted from 0. */
export type TaskResult<T = unknown> =
  | {
      readonly index: number;
      readonly outcome: 'succeeded';
      readonly value: T;
      readonly error?: undefined;
    }
  | {
      readonly index: number;
      readonly outcome: Exclude<Outcome, 'succeeded'>;
      /** What a command gave although it failed, where its job asks for that (`failedResult`). */
      readonly value?: T;
      readonly error: {
        readonly code?: string;
        readonly message: string;
        /** What a function threw, as it was. */
        readonly thrown?: unknown;
      };
    };

/** How to read a job's results. */
export interface ResultsOptions {
  /** In the order of the inputs (default), or as they finish. */
  readonly ordered?: boolean;
  /** Where to begin: an index if ordered, else a sequence number; default 0. */
  readonly after?: number;
  /** Outputs over 1 MiB as an `OutputStream` each, instead of fetched whole. */
  readonly streams?: boolean;
}

export class JobHandle<T = unknown> {
  readonly #job: Job;

  /** @internal Jobs come from `Hive`. */
  constructor(job: Job) {
    this.#job = job;
  }

  /** Its name, for `hive.explain`, `hive.open` and the command line. */
  get id(): JobId {
    return this.#job.id;
  }
  /** How its values travel; `encodedResults` gives them so. */
  get encoding(): Encoding {
    return this.#job.encoding;
  }
  /** Where it stood when the Queen last said so (at most four times a second). */
  get progress(): JobProgress {
    return this.#job.progress;
  }
  /** Resolves when every input and the end of them is durable: a detached job then needs its client no more. */
  get sealed(): Promise<void> {
    return this.#job.sealed;
  }
  /**
   * How the job ended; resolves for a job that failed or was cancelled too. Rejects with a UsageError only if its end
   * cannot be known: 'jobLost', 'closed', or what the Queen refused it for.
   */
  get done(): Promise<JobSummary> {
    return this.#job.done;
  }

  /**
   * The job's one value: what its results were folded into (`reduce`), or what a task has ended it with. Rejects with a TaskError
   * if its results could not be folded, else with a UsageError: the job's state if it did not succeed, 'noValue' if it has none, or why its end cannot be known.
   */
  get value(): Promise<unknown> {
    return this.#job.value.then(({ value }) => value);
  }

  /** Calls back at every change of progress. Returns a function that ends it. */
  onProgress(listener: (progress: JobProgress) => void): () => void {
    return this.#job.watch(listener);
  }

  /**
   * What became of each task, with back-pressure: who reads slowly slows the job, and holds at most 16 MiB. Cancelled tasks
   * that never ran are left out. A job's results have one reader; those of an attached job are gone once read.
   * @throws UsageError 'resultsTaken' for a second reader
   */
  results({
    ordered = true,
    after = 0,
    streams = false,
  }: ResultsOptions = {}): AsyncIterableIterator<TaskResult<T>> {
    const queue = this.#job.read(ordered ? 'index' : 'seq', after, streams);
    return new ResultIterator(this.#job, queue) as AsyncIterableIterator<TaskResult<T>>;
  }

  /**
   * The same as `results`, a page at a time and undecoded: `first` may lie before `after`.
   * @throws UsageError 'resultsTaken' for a second reader
   */
  encodedResults({
    ordered = true,
    after = 0,
  }: Omit<ResultsOptions, 'streams'> = {}): AsyncGenerator<EncodedResults, void, undefined> {
    const queue = this.#job.read(ordered ? 'index' : 'seq', after, true);
    return encodedResults(this.#job, queue, () => this.#job.unread(readerLeft()));
  }

  /**
   * What its tasks print (commands and functions), as it comes, from the beginning of those that run; ends with the job. Of a task
   * with this `index`, or of all. Nobody waits for a reader who is slow: he misses pieces, which `offset` shows; all of it
   * (as much as is kept) is in the results.
   */
  output({ index }: { readonly index?: number } = {}): AsyncIterableIterator<Printed> {
    return this.#job.printed(index);
  }

  /**
   * What its tasks say while they run (functions: `context.progress` and `context.emit`), from the beginning of those that
   * run; ends with the job. Of the task with this `index`, or of all. A slow reader misses some; nothing of it is kept.
   */
  events({ index }: { readonly index?: number } = {}): AsyncIterableIterator<TaskEvent> {
    return taskEvents(this.#job.printed(index, true));
  }

  /**
   * Cancels what has not ended: all of it, or the tasks with these indices. What runs is stopped. Resolves when the Queen
   * has taken note.
   */
  async cancel(what: string | CancelOptions = {}): Promise<void> {
    await this.#job.cancel(typeof what === 'string' ? { reason: what } : what);
  }
}

/** Written out instead of an async generator, which would cost several turns of the microtask queue per value. */
class ResultIterator implements AsyncIterableIterator<TaskResult> {
  readonly #job: Job;
  readonly #cursor: PageCursor;
  #isOver = false;

  constructor(job: Job, queue: PageQueue) {
    this.#job = job;
    this.#cursor = new PageCursor(job, queue);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<TaskResult>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    try {
      const reader = this.#cursor.ready;
      if (reader === null) return this.#later();
      const result = resultOf(reader);
      if (result.value instanceof Promise) return fetched(result);
      return Promise.resolve({ done: false, value: result });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #later(): Promise<IteratorResult<TaskResult>> {
    if (!this.#cursor.isAtEnd) await this.#cursor.wait();
    this.#isOver ||= this.#cursor.isAtEnd;
    return this.next();
  }

  /** Leaving early grants no more credit; the job goes on until it is held back, or cancelled. */
  return(): Promise<IteratorResult<TaskResult>> {
    this.#isOver = true;
    this.#cursor.drop();
    this.#job.unread(readerLeft());
    return Promise.resolve({ done: true, value: undefined });
  }
}

const readerLeft = () => new UsageError('The reader of these results has left.', 'resultsTaken');

/** With the value, which was too large for its page. */
async function fetched(result: TaskResult): Promise<IteratorResult<TaskResult>> {
  return { done: false, value: { ...result, value: await result.value } as TaskResult };
}

function resultOf(reader: PageReader): TaskResult {
  const { index, failure } = reader;
  if (failure === undefined) return { index, outcome: 'succeeded', value: reader.next() };
  const value = reader.failedValue();
  return {
    index,
    outcome: failure.outcome as Exclude<Outcome, 'succeeded'>,
    ...(value === undefined ? {} : { value }),
    error: errorOf(failure),
  };
}

function errorOf({ code, message, error }: Failure): { code?: string; message: string; thrown?: unknown } {
  return {
    ...(code === undefined ? {} : { code }),
    message,
    ...(error === undefined ? {} : { thrown: thrownIn(error) }),
  };
}
