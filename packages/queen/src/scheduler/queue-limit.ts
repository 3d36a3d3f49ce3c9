/**
 * Puts a job's queue time limit in force: notes since when fresh tasks wait, and ends what has waited too long. What a
 * wait is stands in `queue-waits.ts`.
 */
import { IntervalSet, type Millis } from '@hive/shared';
import type { Job } from './job.ts';
import { armQueue, dueAt, limitOf, queueAnew, queueBack, SHARE, stretchAt } from './queue-waits.ts';
import { record } from './record.ts';
import type { State } from './state.ts';

/** Tasks that time out are recorded so many at a time. */
const TIMED_OUT_AT_ONCE = 4_096;
/** Puts a new, recovered or reopened job's limit in force. */
export function watchQueue(state: State, job: Job): void {
  const limit = limitOf(job);
  if (limit === undefined) return;
  job.queueDeadline ??= state.deadlines.create((now) => expireQueued(state, job, limit, now));
  armQueue(state, job);
}

/** Tasks from `first` on were appended: they wait from now on, or from the end of the jobs that come first. */
export function noteAppended(state: State, job: Job, first: number): void {
  const limit = limitOf(job);
  if (limit === undefined || job.isWaitingForOthers || job.graph !== null || !job.isActive) return;
  const last = job.queuedSince!.at(-1)!;
  if (state.now - Math.max(last.at, job.runnableAt) > limit * SHARE) noteQueued(state, job, first, limit);
  armQueue(state, job);
}

/** The jobs that come first have ended: everything waits from now on. */
export function noteReleased(state: State, job: Job): void {
  const limit = limitOf(job);
  if (limit === undefined) return;
  noteQueued(state, job, 0, limit);
  job.queuedAgain = null;
  for (const [first, end] of [...job.returned]) queueAnew(state, job, first, end);
  armQueue(state, job);
}

/** Whole milliseconds, as the store has them; up, because nothing may end before its time. */
function noteQueued(state: State, job: Job, first: number, limit: Millis): void {
  const at = Math.ceil(state.now);
  // What is over by now, with all that a wait was rounded by, need not be told apart any more.
  const overdueUpTo = Math.floor(state.now) - (dueAt(0, limit) as number);
  state.commit({ type: 'tasksQueued', job: job.id, first, at, overdueUpTo });
}

/**
 * Nobody claims these tasks, which Drones may have had when the Queen was started: they go on waiting since they were queued. A task for
 * which that is too long already was with a Drone by then, or waited for another one: it waits anew, and that is remembered,
 * so that a Queen who is started again and again does not begin its wait anew each time.
 */
export function noteUnclaimed(state: State, job: Job, tasks: readonly (readonly [number, number])[]): void {
  const limit = limitOf(job);
  if (limit === undefined || tasks.length === 0) return;
  renewOverdue(state, job, tasks.at(-1)![1], limit);
  const starts = job.queuedSince!.map((stretch) => stretch.first);
  for (const [first, end] of tasks) {
    const cuts = [first, ...starts.filter((start) => start > first && start < end), end];
    for (let i = 0; i + 1 < cuts.length; i++) queueBack(state, job, cuts[i]!, cuts[i + 1]!);
  }
}

/** Of the tasks before `end`, those whose wait is over are taken to wait since now. Rounded up, as `noteQueued` does. */
function renewOverdue(state: State, job: Job, end: number, limit: Millis): void {
  const stretches: { readonly first: number; readonly at: Millis }[] = [];
  const add = (first: number, at: Millis) => {
    if (stretches.at(-1)?.at !== at) stretches.push({ first, at });
  };
  const before = job.queuedSince!;
  for (const [i, { first, at }] of before.entries()) {
    const next = before[i + 1]?.first ?? Number.POSITIVE_INFINITY;
    const isOver = first < end && dueAt(Math.max(at, job.runnableAt), limit) <= state.now;
    add(first, isOver ? Math.ceil(state.now) : at);
    if (isOver && next > end && end < job.appended) add(end, at);
  }
  const changed = stretches.findIndex(
    ({ first, at }, i) => before[i]?.first !== first || before[i].at !== at,
  );
  if (changed < 0) return;
  for (const { first, at } of stretches.slice(changed))
    state.commit({ type: 'tasksQueued', job: job.id, first, at, overdueUpTo: 0 });
}

/** The deadline: tasks that have waited too long end as timed out, so many at a time. */
function expireQueued(state: State, job: Job, limit: Millis, now: Millis): void {
  expireFresh(state, job, limit, now);
  expireAgain(state, job, limit, now);
  if (job.isActive) armQueue(state, job);
}

function expireFresh(state: State, job: Job, limit: Millis, now: Millis): void {
  const first = job.nextFresh;
  if (first >= job.appended || dueAt(stretchAt(job, first), limit) > now) return;
  const next = job.queuedSince!.find((stretch) => stretch.first > first);
  const end = Math.min(next?.first ?? job.appended, first + TIMED_OUT_AT_ONCE);
  job.nextFresh = end;
  timeOut(state, job, first, end, limit);
  // All of them may have had an outcome before, so that nothing was recorded and the job is still taken for ready.
  state.ready.update(job);
}

function expireAgain(state: State, job: Job, limit: Millis, now: Millis): void {
  const sets = job.queuedAgain;
  const oldest = sets?.[0];
  if (oldest === undefined || dueAt(oldest.at, limit) > now) return;
  // Those among them that are with Drones or wait for a retry do not wait here.
  let left = TIMED_OUT_AT_ONCE;
  for (let part = oldest.tasks.takeLowest(left); part !== null; part = oldest.tasks.takeLowest(left)) {
    const waiting = IntervalSet.of(...job.returned.parts(...part));
    for (const { first, end } of job.suspects) waiting.add(Math.max(first, part[0]), Math.min(end, part[1]));
    for (const [first, end] of waiting) timeOut(state, job, first, end, limit);
    left -= part[1] - part[0];
    if (!job.isActive) return;
  }
  if (oldest.tasks.isEmpty) sets!.splice(sets!.indexOf(oldest), 1);
}

function timeOut(state: State, job: Job, first: number, end: number, limit: Millis): void {
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
}
