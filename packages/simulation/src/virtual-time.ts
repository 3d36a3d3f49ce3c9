/**
 * The clock and the event queue: time stands still while something happens and jumps to whatever comes next. What is due
 * at the same time happens in the order in which it was asked for, so nothing depends on the machine.
 */
import type { Millis } from '@hive/shared';

export interface Timer {
  readonly at: Millis;
  readonly order: number;
  /** Null once it was cancelled or has fired. */
  action: (() => void) | null;
}

/** Times are multiples of this part of a millisecond: sums and differences of them are exact in floating point. */
const TICKS_PER_MILLI = 1024;

export class VirtualTime {
  now: Millis = 0;
  /** Events that have happened. */
  happened = 0;
  #order = 0;
  readonly #heap: Timer[] = [];

  after(millis: Millis, action: () => void): Timer {
    const at = Math.ceil((this.now + Math.max(0, millis)) * TICKS_PER_MILLI) / TICKS_PER_MILLI;
    const timer = { at, order: this.#order++, action };
    this.#push(timer);
    return timer;
  }
  cancel(timer: Timer | null): void {
    if (timer !== null) timer.action = null;
  }

  /** Lets the next thing happen, if it is due by `until`. False when nothing is. */
  step(until: Millis): boolean {
    while (this.#heap.length > 0) {
      const top = this.#heap[0]!;
      if (top.action === null) {
        this.#pop();
        continue;
      }
      if (top.at > until) return false;
      this.#pop();
      this.now = top.at;
      this.happened++;
      const { action } = top;
      top.action = null;
      action();
      return true;
    }
    return false;
  }

  /** Lets everything happen that is due within `millis`. */
  advance(millis: Millis): void {
    const until = this.now + millis;
    while (this.step(until));
    this.now = until;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!comesBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!comesBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function comesBefore(a: Timer, b: Timer): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}
