/**
 * What a slot of a reduced job has finished, folded: one value for every run of adjacent tasks that have succeeded. Runs in the
 * slot's thread as it goes, and on the main thread for what a thread has left behind when it died.
 */
import {
  type Encoding,
  FOLD_INTO_LESS,
  foldValues,
  LIMITS,
  type Operator,
  PageCutter,
  sizeAt,
} from '@hive/shared';
import type { SlotFailure, SlotFold, SlotReport } from '../agent/events.ts';
import { rangeEnd } from '../agent/lease.ts';

/** Finished tasks as they stand in the ring. */
export type Taken = Pick<SlotReport, 'at' | 'count' | 'sizes' | 'data' | 'failures' | 'streams' | 'finish'>;
/** The same, folded. */
export interface Folding {
  readonly at: number;
  readonly count: number;
  readonly folds: readonly SlotFold[];
  readonly failures: readonly SlotFailure[];
  readonly finish?: number;
}

export function foldTaken(
  operator: Operator,
  encoding: Encoding,
  ranges: readonly number[],
  taken: Taken,
): Folding {
  const { at, count, sizes, data } = taken;
  const page = { first: 0, count, sizes, data };
  return foldingOf(taken, (first, end, folds, failures) =>
    foldRanges(ranges, first, end, (from, to) => {
      let position = from;
      for (const folded of foldValues(operator, encoding, page, from - at, to - at)) {
        if (folded.data !== null) folds.push({ position, count: folded.count, data: folded.data });
        else {
          const { code, message } = folded;
          failures.push({ position, outcome: 'failed', code, message, retryable: false });
        }
        position += folded.count;
      }
    }),
  );
}

/** The same where nothing folds: every value for itself, as the folded value of one task. */
export function takenOneByOne(taken: Taken): Folding {
  return foldingOf(taken, (from, to, folds) => folds.push(...onesOf(taken, from, to)));
}

/** The values of tasks [from, to), which have all succeeded, one by one. */
export function onesOf({ at, count, sizes, data }: Taken, from: number, to: number): SlotFold[] {
  const page = { first: 0, count, sizes, data };
  const cutter = new PageCutter(page);
  const folds: SlotFold[] = [];
  for (let position = from; position < to; position++) {
    const offset = cutter.offsetOf(position - at);
    const value = data.slice(offset, offset + sizeAt(page, position - at));
    folds.push({ position, count: 1, data: value });
  }
  return folds;
}

type FoldPart = (from: number, to: number, folds: SlotFold[], failures: SlotFailure[]) => void;

/** @param fold adds the folds of tasks [from, to), which have all succeeded with values that can be folded */
export function foldingOf(taken: Taken, fold: FoldPart): Folding {
  const { at, count, finish } = taken;
  const folds: SlotFold[] = [];
  const failures: SlotFailure[] = [];
  let from = at;
  for (const { position, failure, value } of exceptions(taken)) {
    if (position > from) fold(from, position, folds, failures);
    if (failure !== null) failures.push(failure);
    else if (value !== null) folds.push({ position, count: 1, data: value });
    from = position + 1;
  }
  if (at + count > from) fold(from, at + count, folds, failures);
  return { at, count, folds, failures, ...(finish === undefined ? {} : { finish }) };
}

/** Tasks whose values are not folded: those that failed, are too large, or have ended the job, in order. */
function exceptions({ at, sizes, data, failures, streams = [], finish }: Taken) {
  const found = failures.map((failure): Exception => ({ position: failure.position, failure, value: null }));
  for (const { position, bytes } of streams)
    found.push({ position, failure: tooLarge(position, bytes), value: null });
  if (finish !== undefined) {
    const offset = offsetOf(sizes, finish - at);
    const value = data.slice(offset, offsetOf(sizes, finish - at + 1));
    found.push({ position: finish, failure: null, value });
  }
  return found.sort((a, b) => a.position - b.position);
}
interface Exception {
  readonly position: number;
  readonly failure: SlotFailure | null;
  readonly value: Uint8Array | null;
}

function tooLarge(position: number, bytes: number): SlotFailure {
  const message = `the result has ${bytes} bytes, and one that is folded has at most ${LIMITS.valueBytesMax}. ${FOLD_INTO_LESS}`;
  return { position, outcome: 'failed', code: 'tooLarge', message, retryable: false };
}

function offsetOf(sizes: number | Uint8Array, position: number): number {
  if (typeof sizes === 'number') return sizes * position;
  const view = new DataView(sizes.buffer, sizes.byteOffset, sizes.byteLength);
  let offset = 0;
  for (let i = 0; i < position; i++) offset += view.getUint32(i * 4);
  return offset;
}

/** A value is one of adjacent tasks, so runs end where a range of the lease does. */
function foldRanges(
  ranges: readonly number[],
  from: number,
  to: number,
  fold: (from: number, to: number) => void,
): void {
  for (let at = from; at < to; ) {
    const end = Math.min(to, rangeEnd({ ranges }, at));
    fold(at, end);
    at = end;
  }
}
