/**
 * Pages in memory, by the number of their job and their own: those that are not durable yet (they must be readable,
 * whatever the bound), and the ones used last, up to a bound in bytes.
 */
interface Entry<T> {
  readonly job: number;
  readonly number: number;
  readonly value: T;
  readonly bytes: number;
  isPinned: boolean;
}

export class PageCache<T> {
  readonly #jobs = new Map<number, Map<number, Entry<T>>>();
  /** Those that may go, in the order of use, the last used last. Pinned ones are not among them. */
  readonly #order = new Set<Entry<T>>();
  readonly #bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(job: number, number: number): T | undefined {
    const entry = this.#jobs.get(job)?.get(number);
    if (entry === undefined) return undefined;
    if (this.#order.delete(entry)) this.#order.add(entry);
    return entry.value;
  }

  /** Adds a page; a pinned one stays until `unpin`. */
  set(job: number, number: number, value: T, bytes: number, isPinned: boolean): void {
    this.delete(job, number);
    const entry: Entry<T> = { job, number, value, bytes, isPinned };
    let pages = this.#jobs.get(job);
    if (pages === undefined) {
      pages = new Map();
      this.#jobs.set(job, pages);
    }
    pages.set(number, entry);
    this.bytes += bytes;
    if (!isPinned) this.#order.add(entry);
    this.#shrink();
  }

  /** The page is durable, and may go like any other. */
  unpin(job: number, number: number): void {
    const entry = this.#jobs.get(job)?.get(number);
    if (entry === undefined || !entry.isPinned) return;
    entry.isPinned = false;
    this.#order.add(entry);
    this.#shrink();
  }

  delete(job: number, number: number): void {
    const pages = this.#jobs.get(job);
    const entry = pages?.get(number);
    if (entry === undefined) return;
    pages!.delete(number);
    if (pages!.size === 0) this.#jobs.delete(job);
    this.#order.delete(entry);
    this.bytes -= entry.bytes;
  }

  deleteJob(job: number): void {
    for (const number of [...(this.#jobs.get(job)?.keys() ?? [])]) this.delete(job, number);
  }

  #shrink(): void {
    for (const { job, number } of this.#order) {
      if (this.bytes <= this.#bytesMax) return;
      this.delete(job, number);
    }
  }
}
