/**
 * What a job's spec says about when it may start and when it must stop: other jobs that come first, time limits for the
 * whole job and for waiting in the queue, and how many failures are too many.
 */
import type { JobId, Message, Millis } from '@hive/shared';
import { record } from './complete.ts';
import { cancelJob, endEarly } from './ending.ts';
import type { Job } from './job.ts';
import type { State } from './state.ts';

/** Tasks that time out in the queue are recorded so many at a time. */
const TIMED_OUT_AT_ONCE = 4_096;

/** Why a spec's conditions cannot be met, or null. */
export function conditionProblem(state: State, { spec }: Message<'Submit'>): string | null {
  const missing = spec.after?.find(({ job }) => !state.jobs.has(job));
  if (missing !== undefined) {
    return `It shall come after job ${missing.job}, which is not here; it may have been removed.`;
  }
  const { failures, share } = spec.haltOn ?? {};
  if (failures === 0 || (share !== undefined && (share <= 0 || share > 1))) {
    return 'haltOn takes a number of failures above 0, or a share above 0 and at most 1.';
  }
  return null;
}

/** Puts a new or recovered job's conditions in force. */
export function watchConditions(state: State, job: Job): void {
  waitForOthers(state, job);
  if (!job.isActive) return;
  const { deadlineMillis, queueTimeoutMillis } = job.spec;
  if (deadlineMillis !== undefined) {
    job.deadline = state.deadlines.create(() => {
      endEarly(state, job, 'failed', `its deadline of ${deadlineMillis} ms has passed`);
    });
    state.deadlines.set(job.deadline, (job.reopenedAt ?? job.submittedAt) + deadlineMillis);
  }
  if (queueTimeoutMillis !== undefined) {
    job.queueDeadline = state.deadlines.create((now) => expireQueued(state, job, queueTimeoutMillis, now));
    state.deadlines.set(job.queueDeadline, state.now + queueTimeoutMillis);
    if (job.appended > 0) noteAppended(state, job);
  }
}

function waitForOthers(state: State, job: Job): void {
  for (const { job: id, on } of job.spec.after ?? []) {
    const other = state.jobs.get(id);
    // One that was removed had ended, and what depended on its end was decided then.
    if (other === undefined) continue;
    if (other.isActive) {
      job.waitsFor.set(id, on);
      other.dependents.add(job);
    } else if (!isSatisfied(other, on)) {
      cancelJob(state, job, whyNot(other));
      return;
    }
  }
}

const isSatisfied = (other: Job, on: 'success' | 'end'): boolean =>
  on === 'end' || other.state === 'succeeded';
const whyNot = (other: Job): string =>
  `job ${other.id}, which comes first, ${other.state === 'failed' ? 'has failed' : 'was cancelled'}`;

/** A job has ended: those that wait for it may start, or never will. */
export function releaseDependents(state: State, ended: Job): void {
  for (const job of ended.dependents) {
    const on = job.waitsFor.get(ended.id);
    job.waitsFor.delete(ended.id);
    if (on === undefined || !job.isActive) continue;
    if (!isSatisfied(ended, on)) cancelJob(state, job, whyNot(ended));
    else state.touch(job);
  }
  ended.dependents.clear();
}

/** Jobs that a job still waits for. */
export function waitingFor(job: Job): readonly JobId[] {
  return [...job.waitsFor.keys()];
}

/** Tasks were appended: from now on they wait. Stretches appended close together count as one. */
export function noteAppended(state: State, job: Job): void {
  if (job.spec.queueTimeoutMillis === undefined) return;
  job.queuedUpTo ??= [];
  const last = job.queuedUpTo[job.queuedUpTo.length - 1];
  if (last !== undefined && state.now - last.at < job.spec.queueTimeoutMillis / 16) last.end = job.appended;
  else job.queuedUpTo.push({ end: job.appended, at: state.now });
}

/** Fresh tasks that have waited too long end as timed out, before they were ever started. */
function expireQueued(state: State, job: Job, limit: Millis, now: Millis): void {
  if (!job.isActive || job.queueDeadline === null) return;
  const queued = job.queuedUpTo ?? [];
  while (queued[0] !== undefined && queued[0].end <= job.nextFresh) queued.shift();
  const oldest = queued[0];
  if (oldest === undefined) {
    state.deadlines.set(job.queueDeadline, now + limit);
    return;
  }
  if (now < oldest.at + limit) {
    state.deadlines.set(job.queueDeadline, oldest.at + limit);
    return;
  }
  const first = job.nextFresh;
  const end = Math.min(oldest.end, first + TIMED_OUT_AT_ONCE);
  job.nextFresh = end;
  const message = `it waited in the queue for more than ${limit} ms`;
  for (const [from, to] of [...job.recorded.gaps(first, end)]) {
    const failures = Array.from({ length: to - from }, (_, i) => ({
      index: from + i,
      outcome: 'timedOut' as const,
      code: 'queueTimeout',
      message,
    }));
    const page = { first: from, count: to - from, sizes: 0, data: new Uint8Array(0) };
    record(state, job, page, { failures, streams: [], drone: null });
  }
  if (job.isActive) state.deadlines.set(job.queueDeadline, now + 1);
}
