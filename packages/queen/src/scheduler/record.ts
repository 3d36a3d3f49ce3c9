/** The one way in which outcomes are recorded: durable first (G2 is checked by apply.ts), then all that follows from it. */
import type { Failure, Page, Streamed } from '@hive/shared';
import { acquit } from './blame.ts';
import { finishJob, maybeFinish, maybeHalt } from './ending.ts';
import { pageCost } from './input-directory.ts';
import type { Job } from './job.ts';
import { forgetQueued } from './queue-waits.ts';
import type { State } from './state.ts';

/** What is recorded beside the values of a page. */
export interface Particulars {
  readonly failures: readonly Failure[];
  readonly streams: readonly Streamed[];
  /** Name of the Drone that ran the tasks, or null. */
  readonly drone: string | null;
  /** Slot time of one task, averaged over the report, in milliseconds. */
  readonly millis?: number;
  /** The page is one value for all its tasks. */
  readonly reduced?: true;
  /** Its one task has ended the job with its value. */
  readonly finish?: boolean;
}

/** Records an outcome for every task of the page; none of them has one yet. */
export function record(
  state: State,
  job: Job,
  page: Page,
  { failures, streams, drone, millis, reduced, finish }: Particulars,
): void {
  // Nothing is recorded of a job that has ended, whatever was under way.
  if (!job.isActive) return;
  const { first, count, sizes, data } = page;
  const seq = job.seq + 1;
  state.commit({
    type: 'resultsRecorded',
    job: job.id,
    seq,
    page: { first, count, sizes, data },
    failures,
    streams,
    drone,
    ...(millis === undefined ? {} : { millis }),
    ...(reduced ? { reduced } : {}),
    at: state.now,
  });
  state.totals.recorded += count;
  state.throughput.add(count, state.now);
  // Nobody reads reduced pages.
  if (!reduced) job.unreadBytes += pageCost(page);
  dropInputs(state, job, first, count, failures);
  job.returned.delete(first, first + count);
  // Fresh tasks that were cancelled one by one: a job with no others has nothing to lease.
  if (first + count > job.nextFresh) job.skipRecorded();
  if (job.isHeld) job.held.delete(first, first + count);
  acquit(job, first, first + count);
  forgetQueued(job, first, first + count);
  state.touch(job);
  state.dirtyProgress.add(job);
  state.graphAdvanced(job, first, count, failures);
  if (finish) {
    finishJob(state, job, first, seq);
    return;
  }
  if (job.folds !== null) {
    job.folds.planAround(first);
    state.ready.update(job);
  }
  maybeHalt(state, job);
  maybeFinish(state, job);
}

/** Input pages go when all their tasks have succeeded; a failed task's input stays, for a later retry of the job. */
function dropInputs(
  state: State,
  job: Job,
  first: number,
  count: number,
  failures: readonly Failure[],
): void {
  if (job.spec.range !== undefined) return;
  let start = first;
  const drop = (end: number) => {
    if (start >= end) return;
    for (const page of job.inputs.succeeded(start, end)) {
      state.commit({ type: 'inputsDropped', job: job.id, first: page.first, count: page.count });
      if (job.isAttached) job.creditDue += page.cost;
    }
  };
  // An attached job ends with its client, so nothing of it is ever retried: its failed tasks need no input either.
  if (!job.isAttached) {
    for (const { index, outcome } of failures) {
      // A task that was cancelled by itself stays cancelled when the job is retried.
      if (outcome === 'cancelled') continue;
      drop(index);
      start = index + 1;
    }
  }
  drop(first + count);
}
