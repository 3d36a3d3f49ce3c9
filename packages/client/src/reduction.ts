/**
 * The value of a `map` or `range` whose results are folded on the Drones. To be awaited. The first task that does not succeed
 * ends it, as it ends a `map`: the job is cancelled, because there can be no value of all tasks.
 */
import { onAbort } from './abort.ts';
import type { Job } from './job.ts';
import { JobHandle } from './job-handle.ts';
import type { JobValue } from './job-value.ts';
import { Promised } from './promised.ts';

export class Reduction<T = unknown> extends Promised<T> {
  readonly #job: Promise<Job>;
  #outcome: Promise<JobValue> | null = null;
  #unlisten: () => void = () => {};

  /** @internal Made by `hive.map` and `hive.range`. */
  constructor(job: Job | Promise<Job>, signal: AbortSignal | undefined) {
    super();
    this.#job = Promise.resolve(job);
    // Whoever waits for the value hears of it.
    this.#job.catch(() => {});
    if (signal === undefined) return;
    const done = this.#job.then(({ done }) => done);
    done.catch(() => {});
    this.#unlisten = onAbort(signal, done, () => this.#giveUp(signal.reason, 'aborted by its client'));
  }

  /** The job behind it, once the Queen has accepted it: its progress, its id. */
  get job(): Promise<JobHandle> {
    const handle = this.#job.then(async (job) => {
      await job.accepted;
      return new JobHandle(job);
    });
    handle.catch(() => {});
    return handle;
  }

  /**
   * The value, and whether a task has ended the job with it. Rejects with the TaskError of the first task that did not succeed,
   * or of values that could not be folded, with the signal's reason, or with a UsageError ('jobLost', 'closed', 'cancelled', …).
   */
  outcome(): Promise<JobValue & { readonly value: T }> {
    this.#outcome ??= this.#wait();
    return this.#outcome as Promise<JobValue & { value: T }>;
  }

  /** The value alone. Rejects like `outcome`. */
  async value(): Promise<T> {
    return (await this.outcome()).value;
  }

  /** `await reduction` is `await reduction.value()`. */
  protected override settled(): Promise<T> {
    return this.value();
  }

  async #wait(): Promise<JobValue> {
    const job = await this.#job;
    try {
      // Only tasks that did not succeed are in pages; reading the first of them throws.
      const queue = job.read('seq', 0);
      while (!queue.isAtEnd) {
        const page = queue.take();
        if (page === null) await queue.wait();
        else {
          const reader = job.readerOf(page);
          while (!reader.isAtEnd) reader.next();
          job.consumed(page);
        }
      }
      return await job.value;
    } catch (error) {
      this.#giveUp(error, 'one of its tasks failed');
      throw error;
    }
  }

  #giveUp(error: unknown, reason: string): void {
    this.#unlisten();
    this.#job
      .then((job) => {
        job.unread(error);
        return job.cancel({ reason });
      })
      .catch(() => {});
  }
}
