/**
 * Pages in memory, by job and number: those that are not durable yet (they must be readable, whatever the bound), and
 * the ones used last, up to a bound in bytes.
 */
import type { JobId, PageCutter } from '@hive/shared';

interface Entry<T> {
  readonly value: T;
  readonly bytes: number;
  /** Commits that must end before it may go. */
  pins: number;
}

export class PageCache<T = PageCutter> {
  /** In the order of use, the last used last. */
  readonly #jobs = new Map<JobId, Map<number, Entry<T>>>();
  readonly #order = new Map<Entry<T>, readonly [JobId, number]>();
  readonly #bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(job: JobId, number: number): T | undefined {
    const entry = this.#jobs.get(job)?.get(number);
    if (entry === undefined) return undefined;
    const key = this.#order.get(entry)!;
    this.#order.delete(entry);
    this.#order.set(entry, key);
    return entry.value;
  }

  /** Adds a page; a pinned one stays until `unpin`. */
  set(job: JobId, number: number, value: T, bytes: number, isPinned: boolean): void {
    this.delete(job, number);
    const entry: Entry<T> = { value, bytes, pins: isPinned ? 1 : 0 };
    let pages = this.#jobs.get(job);
    if (pages === undefined) {
      pages = new Map();
      this.#jobs.set(job, pages);
    }
    pages.set(number, entry);
    this.#order.set(entry, [job, number]);
    this.bytes += bytes;
    this.#shrink();
  }

  unpin(job: JobId, number: number): void {
    const entry = this.#jobs.get(job)?.get(number);
    if (entry !== undefined) entry.pins = 0;
  }

  delete(job: JobId, number: number): void {
    const pages = this.#jobs.get(job);
    const entry = pages?.get(number);
    if (entry === undefined) return;
    pages!.delete(number);
    if (pages!.size === 0) this.#jobs.delete(job);
    this.#order.delete(entry);
    this.bytes -= entry.bytes;
  }

  deleteJob(job: JobId): void {
    for (const number of [...(this.#jobs.get(job)?.keys() ?? [])]) this.delete(job, number);
  }

  /** Lets the longest unused go. Pinned ones are passed over; there are only as many as wait for a commit. */
  #shrink(): void {
    if (this.bytes <= this.#bytesMax) return;
    for (const [entry, [job, number]] of this.#order) {
      if (this.bytes <= this.#bytesMax) return;
      if (entry.pins === 0) this.delete(job, number);
    }
  }
}
