/**
 * What a slot has folded with a user's function: each value joins those before it as its task ends, before the task
 * counts, so that a reducer which throws, blocks or ends its thread does so in a task that can be named.
 *
 * A value of one task is a folded value already. So wherever folding has come to nothing (the reducer threw, what it made is
 * too large, its thread is gone) the values stand in the ring as they are, and are reported one by one.
 */
import { type Encoding, encodeFolded, type FoldFunction, readValue, UsageError } from '@hive/shared';
import type { SlotFailure, SlotFold } from '../agent/events.ts';
import { rangeEnd } from '../agent/lease.ts';
import { type Folding, foldingOf, onesOf, type Taken } from './fold-taken.ts';

/** Adjacent tasks, folded. */
interface Run {
  readonly from: number;
  /** Where its range of the lease ends. */
  readonly until: number;
  count: number;
  /** The first value as it stands in the ring; decoded when there is a second one. */
  readonly first: Uint8Array;
  value: unknown;
  /** The reducer threw, and may have left `value` in any state. */
  isBroken: boolean;
}

export class FoldRuns {
  readonly #fold: FoldFunction;
  readonly #name: string;
  readonly #encoding: Encoding;
  readonly #ranges: readonly number[];
  #runs: Run[] = [];

  constructor(
    { fold, name }: { readonly fold: FoldFunction; readonly name: string },
    encoding: Encoding,
    ranges: readonly number[],
  ) {
    this.#fold = fold;
    this.#name = name;
    this.#encoding = encoding;
    this.#ranges = ranges;
  }

  /** One more task is about to succeed with this value. @throws TaskFailure when it cannot be folded into those before it */
  add(position: number, bytes: Uint8Array): void {
    const run = this.#runs.at(-1);
    if (run === undefined || run.isBroken || position !== run.from + run.count || position >= run.until) {
      const until = rangeEnd({ ranges: this.#ranges }, position);
      this.#runs.push({ from: position, until, count: 1, first: bytes, value: null, isBroken: false });
      return;
    }
    const left = run.count === 1 ? this.#decoded(run.first) : run.value;
    run.isBroken = true;
    run.value = this.#fold(left, this.#decoded(bytes));
    run.isBroken = false;
    run.count++;
  }

  #decoded(bytes: Uint8Array): unknown {
    return readValue(bytes, 0, bytes.length, this.#encoding);
  }

  /** All that was folded since the last time. @param taken the same tasks, as they stand in the ring */
  take(taken: Taken): Folding {
    const runs = this.#runs;
    this.#runs = [];
    let at = 0;
    return foldingOf(taken, (_, to, folds, failures) => {
      for (; at < runs.length && runs[at]!.from < to; at++) this.#close(runs[at]!, taken, folds, failures);
    });
  }

  #close({ from, count, value, isBroken }: Run, taken: Taken, folds: SlotFold[], failures: SlotFailure[]) {
    const end = from + count;
    if (count === 1 || isBroken) {
      folds.push(...onesOf(taken, from, end));
      return;
    }
    try {
      folds.push({ position: from, count, data: encodeFolded(this.#encoding, value) });
    } catch (error) {
      const { code, message } = error as Partial<UsageError>;
      const isTooLarge = error instanceof UsageError && code === 'tooLarge';
      folds.push(...onesOf(taken, from, isTooLarge ? end : end - 1));
      if (isTooLarge) return;
      const text = `${this.#name} gave what cannot be sent. ${message ?? String(error)}`;
      failures.push({
        position: end - 1,
        outcome: 'failed',
        code: 'badReducer',
        message: text,
        retryable: false,
      });
    }
  }
}
