/**
 * Finding the one task that kills machines. When a Drone's whole process is lost, every task that it may have started is
 * a suspect. Suspects run again at once, but in leases of their own; a range whose Drone is lost again is cut in half,
 * and from then on runs alone on its Drone, so that nobody else is hurt and nothing else can be to blame. A crash counts
 * only against a task that was alone.
 */
import { type Failure, IntervalSet } from '@hive/shared';
import { endAttempt } from './failures.ts';
import type { Job, Suspect } from './job.ts';
import { isLeased, type Lease } from './lease.ts';
import { queueAnew } from './queue-waits.ts';
import type { State } from './state.ts';

/** Losses from which on a suspect runs alone. */
const ALONE_FROM_LOSSES = 2;

export const mustBeAlone = (suspect: Suspect): boolean => suspect.losses >= ALONE_FROM_LOSSES;

/**
 * The process that ran this lease is lost: its open tasks are suspects now. Returns a failure to record when the lease
 * was one task, alone, and has crashed too often.
 */
export function suspectLease(state: State, lease: Lease): Failure | null {
  const { job } = lease;
  const losses = lease.losses + 1;
  const intervals = [...lease.intervals(lease.done, lease.end)]
    .flatMap(([first, end]) => [...job.recorded.gaps(first, end)])
    .flatMap(([first, end]) => onlyHere(job, lease, first, end));
  const tasks = intervals.reduce((sum, [first, end]) => sum + end - first, 0);
  // Who submits work cannot be alone: it has to answer for what comes of that.
  const isToBlame = lease.losses >= ALONE_FROM_LOSSES || job.spec.nested === true;
  const crash = tasks === 1 && isToBlame ? crashed(state, lease, intervals[0]![0]) : 'notAlone';
  const wasAlone = tasks === 1 && lease.losses >= ALONE_FROM_LOSSES;
  for (const [first, end] of intervals) {
    state.lastWords.lost(job, { first, end, peer: lease.peer, wasAlone });
  }
  if (crash !== 'notAlone') return crash;
  for (const [first, end] of intervals) {
    queueAnew(state, job, first, end);
    const middle = losses >= ALONE_FROM_LOSSES ? first + Math.ceil((end - first) / 2) : end;
    addSuspect(job, { first, end: middle, losses });
    if (middle < end) addSuspect(job, { first: middle, end, losses });
  }
  return null;
}

/** Those of some tasks that neither wait for a retry nor run elsewhere: after an adoption there may be two copies. */
function onlyHere(job: Job, lease: Lease, first: number, end: number): (readonly [number, number])[] {
  if (job.failedCount === 0 && !job.hasOverlaps) return [[first, end]];
  const tasks = new IntervalSet();
  for (let index = first; index < end; index++) {
    const isWaiting = job.failedTasks.get(index)?.retryAt != null;
    if (!isWaiting && !(job.hasOverlaps && isLeased(job, index, lease))) tasks.add(index, index + 1);
  }
  return [...tasks];
}

/** A task was alone on its Drone when the process was lost: it did it. */
function crashed(state: State, lease: Lease, index: number): Failure | null {
  const where = lease.job.spec.nested === true ? 'there' : 'alone there';
  const before = state.lastWords.of(lease.job, index);
  const failure: Failure = {
    index,
    outcome: 'crashed',
    code: 'processLost',
    message: `the process of ${lease.drone.name} was lost while this task ran ${where}${before}`,
  };
  if (endAttempt(state, lease, failure)) return failure;
  lease.job.failedTasks.get(index)!.losses = lease.losses;
  return null;
}

export function addSuspect(job: Job, suspect: Suspect): void {
  job.suspects = [...job.suspects, suspect];
  job.suspectTasks += suspect.end - suspect.first;
}

/** Takes tasks out of the suspects: they have an outcome, or their Drone was not lost after all. */
export function acquit(job: Job, first: number, end: number): void {
  if (job.suspectTasks === 0) return;
  const left: Suspect[] = [];
  let tasks = 0;
  for (const suspect of job.suspects) {
    for (const [from, to] of [
      [suspect.first, Math.min(suspect.end, first)],
      [Math.max(suspect.first, end), suspect.end],
    ] as const) {
      if (from >= to) continue;
      left.push({ ...suspect, first: from, end: to });
      tasks += to - from;
    }
  }
  job.suspects = left;
  job.suspectTasks = tasks;
}

/** The suspect range in which a task lies. */
export function suspectAt(job: Job, index: number): Suspect | undefined {
  return job.suspects.find(({ first, end }) => index >= first && index < end);
}

/**
 * A suspect that may run on a Drone now: one that must be alone only on a Drone that holds nothing. Of a job that its
 * reader holds back only the task that the reader needs next.
 */
export function takeSuspect(job: Job, isEmpty: boolean, isWaiting: boolean, length: number): Suspect | null {
  if (isWaiting) return null;
  const mayRun = (suspect: Suspect) => isEmpty || !mustBeAlone(suspect);
  const lowest = job.isHeldBack ? job.lowestUnrecorded : null;
  const suspect = lowest === null ? job.suspects.find(mayRun) : suspectAt(job, lowest);
  if (suspect === undefined || !mayRun(suspect)) return null;
  const first = lowest ?? suspect.first;
  const end =
    lowest !== null ? first + 1 : mustBeAlone(suspect) ? suspect.end : Math.min(suspect.end, first + length);
  acquit(job, first, end);
  return { first, end, losses: suspect.losses };
}
