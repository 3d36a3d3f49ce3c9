/**
 * How jobs end: all tasks have outcomes, or somebody cancels. Cancelling reaches what runs: its leases are told to stop,
 * and nothing that they still report counts. An ended job keeps its results until retention removes it.
 */
import {
  type FoldFailure,
  type JobState,
  LIMITS,
  type Message,
  type Millis,
  type SessionNumber,
} from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { Folds } from './folds.ts';
import type { Job } from './job.ts';
import type { Lease } from './lease.ts';
import type { State } from './state.ts';

export function maybeFinish(state: State, job: Job): void {
  if (!job.isActive || !job.isSealed || job.recorded.size < job.appended) return;
  if (job.folds !== null && job.failed === 0) {
    maybeFinishFolding(state, job, job.folds);
    return;
  }
  end(state, job, job.failed === 0 ? 'succeeded' : 'failed', null);
}

/** All tasks of a reduced job have outcomes: it ends when one value is left. */
function maybeFinishFolding(state: State, job: Job, folds: Folds): void {
  const { only } = folds;
  if (job.cancelled > 0)
    endEarly(state, job, 'failed', 'tasks of it were cancelled, so its results cannot be folded');
  else if (job.appended === 0) end(state, job, 'succeeded', null);
  else if (only !== null) end(state, job, 'succeeded', null, { value: only.seq });
  else {
    folds.planLevel(Math.floor(state.fittingSlots(job) / job.slots));
    state.touch(job);
  }
}

/** A task has ended its job with its value: the rest, running work included, is cancelled. */
export function finishJob(state: State, job: Job, index: number, seq: number): void {
  if (!job.isActive) return;
  end(state, job, 'succeeded', `task ${index} has ended it with its value`, { value: seq });
}

/** Ends a job before its time; running tasks are stopped, their leases' places come back as the Drones report. */
export function cancelJob(state: State, job: Job, reason: string): void {
  endEarly(state, job, 'cancelled', reason);
}

/** Ends a job before its time, as cancelled or as failed. Whoever reads its message is told why. */
export function endEarly(state: State, job: Job, to: 'cancelled' | 'failed', reason: string): void {
  endWith(state, job, to, reason, {});
}

/** The values of a job cannot be folded: it has failed. */
export function endUnfolded(state: State, job: Job, failure: FoldFailure): void {
  const { index, count, outcome, message } = failure;
  const reason = `folding tasks ${index} to ${index + count - 1} ${outcome}: ${message}`;
  // A Drone may have said as much as goes into one text.
  endWith(state, job, 'failed', reason.slice(0, LIMITS.textMax), { failure });
}

function endWith(
  state: State,
  job: Job,
  to: 'cancelled' | 'failed',
  reason: string,
  more: { readonly failure?: FoldFailure },
): void {
  if (!job.isActive) return;
  for (const lease of job.leases) cancelLease(state, lease, reason);
  end(state, job, to, reason, more);
}

/** Too many failures: the rest of the job is not worth running. */
export function maybeHalt(state: State, job: Job): void {
  const { haltOn } = job.spec;
  if (haltOn === undefined || !job.isActive || job.failed === 0) return;
  const { failures, share } = haltOn;
  if (failures !== undefined && job.failed >= failures) {
    endEarly(state, job, 'failed', `it was halted after ${job.failed} of its tasks had failed`);
  } else if (share !== undefined && job.isSealed && job.failed >= share * job.appended) {
    const percent = Math.round((100 * job.failed) / job.appended);
    endEarly(state, job, 'failed', `it was halted after ${percent} % of its tasks had failed`);
  }
}

/**
 * A job's client is gone. Nobody else can go on with one that is attached or not sealed; one that has ended and is both
 * hidden and attached is of no use to others. The client may come back for it, for a while.
 */
export function ownerLeft(state: State, job: Job): void {
  job.ownerSession = null;
  const isHis = job.isActive ? job.isAttached || !job.isSealed : isPrivate(job);
  if (!isHis) return;
  job.abandonDeadline ??= state.deadlines.create(() => abandon(state, job));
  state.deadlines.set(job.abandonDeadline, state.now + LIMITS.abandonMillis);
}

function abandon(state: State, job: Job): void {
  if (job.isActive) cancelJob(state, job, 'abandoned: its client has been gone for 60 s');
  if (isPrivate(job)) removeJob(state, job);
}

/** Nobody but its client has a use for its results. */
function isPrivate(job: Job): boolean {
  return job.isHidden && job.isAttached;
}

