/**
 * Which input pages of a job the store still holds, without their bytes: for the size of leases, for input credit, and
 * for dropping a page once all its tasks have succeeded. Memory is bounded by pages, not by tasks.
 */
import { LIMITS } from '@hive/shared';

interface Entry {
  readonly first: number;
  readonly count: number;
  /** Length of the data, in bytes. */
  readonly bytes: number;
  /** Tasks that have not succeeded. */
  remaining: number;
}

/** What a page costs against a credit, in bytes. */
export function pageCost(page: { count: number; data: { length: number } }): number {
  return page.data.length + 4 * page.count;
}

/** What a result page costs: a reduced one is a single value. */
export function resultCost(page: { count: number; data: { length: number } }, reduced: boolean): number {
  return reduced ? page.data.length + 4 : pageCost(page);
}

export class InputDirectory {
  /** By `first`; the part before `#head` is gone. */
  #entries: Entry[] = [];
  #head = 0;
  /** Cost of the pages that are held, in bytes. */
  heldBytes = 0;

  add(first: number, count: number, bytes: number): void {
    if (count === 0) return;
    this.#entries.push({ first, count, bytes, remaining: count });
    this.heldBytes += bytes + 4 * count;
  }

  /** Position of the page that holds `index`, or of the next one. */
  #find(index: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle]!;
      if (entry.first + entry.count > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * How many tasks from `first` on, at most `count`, carry no more than about `bytesMax`, and how many bytes that is.
   * At least one task; within a page bytes are estimated by its average, so the truth is at most one page more.
   */
  fitting(first: number, count: number, bytesMax: number): { count: number; bytes: number } {
    let bytes = 0;
    let taken = 0;
    for (let at = this.#find(first); at < this.#entries.length && taken < count; at++) {
      const page = this.#entries[at]!;
      const here = Math.min(page.first + page.count - Math.max(first, page.first), count - taken);
      const each = page.bytes / page.count;
      const fit = each === 0 ? here : Math.min(here, Math.floor((bytesMax - bytes) / each));
      bytes += fit * each;
      taken += fit;
      if (fit < here) break;
    }
    return { count: Math.max(1, taken), bytes: taken === 0 ? bytesMax : bytes };
  }

  /** First indices of the pages that hold tasks [first, end), added to `to` unless the last one there is the same. */
  startsOf(first: number, end: number, to: number[]): void {
    for (let at = this.#find(first); at < this.#entries.length; at++) {
      const page = this.#entries[at]!;
      if (page.first >= end) return;
      to.push(page.first);
    }
  }

  /** Tasks [first, end) succeeded. Yields the pages that nobody needs any more. */
  *succeeded(first: number, end: number): Generator<{ first: number; count: number; cost: number }> {
    for (let at = this.#find(first); at < this.#entries.length; at++) {
      const page = this.#entries[at]!;
      if (page.first >= end) break;
      page.remaining -= Math.min(end, page.first + page.count) - Math.max(first, page.first);
      if (page.remaining > 0) continue;
      const cost = page.bytes + 4 * page.count;
      this.heldBytes -= cost;
      yield { first: page.first, count: page.count, cost };
      this.#drop(at);
      if (at >= this.#head) at--;
    }
  }

  #drop(at: number): void {
    if (at !== this.#head) {
      this.#entries.splice(at, 1);
      return;
    }
    this.#head++;
    if (this.#head < 64 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Nobody needs any of them any more. */
  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.heldBytes = 0;
  }

  get pages(): number {
    return this.#entries.length - this.#head;
  }
  /** Credit that a client may have right now for an attached job, in bytes. */
  get room(): number {
    return LIMITS.inputBytesHeldMax - this.heldBytes;
  }
}
