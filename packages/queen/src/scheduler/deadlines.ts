/**
 * Everything that must happen at a time, in one heap, so that the runtime needs one timer. Each owner has its own
 * `Deadline` object and sets or clears it; there is nothing to cancel lazily and nothing is left over.
 */
import type { Millis } from '@hive/shared';
import { Heap, type HeapEntry } from './heap.ts';

export interface Deadline extends HeapEntry {
  at: Millis;
  readonly due: (now: Millis) => void;
}

export class Deadlines {
  readonly #heap = new Heap<Deadline>((a, b) => a.at < b.at);

  /** A deadline of its own for something; not set yet. `due` is called once each time it is reached. */
  create(due: (now: Millis) => void): Deadline {
    return { at: 0, due, heapPosition: -1 };
  }
  set(deadline: Deadline, at: Millis): void {
    deadline.at = at;
    this.#heap.set(deadline);
  }
  /** Sets it unless it is set to an earlier time. */
  setEarlier(deadline: Deadline, at: Millis): void {
    if (deadline.heapPosition < 0 || at < deadline.at) this.set(deadline, at);
  }
  clear(deadline: Deadline): void {
    this.#heap.delete(deadline);
  }
  get next(): Millis | null {
    return this.#heap.top?.at ?? null;
  }
  get size(): number {
    return this.#heap.size;
  }

  /** Fires what is due, earliest first. What is set again for now or earlier waits for the next call. */
  fire(now: Millis): void {
    for (let left = this.#heap.size; left > 0; left--) {
      const { top } = this.#heap;
      if (top === undefined || top.at > now) return;
      this.#heap.delete(top);
      top.due(now);
    }
  }
}