/** Nothing more of this lease counts; its Drone is told to stop. */
export function cancelLease(state: State, lease: Lease, reason: string): void {
  if (!lease.isLive) return;
  lease.job.running -= lease.open;
  lease.state = 'cancelled';
  // All of it was reported: its end is on the way, if it is not here.
  if (lease.open === 0) return;
  state.send(lease.drone.session, { type: 'CancelTask', lease: lease.number, reason });
}

function end(
  state: State,
  job: Job,
  to: JobState,
  message: string | null,
  more: { readonly value?: number; readonly failure?: FoldFailure } = {},
): void {
  // Leases that are still live hold tasks which somebody else finished: stop them.
  for (const lease of job.leases) cancelLease(state, lease, 'the job has ended');
  state.commit({ type: 'jobEnded', job: job.id, state: to, message, ...more, at: state.now });
  for (const lease of job.lostLeases) {
    state.lost.delete(lease.number);
    state.leases.delete(lease.number);
  }
  for (const other of job.firstJobs) state.jobs.get(other)?.dependents.delete(job);
  job.endRun();
  job.suspects = [];
  job.suspectTasks = 0;
  job.nextFresh = job.appended;
  job.folds?.stop();
  job.queuedAgain = null;
  for (const deadline of [job.retryDeadline, job.foldDeadline, job.deadline, job.queueDeadline]) {
    if (deadline !== null) state.deadlines.clear(deadline);
  }
  // A private job goes on waiting for its client.
  if (job.abandonDeadline !== null && !isPrivate(job)) state.deadlines.clear(job.abandonDeadline);
  job.reservedOn = null;
  if (job.keptOn !== null) job.keptOn.keptFor = null;
  job.keptOn = null;
  state.touch(job);
  state.dirtyProgress.delete(job);
  state.totals.jobs++;
  if (!job.isHidden) {
    state.notice({ type: 'jobEnded', job: job.id, name: job.label, state: to, message });
  }
  tellEnd(state, job);
  state.ended.add(job);
  state.endedBytes += job.results.heldBytes;
  state.endedNow.push(job);
  watchRetention(state, job);
  retain(state);
}

/** Sessions that submitted the job or read it. */
export function listenersOf(job: Job): Set<SessionNumber> {
  const sessions = new Set(job.hasReaders ? job.subscriptions.keys() : []);
  if (job.ownerSession !== null) sessions.add(job.ownerSession);
  return sessions;
}

/** JobDone to everybody who submitted or reads the job. */
export function tellEnd(state: State, job: Job): void {
  for (const session of listenersOf(job)) tellEndTo(state, job, session);
}

export function tellEndTo(state: State, job: Job, session: Job['ownerSession'] & number): void {
  const done: Message<'JobDone'> = {
    type: 'JobDone',
    job: job.id,
    state: job.state,
    counts: job.counts,
    seq: job.seq,
    elapsedMillis: Math.max(0, Math.round((job.endedAt ?? state.now) - job.submittedAt)),
    ...(job.message === null ? {} : { message: job.message }),
    ...(isFinished(job) ? { finish: true } : {}),
    ...(job.failure === null ? {} : { failure: job.failure }),
  };
  // Its value is added by the runtime, from the store.
  state.sendAfterCommit(
    session,
    done,
    job.valueSeq === null ? undefined : { job: job.id, seq: job.valueSeq },
  );
}

/** Its value is that of a task, not what all were folded into. */
function isFinished({ valueSeq, results }: Job): boolean {
  return valueSeq !== null && results.bySeq(valueSeq)?.reduced !== true;
}

/**
 * Whether someone connected has not been sent all of an ended job's results, and still reads: who stands still for long does not
 * keep it, and where far too much is kept, not even for a minute.
 */
function isBeingRead(state: State, job: Job): boolean {
  if (!job.hasReaders) return false;
  const patience = isFarTooMuch(state) ? LIMITS.keptMillisMin : LIMITS.readerIdleMillis;
  for (const { isDone, movedAt } of job.subscriptions.values()) {
    if (!isDone && state.now - Math.max(movedAt, job.endedAt ?? 0) < patience) return true;
  }
  return false;
}

function isFarTooMuch(state: State): boolean {
  return state.ended.size > 2 * LIMITS.retainedJobsMax || state.endedBytes > 2 * retainedBytesMax(state);
}

/** So many are removed at a time: a set from whose front one after the other is taken is slow to begin with. */
const REMOVED_AT_ONCE = 32;

/**
 * Removes the oldest ended jobs, a few at a time, while there are too many or their results are too large. What has just
 * ended stays for a minute whatever its size, so that whoever waited for it can read it.
 */
