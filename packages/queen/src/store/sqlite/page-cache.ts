/**
 * Pages in memory, by the number of their job and their own: those that are not durable yet (they must be readable,
 * whatever the bound), and the ones used last, up to a bound in bytes.
 *
 * Memory: one entry a page and nothing a job, because most jobs of a full queue have one small page each.
 */
interface Entry<T> {
  readonly key: number | string;
  readonly job: number;
  readonly value: T;
  readonly bytes: number;
  isPinned: boolean;
  /** The other pages of the same job. */
  next: Entry<T> | null;
  previous: Entry<T> | null;
}

export class PageCache<T> {
  readonly #pages = new Map<number | string, Entry<T>>();
  /** Any page of a job; the others hang on it. */
  readonly #jobs = new Map<number, Entry<T>>();
  /** Those that may go, in the order of use, the last used last. Pinned ones are not among them. */
  readonly #order = new Set<Entry<T>>();
  readonly #bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(job: number, number: number): T | undefined {
    const entry = this.#pages.get(keyOf(job, number));
    if (entry === undefined) return undefined;
    if (this.#order.delete(entry)) this.#order.add(entry);
    return entry.value;
  }

  /** Adds a page; a pinned one stays until `unpin`. */
  set(job: number, number: number, value: T, bytes: number, isPinned: boolean): void {
    this.delete(job, number);
    const next = this.#jobs.get(job) ?? null;
    const entry: Entry<T> = { key: keyOf(job, number), job, value, bytes, isPinned, next, previous: null };
    if (next !== null) next.previous = entry;
    this.#jobs.set(job, entry);
    this.#pages.set(entry.key, entry);
    this.bytes += bytes;
    if (!isPinned) this.#order.add(entry);
    this.#shrink();
  }

  /** The page is durable, and may go like any other. */
  unpin(job: number, number: number): void {
    const entry = this.#pages.get(keyOf(job, number));
    if (entry === undefined || !entry.isPinned) return;
    entry.isPinned = false;
    this.#order.add(entry);
    this.#shrink();
  }

  delete(job: number, number: number): void {
    const entry = this.#pages.get(keyOf(job, number));
    if (entry !== undefined) this.#remove(entry);
  }

  deleteJob(job: number): void {
    for (let entry = this.#jobs.get(job); entry !== undefined; entry = this.#jobs.get(job))
      this.#remove(entry);
  }

  #remove(entry: Entry<T>): void {
    const { key, job, next, previous } = entry;
    if (next !== null) next.previous = previous;
    if (previous !== null) previous.next = next;
    else if (next !== null) this.#jobs.set(job, next);
    else this.#jobs.delete(job);
    this.#pages.delete(key);
    this.#order.delete(entry);
    this.bytes -= entry.bytes;
  }

  #shrink(): void {
    // A set from whose front very much was taken is slow to begin with.
    if (this.bytes <= this.#bytesMax) return;
    for (const entry of this.#order) {
      if (this.bytes <= this.#bytesMax) return;
      this.#remove(entry);
    }
  }
}

/** Both numbers in one where they fit, which is nearly always. */
function keyOf(job: number, number: number): number | string {
  return job < 2 ** 21 && number < 2 ** 32 ? job * 2 ** 32 + number : `${job}/${number}`;
}
