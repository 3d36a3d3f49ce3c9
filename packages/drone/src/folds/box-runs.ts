/**
 * Folding with a user's function in a sandbox: the process that runs the tasks of a slot folds what they give as it goes, as
 * part of each call, and gives the folded value with the last one of a run. The thread never calls the function.
 *
 * What was not given (the process has ended, the lease was cut short) is reported value by value, as it stands in the ring.
 */
import { type Encoding, encodeFolded, LIMITS, UsageError } from '@hive/shared';
import type { SlotFold } from '../agent/events.ts';
import { rangeEnd } from '../agent/lease.ts';
import { type Folding, foldingOf, onesOf, type Taken } from './fold-taken.ts';

/** How a call's value is folded in its process. */
export interface BoxFolding {
  /** It is the first of a run. */
  readonly begins: boolean;
  /** It is the last one: the folded value is wanted. */
  readonly gives: boolean;
}

/** Tasks [from, end), folded in one process that still has the value. */
interface Open {
  readonly from: number;
  readonly until: number;
  readonly process: object;
  end: number;
}

export class BoxRuns {
  readonly #encoding: Encoding;
  readonly #ranges: readonly number[];
  /** Where the lease ends, as far as is known by now. */
  readonly #leaseEnd: () => number;
  readonly #clock: () => number;
  #open: Open | null = null;
  #given: SlotFold[] = [];
  /** What the last call gave, until its task counts. */
  #answer: { readonly value: unknown } | null = null;
  #isDue = false;
  #toldAt: number;
  #startedAt = 0;
  /** Of the last call, in milliseconds: so long the next one is likely to take. */
  #lastMillis = Number.POSITIVE_INFINITY;

  constructor(encoding: Encoding, ranges: readonly number[], leaseEnd: () => number, clock: () => number) {
    this.#encoding = encoding;
    this.#ranges = ranges;
    this.#leaseEnd = leaseEnd;
    this.#clock = clock;
    this.#toldAt = clock();
  }

  /** Whether there is a folded value that its process has not given yet. */
  get isOpen(): boolean {
    return this.#open !== null;
  }
  /** The next call gives what was folded. */
  want(): void {
    this.#isDue = true;
  }

  /** @param process in which the task will run */
  orderFor(position: number, process: object): BoxFolding {
    const open = this.#open;
    const begins =
      open === null || open.end !== position || position >= open.until || open.process !== process;
    if (begins) {
      const until = rangeEnd({ ranges: this.#ranges }, position);
      this.#open = { from: position, until, process, end: position };
    }
    const { until } = this.#open!;
    this.#answer = null;
    this.#startedAt = this.#clock();
    const isDue = this.#isDue || this.#startedAt + this.#lastMillis >= this.#toldAt + LIMITS.foldMillis;
    return { begins, gives: isDue || position + 1 >= Math.min(until, this.#leaseEnd()) };
  }

  /** A call has succeeded. @param given what was folded so far, if it was to give that */
  answered(given: { readonly value: unknown } | null): void {
    this.#answer = given;
    this.#lastMillis = this.#clock() - this.#startedAt;
  }

  /** Its task counts. */
  add(position: number): void {
    const open = this.#open!;
    open.end = position + 1;
    if (this.#answer === null) return;
    this.#open = null;
    this.#isDue = false;
    try {
      const data = encodeFolded(this.#encoding, this.#answer.value);
      this.#given.push({ position: open.from, count: open.end - open.from, data });
    } catch (error) {
      // Reported value by value; the folds that come of them say what is wrong.
      if (!(error instanceof UsageError)) throw error;
    }
  }

  /** All that has finished since the last time. @param taken the same tasks, as they stand in the ring */
  take(taken: Taken): Folding {
    const given = this.#given;
    this.#given = [];
    this.#open = null;
    this.#isDue = false;
    this.#toldAt = this.#clock();
    let at = 0;
    return foldingOf(taken, (from, to, folds) => {
      let position = from;
      for (; at < given.length && given[at]!.position < to; at++) {
        const fold = given[at]!;
        folds.push(...onesOf(taken, position, fold.position), fold);
        position = fold.position + fold.count;
      }
      folds.push(...onesOf(taken, position, to));
    });
  }
}
