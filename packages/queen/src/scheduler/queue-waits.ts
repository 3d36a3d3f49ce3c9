/**
 * The queue time limit of a job: how long a task that could run may wait for a Drone. A wait begins when the task becomes
 * runnable and ends when it is given to a Drone; a task that waits longer ends as `timedOut`, before it is ever started.
 *
 * Fresh tasks wait in stretches whose beginnings are durable (`Job.queuedSince`): when they were appended, or when the jobs
 * before theirs had ended. Tasks that wait again (a retry, a lost Drone, a graph's child) are in sets by the time at which
 * that began (`Job.queuedAgain`), which a restart forgets: what may have been with a Drone before it goes on waiting since it was queued first
 * (in a graph: waits anew), and anew where that is over.
 *
 * Memory: times are rounded to a share of the limit, so there are some 65 stretches and sets at most; a set has as many
 * intervals as the tasks in it. No limit, no cost.
 */
import { IntervalSet, type Millis } from '@hive/shared';
import type { Job } from './job.ts';
import type { State } from './state.ts';

/** What begins to wait within such a share of the limit is counted from the last of it: nothing ends before its time. */
export const SHARE = 1 / 64;

export const limitOf = (job: Job): Millis | undefined => job.spec.queueTimeoutMillis;
/** When a wait that was rounded down to `at` is over. */
export const dueAt = (at: Millis, limit: Millis): Millis => at + limit + Math.ceil(limit * SHARE);

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
    // They may have begun to wait this much after their stretch did, and the set rounds down once more.
    const latest = Math.min(state.now, since + Math.ceil(limit * SHARE));
    addQueued(state, job, from, to, dueAt(since, limit) > state.now ? latest : state.now);
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
export function stretchAt(job: Job, index: number): Millis {
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
