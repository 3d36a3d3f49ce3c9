/**
 * A binary heap that knows where its entries are, so that one can be moved or removed when its key changes.
 * Used for ready jobs and for deadlines. Cost: O(log n) a change, O(1) to look at the top.
 */

/** An entry carries its own position; -1 while it is in no heap. An entry is in at most one heap at a time. */
export interface HeapEntry {
  heapPosition: number;
}

export class Heap<T extends HeapEntry> {
  readonly #entries: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#entries.length;
  }
  /** The entry that comes before all others. */
  get top(): T | undefined {
    return this.#entries[0];
  }

  /** Puts an entry in, or moves it to where it belongs when its key has changed. */
  set(entry: T): void {
    if (entry.heapPosition < 0) {
      entry.heapPosition = this.#entries.length;
      this.#entries.push(entry);
    }
    this.#down(this.#up(entry.heapPosition));
  }

  delete(entry: T): void {
    const at = entry.heapPosition;
    if (at < 0) return;
    entry.heapPosition = -1;
    const last = this.#entries.pop()!;
    if (last === entry) return;
    this.#entries[at] = last;
    last.heapPosition = at;
    this.#down(this.#up(at));
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#entries[Symbol.iterator]();
  }

  #up(from: number): number {
    const entries = this.#entries;
    const entry = entries[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#isBefore(entry, entries[parent]!)) break;
      this.#place(entries[parent]!, at);
      at = parent;
    }
    this.#place(entry, at);
    return at;
  }

  #down(from: number): void {
    const entries = this.#entries;
    const entry = entries[from]!;
    let at = from;
    while (true) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && this.#isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!this.#isBefore(entries[child]!, entry)) break;
      this.#place(entries[child]!, at);
      at = child;
    }
    this.#place(entry, at);
  }

  #place(entry: T, at: number): void {
    this.#entries[at] = entry;
    entry.heapPosition = at;
  }
}
