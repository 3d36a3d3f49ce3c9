/**
 * What a slot of a reduced job has finished, folded: one value for every run of adjacent tasks that have succeeded. Runs in the
 * slot's thread as it goes, and on the main thread for what a thread has left behind when it died.
 */
import { type Encoding, foldValues, LIMITS, type Operator } from '@hive/shared';
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
  const { at, count, sizes, data, finish } = taken;
  const page = { first: 0, count, sizes, data };
  const folds: SlotFold[] = [];
  const failures: SlotFailure[] = [];
  const fold = (from: number, to: number) => {
    let position = from;
    for (const folded of foldValues(operator, encoding, page, from - at, to - at)) {
      if (folded.data !== null) folds.push({ position, count: folded.count, data: folded.data });
      else {
        const { code, message } = folded;
        failures.push({ position, outcome: 'failed', code, message, retryable: false });
      }
      position += folded.count;
    }
  };
  let from = at;
  for (const { position, failure, value } of exceptions(taken)) {
    foldRanges(ranges, from, position, fold);
    if (failure !== null) failures.push(failure);
    else if (value !== null) folds.push({ position, count: 1, data: value });
    from = position + 1;
  }
  foldRanges(ranges, from, at + count, fold);
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
  const message = `The result has ${bytes} bytes; one that is folded has at most ${LIMITS.valueBytesMax}.`;
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