export function retain(state: State): void {
  const areMany = state.ended.size >= LIMITS.retainedJobsMax + REMOVED_AT_ONCE;
  if (!areMany && state.endedBytes <= retainedBytesMax(state)) return;
  let looks = REMOVED_AT_ONCE;
  for (const job of state.ended) {
    const age = state.now - (job.endedAt ?? state.now);
    const isCrowded = state.ended.size > LIMITS.retainedJobsMax;
    const isLarge = state.endedBytes > retainedBytesMax(state) && age >= LIMITS.keptMillisMin;
    if (looks-- === 0 || !(isCrowded || isLarge)) return;
    if (mayGo(state, job)) removeJob(state, job);
    else {
      // To the back: those behind it are looked at next time. The looks are counted, so it is not met for ever.
      state.ended.delete(job);
      state.ended.add(job);
    }
  }
}

const retentionOf = (job: Job): Millis => job.spec.retentionMillis ?? LIMITS.retentionMillis;
const mayGo = (state: State, job: Job): boolean => !isBeingRead(state, job) && !job.hasDependents;

/** An ended job goes when its retention is over. */
export function watchRetention(state: State, job: Job): void {
  state.deadlines.setEarlier(state.retentionDeadline, (job.endedAt ?? state.now) + retentionOf(job));
}

/** The deadline: removes every ended job whose time is over, and says when the next one's is. */
export function expireEnded(state: State): void {
  let next = Number.POSITIVE_INFINITY;
  for (const job of [...state.ended]) {
    const at = (job.endedAt ?? state.now) + retentionOf(job);
    if (at > state.now) next = Math.min(next, at);
    else if (mayGo(state, job)) removeJob(state, job);
    else next = Math.min(next, state.now + EXPIRE_AGAIN_MILLIS);
  }
  retain(state);
  if (next !== Number.POSITIVE_INFINITY) state.deadlines.set(state.retentionDeadline, next);
}
/** One that is still read, or that others wait for, is looked at again so much later. */
const EXPIRE_AGAIN_MILLIS = 1_000;

function retainedBytesMax(state: State): number {
  return state.identity.isDurable ? LIMITS.durableRetainedBytesMax : LIMITS.retainedBytesMax;
}

export function removeJob(state: State, job: Job): void {
  state.ended.delete(job);
  state.endedBytes = Math.max(0, state.endedBytes - job.results.heldBytes);
  state.dirtyJobs.delete(job);
  if (job.abandonDeadline !== null) state.deadlines.clear(job.abandonDeadline);
  for (const drone of job.knownBy) forgetOn(state, job, drone);
  for (const session of new Set([...job.subscriptions.keys(), job.ownerSession])) {
    if (session !== null) state.sessions.get(session)?.jobs.delete(job);
  }
  state.commit({ type: 'jobRemoved', job: job.id });
}

/** Tells Drones that hold no lease of an ended job any more to forget its spec. */
export function forgetSpecs(state: State, job: Job): void {
  if (job.isActive) return;
  for (const drone of job.knownBy) {
    let holds = false;
    for (const lease of job.leases) if (lease.drone === drone) holds = true;
    if (!holds) forgetOn(state, job, drone);
  }
}

/** A Drone need not remember every job it ever had a lease of: the oldest that it holds nothing of go. */
export function boundSpecs(state: State, drone: DroneState): void {
  if (drone.knownJobs.size <= LIMITS.specsPerDroneMax) return;
  let looks = 16;
  for (const job of drone.knownJobs.values()) {
    if (looks-- === 0) return;
    if (![...job.leases].some((lease) => lease.drone === drone)) forgetOn(state, job, drone);
  }
}

function forgetOn(state: State, job: Job, drone: DroneState): void {
  job.knownBy.delete(drone);
  job.rest();
  if (drone.knownJobs.delete(job.id)) state.send(drone.session, { type: 'ForgetJob', job: job.id });
}

/** Pages that the owner of an attached job has and will not ask for again. */
export function dropResults(state: State, job: Job, all: readonly number[]): void {
  // Its value is told again to whoever asks.
  const seqs = job.valueSeq === null ? all : all.filter((seq) => seq !== job.valueSeq);
  if (seqs.length === 0) return;
  const before = job.results.heldBytes;
  state.commit({ type: 'resultsDropped', job: job.id, seqs, recordedBelow: job.lowestUnrecorded });
  if (!job.isActive) state.endedBytes -= before - job.results.heldBytes;
}
