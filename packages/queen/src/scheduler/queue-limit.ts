/**
 * The queue time limit of a job: how long a task that could run may wait for a Drone. A wait begins when the task becomes
 * runnable and ends when it is given to a Drone; a task that waits longer ends as `timedOut`, before it is ever started.
 *
 * Fresh tasks wait in stretches whose beginnings are durable (`Job.queuedSince`): when they were appended, or when the jobs
 * before theirs had ended. Tasks that wait again (a retry, a lost Drone, a graph's child) are in sets by the time at which
 * that began (`Job.queuedAgain`), which a restart forgets: who was with a Drone before it waits anew after it.
 *
 * Memory: times are rounded to a share of the limit, so there are some 65 stretches and sets at most; a set has as many
 * intervals as the tasks in it. No limit, no cost.
 */
import { IntervalSet, type Millis } from '@hive/shared';
import { record } from './complete.ts';
import type { Job } from './job.ts';
import type { State } from './state.ts';

/** Tasks that time out are recorded so many at a time. */
const TIMED_OUT_AT_ONCE = 4_096;
/** What begins to wait within such a share of the limit is counted from the last of it: nothing ends before its time. */
const SHARE = 1 / 64;

const limitOf = (job: Job): Millis | undefined => job.spec.queueTimeoutMillis;
/** When a wait that was rounded down to `at` is over. */
const dueAt = (at: Millis, limit: Millis): Millis => at + limit + Math.ceil(limit * SHARE);

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
  state.commit({ type: 'tasksQueued', job: job.id, first, at, overdueUpTo: at - limit });
}

/** Tasks wait again from now on, whatever was before. */
export function queueAnew(state: State, job: Job, first: number, end: number): void {
  if (limitOf(job) === undefined) return;
  forgetQueued(job, first, end);
  addQueued(state, job, first, end, state.now);
}

/** Tasks come back unstarted: they go on waiting, unless their time was over while they were with a Drone. */
export function queueBack(state: State, job: Job, first: number, end: number): void {
  const limit = limitOf(job);
  if (limit === undefined) return;
  let unknown: (readonly [number, number])[] = [[first, end]];
  for (const { tasks } of job.queuedAgain ?? [])
    unknown = unknown.flatMap((part) => [...tasks.gaps(...part)]);
  for (const [from, to] of unknown) {
    const since = job.graph === null ? stretchAt(job, to - 1) : state.now;
    addQueued(state, job, from, to, dueAt(since, limit) > state.now ? since : state.now);
  }
}

/** These tasks have an outcome. */
export function forgetQueued(job: Job, first: number, end: number): void {
  if (job.queuedAgain === null) return;
  for (const { tasks } of job.queuedAgain) tasks.delete(first, end);
}

function addQueued(state: State, job: Job, first: number, end: number, at: Millis): void {
  const limit = limitOf(job)!;
  job.queuedAgain ??= [];
  const sets = job.queuedAgain;
  let place = sets.length;
  while (place > 0 && sets[place - 1]!.at > at) place--;
  const before = sets[place - 1];
  if (before !== undefined && at - before.at <= limit * SHARE) before.tasks.add(first, end);
  else sets.splice(place, 0, { at, tasks: IntervalSet.of([first, end]) });
  armQueue(state, job);
}

/** Since when a fresh task has waited. */
function stretchAt(job: Job, index: number): Millis {
  let { at } = job.queuedSince![0]!;
  for (const stretch of job.queuedSince!) if (stretch.first <= index) at = stretch.at;
  return Math.max(at, job.runnableAt);
}

/**
 * Sets the deadline to the end of the longest wait; clears it when nobody waits. Nothing ends while Drones of before a
 * restart are awaited: they may have what seems to wait.
 */
export function armQueue(state: State, job: Job): void {
  const limit = limitOf(job);
  if (limit === undefined || job.queueDeadline === null) return;
  const since = state.missingDrones.size > 0 || job.isWaitingForOthers ? null : longestWait(job);
  if (since === null || !job.isActive) state.deadlines.clear(job.queueDeadline);
  else state.deadlines.set(job.queueDeadline, Math.max(state.now, dueAt(since, limit)));
}

function longestWait(job: Job): Millis | null {
  const again = job.queuedAgain?.[0]?.at ?? null;
  if (job.nextFresh >= job.appended) return again;
  const fresh = stretchAt(job, job.nextFresh);
  return again === null ? fresh : Math.min(again, fresh);
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
