/**
 * The results of a `map`: values only, and the first task that does not succeed ends it. To be awaited (an array), or
 * iterated over with back-pressure.
 *
 * The job is cancelled when a task fails, the loop is left early, or the caller's signal aborts: nobody would read the rest.
 * Cost: `all()` decodes page by page into one array; iterating costs one promise per value, which the language asks for.
 */
import { UsageError } from '@hive/shared';
import { onAbort } from './abort.ts';
import type { Job } from './job.ts';
import { JobHandle } from './job-handle.ts';
import { PageCursor } from './page-cursor.ts';
import type { PageQueue, ResultPage } from './page-queue.ts';
import { Promised } from './promised.ts';

export interface MapReading {
  readonly ordered: boolean;
  readonly signal: AbortSignal | undefined;
  readonly streams: boolean;
}

export class MapResults<T = unknown> extends Promised<T[]> implements AsyncIterable<T> {
  readonly #job: Job | Promise<Job>;
  readonly #ordered: boolean;
  readonly #asStreams: boolean;
  #all: Promise<T[]> | null = null;
  #unlisten: () => void = () => {};
  /** Why nobody reads on. */
  #given: { readonly up: unknown } | null = null;

  /** @internal Made by `hive.map`. */
  constructor(job: Job | Promise<Job>, { ordered, signal, streams }: MapReading) {
    super();
    this.#job = job;
    this.#ordered = ordered;
    this.#asStreams = streams;
    // Whoever reads hears of it.
    if (job instanceof Promise) job.catch(() => {});
    if (signal === undefined) return;
    const done = job instanceof Promise ? job.then(({ done }) => done) : job.done;
    done.catch(() => {});
    this.#unlisten = onAbort(signal, done, () => this.#giveUp(signal.reason, 'aborted by its client'));
  }

  /** The job behind it, once the Queen has accepted it. */
  get job(): Promise<JobHandle<T>> {
    const handle = Promise.resolve(this.#job).then(async (job) => {
      await job.accepted;
      return new JobHandle<T>(job);
    });
    handle.catch(() => {});
    return handle;
  }

  /**
   * All values, in the order of the inputs. Rejects with the TaskError of the first task that did not succeed, with the
   * signal's reason, or with a UsageError ('jobLost', 'closed', 'cancelled', …).
   */
  all(): Promise<T[]> {
    this.#all ??= this.#collect() as Promise<T[]>;
    return this.#all;
  }

  /** `await hive.map(…)` is `await hive.map(…).all()`. */
  protected override settled(): Promise<T[]> {
    return this.all();
  }

  /** The values in the order of the inputs, or as they finish if `ordered` is false. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    const job = this.#job;
    const values =
      job instanceof Promise ? lateValues(job.then((job) => this.#iterate(job))) : this.#iterate(job);
    return values as AsyncIterator<T>;
  }

  #iterate(job: Job): ValueIterator {
    if (this.#given !== null) throw this.#given.up;
    const queue = job.read(this.#ordered ? 'index' : 'seq', 0, this.#asStreams);
    return new ValueIterator(job, queue, (error, reason) => this.#giveUp(error, reason));
  }

  async #collect(): Promise<unknown[]> {
    const job = await this.#job;
    if (this.#given !== null) throw this.#given.up;
    // Pages are placed by index, so the Queen need not hold back what finished early.
    const queue = job.read('seq', 0, this.#asStreams);
    const values: unknown[] = [];
    try {
      while (!queue.isAtEnd) {
        const page = queue.take();
        if (page === null) await queue.wait();
        else if (page.streams === undefined) placeValues(job, page, values);
        else await placeStreams(job, page, values);
      }
      await mustHaveSucceeded(job);
    } catch (error) {
      this.#giveUp(error, 'one of its tasks failed');
      throw error;
    }
    return values;
  }

  #giveUp(error: unknown, reason: string): void {
    this.#given ??= { up: error };
    this.#unlisten();
    const end = (job: Job) => {
      job.cancel({ reason }).catch(() => {});
      job.unread(error);
    };
    if (this.#job instanceof Promise) this.#job.then(end, () => {});
    else end(this.#job);
  }
}

function placeValues(job: Job, page: ResultPage, values: unknown[]): void {
  const reader = job.readerOf(page);
  const end = page.first + page.count;
  // Filled up one by one, an array stays dense; assigned far behind its end, it would become a hash table.
  while (values.length < page.first) values.push(undefined);
  let at = page.first;
  for (; at < end && at < values.length; at++) values[at] = reader.next();
  for (; at < end; at++) values.push(reader.next());
  job.consumed(page);
}

/** One at a time, so that no more than one large value is under way. */
async function placeStreams(job: Job, page: ResultPage, values: unknown[]): Promise<void> {
  const reader = job.readerOf(page);
  while (values.length < page.first + page.count) values.push(undefined);
  for (let at = page.first; !reader.isAtEnd; at++) values[at] = await reader.next();
  job.consumed(page);
}

/** The values of a job that is still to begin. */
async function* lateValues(iterating: Promise<AsyncIterator<unknown>>): AsyncGenerator<unknown> {
  const values = await iterating;
  yield* { [Symbol.asyncIterator]: () => values };
}

/** A job may end without a failed task in its results: cancelled by somebody, or given up by the Queen. */
async function mustHaveSucceeded(job: Job): Promise<void> {
  const { state, message } = await job.done;
  if (state === 'succeeded') return;
  throw new UsageError(message ?? `Job ${job.id} was ${state}.`, state);
}

class ValueIterator implements AsyncIterator<unknown> {
  readonly #cursor: PageCursor;
  readonly #job: Job;
  readonly #giveUp: (error: unknown, reason: string) => void;
  #isOver = false;

  constructor(job: Job, queue: PageQueue, giveUp: (error: unknown, reason: string) => void) {
    this.#job = job;
    this.#cursor = new PageCursor(job, queue);
    this.#giveUp = giveUp;
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    try {
      const reader = this.#cursor.ready;
      if (reader === null) return this.#later();
      const value = reader.next();
      return value instanceof Promise ? this.#fetched(value) : Promise.resolve({ done: false, value });
    } catch (error) {
      return Promise.reject(this.#failed(error));
    }
  }

  async #fetched(fetching: Promise<unknown>): Promise<IteratorResult<unknown>> {
    try {
      return { done: false, value: await fetching };
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #later(): Promise<IteratorResult<unknown>> {
    try {
      if (!this.#cursor.isAtEnd) await this.#cursor.wait();
      if (!this.#cursor.isAtEnd) return this.next();
      await mustHaveSucceeded(this.#job);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#isOver = true;
    return { done: true, value: undefined };
  }

  #failed(error: unknown): unknown {
    this.#isOver = true;
    this.#cursor.drop();
    this.#giveUp(error, 'one of its tasks failed');
    return error;
  }

  return(): Promise<IteratorResult<unknown>> {
    if (!this.#isOver) this.#giveUp(null, 'its client wants no more');
    this.#isOver = true;
    this.#cursor.drop();
    return Promise.resolve({ done: true, value: undefined });
  }
}
