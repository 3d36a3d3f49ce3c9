/**
 * Turns what a slot reports into TaskComplete messages: contiguous indices, pages within their bounds, and not more
 * failures than one frame can carry. In the usual case that is one message, and nothing is copied.
 */
import {
  type Failure,
  InvariantError,
  LIMITS,
  type Message,
  type Page,
  PageCutter,
  type Streamed,
  sizeAt,
} from '@hive/shared';
import type { SlotFailure, SlotFold, SlotReport } from './events.ts';
import { indexAt, type Lease, rangeEnd } from './lease.ts';

/** With texts of at most `FAILURE_TEXT_MAX` UTF-16 units, so many failures stay far below one frame. */
const FAILURES_MAX = 1_000;
export const FAILURE_TEXT_MAX = 2_000;

/** Positions [at, at + count) of a lease, finished. */
export type Finished = Omit<SlotReport, 'slot' | 'run' | 'ended'>;
type TaskComplete = Message<'TaskComplete'>;

/** The messages that report these tasks; at least one, and only an empty one when nothing has finished. */
export function completionsOf(lease: Lease, finished: Finished): TaskComplete[] {
  const { at, count, sizes, data } = finished;
  if (count === 0) return [emptyCompletion(lease, at, finished.busyMicros)];
  if (finished.folds !== undefined) return foldedCompletions(lease, finished, finished.folds);
  const cutter = new PageCutter({ first: at, count, sizes, data });
  const messages: TaskComplete[] = [];
  const end = at + count;
  let failed = 0;
  for (let from = at; from < end; ) {
    const { finish } = finished;
    // What ends a job is a report of its own.
    const alone = finish === undefined || from > finish ? end : from === finish ? finish + 1 : finish;
    const limit = Math.min(end, alone, rangeEnd(lease, from), failureLimit(finished.failures, failed));
    const to = bytesEnd(cutter.page, from, limit);
    const page = cutter.cut(from, to - from);
    const failures: Failure[] = [];
    for (; failed < finished.failures.length && finished.failures[failed]!.position < to; failed++) {
      failures.push(failureOf(lease, finished.failures[failed]!));
    }
    const streams = streamsBetween(lease, finished, from, to);
    messages.push({
      type: 'TaskComplete',
      lease: lease.number,
      at: from,
      first: indexAt(lease, from),
      count: page.count,
      sizes: page.sizes,
      data: page.data,
      ...(failures.length === 0 ? {} : { failures }),
      ...(streams.length === 0 ? {} : { streams }),
      ...(from === finish ? { finish: true } : {}),
      busyMicros: Math.round((finished.busyMicros * page.count) / count),
    });
    from = to;
  }
  return messages;
}

/** Of a reduced job: a message for every folded value, and for every run of failures. */
function foldedCompletions(lease: Lease, finished: Finished, folds: readonly SlotFold[]): TaskComplete[] {
  const { at, count, failures, finish, busyMicros } = finished;
  const messages: TaskComplete[] = [];
  let fold = 0;
  let failed = 0;
  for (let from = at; from < at + count; ) {
    const next = folds[fold];
    if (next?.position === from) {
      const { data } = next;
      const kind = from === finish ? { finish: true } : { reduced: true };
      const page = { first: indexAt(lease, from), count: next.count, sizes: data.length, data };
      const micros = Math.round((busyMicros * next.count) / count);
      messages.push({
        type: 'TaskComplete',
        lease: lease.number,
        at: from,
        ...page,
        ...kind,
        busyMicros: micros,
      });
      from += next.count;
      fold++;
      continue;
    }
    const limit = Math.min(rangeEnd(lease, from), next?.position ?? at + count, from + FAILURES_MAX);
    const run = failures.slice(failed, failed + limit - from);
    if (run.length < limit - from || run.at(-1)!.position !== limit - 1)
      throw new InvariantError(`lease ${lease.number} was folded with a gap at ${from}`);
    messages.push({
      ...emptyCompletion(lease, from, (busyMicros * run.length) / count),
      count: run.length,
      failures: run.map((failure) => failureOf(lease, failure)),
    });
    failed += run.length;
    from = limit;
  }
  return messages;
}

/** Says nothing of any task. Of a cancelled lease, whose results were let go, `at` is 0: that is never beyond what was told. */
export function emptyCompletion(lease: Lease, at: number, busyMicros = 0): TaskComplete {
  return {
    type: 'TaskComplete',
    lease: lease.number,
    at,
    first: indexAt(lease, at),
    count: 0,
    sizes: 0,
    data: new Uint8Array(0),
    busyMicros: Math.round(busyMicros),
  };
}

function failureOf(lease: Lease, { position, message, ...rest }: SlotFailure): Failure {
  return { ...rest, message: message.slice(0, FAILURE_TEXT_MAX), index: indexAt(lease, position) };
}

function streamsBetween(lease: Lease, { streams = [] }: Finished, from: number, to: number): Streamed[] {
  const within = streams.filter(({ position }) => position >= from && position < to);
  return within.map(({ position, bytes, encoded }) => ({
    index: indexAt(lease, position),
    bytes,
    ...(encoded ? { encoded } : {}),
  }));
}

/** Position of the first failure that would be one too many. */
function failureLimit(failures: readonly SlotFailure[], from: number): number {
  return failures[from + FAILURES_MAX]?.position ?? Number.MAX_SAFE_INTEGER;
}

/** Largest end at which the page from `from` on keeps within its bytes. */
function bytesEnd(page: Page, from: number, limit: number): number {
  if (page.data.length <= LIMITS.pageBytesMax) return limit;
  let bytes = 0;
  for (let position = from; position < limit; position++) {
    bytes += sizeAt(page, position - page.first);
    if (bytes > LIMITS.pageBytesMax) return position;
  }
  return limit;
}
