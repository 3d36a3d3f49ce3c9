/**
 * After a restart: what was committed is applied, and tasks that may be running somewhere are held until their Drone
 * claims them, all known Drones are back, or the rejoin grace has ended. Tasks above the lease mark go out at once.
 *
 * Every start begins the grace anew, also that of a Queen who is killed again and again. A Drone may have been dialling all
 * the while, but whatever it tried before was in vain, and its next try may be a whole redial delay away (up to 5 s; the
 * grace is three of them). A grace that went on from an earlier start would give out at once what is still running, and
 * each crash would run it once more. The price is small: a Queen who lives for less than 15 s at a time gives out everything
 * but what was under way; what she is told of, and who has said goodbye, shortens the wait.
 */
import { LIMITS, type Millis, type PeerId } from '@hive/shared';
import { applyRecord } from './apply.ts';
import { watchConditions } from './conditions.ts';
import { maybeFinish, ownerLeft, watchRetention } from './ending.ts';
import { scheduleRetries } from './failures.ts';
import { rebuildGraph } from './graph-jobs.ts';
import type { Job } from './job.ts';
import { noteUnclaimed } from './queue-limit.ts';
import { armQueue } from './queue-waits.ts';
import type { State } from './state.ts';
import type { StoreRecord } from './types.ts';

/** Takes what the store recovered. Called once, before any event. */
export function recover(state: State, records: Iterable<StoreRecord>, now: Millis): void {
  state.now = now;
  state.rejoinEndsAt = now + LIMITS.rejoinMillis;
  for (const record of records) applyRecord(state, record);
  for (const peer of state.knownDrones) state.missingDrones.add(peer);
  for (const job of state.jobs.values()) {
    ownerLeft(state, job);
    if (job.isActive) resume(state, job);
    else {
      job.nextFresh = job.appended;
      state.ended.add(job);
      watchRetention(state, job);
      state.endedBytes += job.results.heldBytes;
    }
  }
  if (state.missingDrones.size === 0) releaseHeld(state);
  else state.deadlines.set(state.rejoinDeadline, state.rejoinEndsAt);
}

function resume(state: State, job: Job): void {
  const mark = Math.min(job.mark, job.appended);
  for (const [first, end] of job.recorded.gaps(0, mark)) job.held.add(first, end);
  job.nextFresh = mark;
  // Tasks above the mark may have an outcome too: one that was cancelled before it was ever leased.
  job.skipRecorded();
  // A task that failed is not running: it waits for its retry.
  if (job.isHeld) for (const index of job.failedTasks.keys()) job.held.delete(index, index + 1);
  scheduleRetries(state, job);
  watchConditions(state, job);
  // What it comes after may have ended otherwise than was asked.
  if (!job.isActive) return;
  rebuildGraph(state, job);
  job.folds?.planAll();
  maybeFinish(state, job);
  state.touch(job);
}

/** A Drone that was awaited has said what it holds. */
export function droneIsBack(state: State, peer: PeerId): void {
  if (!state.missingDrones.delete(peer)) return;
  state.rejoiningDrones.delete(peer);
  if (state.missingDrones.size === 0) releaseHeld(state);
}

/** A Drone has left again before it had said everything: the whole grace is there for it, unless it said goodbye. */
export function droneIsGone(state: State, peer: PeerId, isForGood: boolean): void {
  if (isForGood) droneIsBack(state, peer);
  else if (state.rejoiningDrones.delete(peer)) {
    state.deadlines.set(state.rejoinDeadline, state.rejoinEndsAt);
  }
}

/** A Drone of before is known to have ended: what it ran need not be held for it, unless others are awaited, too. */
export function awaitNoMore(state: State, peer: PeerId): void {
  if (!state.missingDrones.has(peer) || state.sessionOf('drone', peer)) return;
  state.commit({ type: 'droneLeft', drone: peer });
  droneIsBack(state, peer);
}

/** Nobody will claim what is still held: it runs again. */
export function releaseHeld(state: State): void {
  state.deadlines.clear(state.rejoinDeadline);
  for (const peer of state.missingDrones) {
    // One that is back and too busy to ask for work is still known, and awaited after the next restart.
    if (!state.sessionOf('drone', peer)) state.commit({ type: 'droneLeft', drone: peer });
  }
  state.missingDrones.clear();
  state.rejoiningDrones.clear();
  for (const job of state.jobs.values()) {
    armQueue(state, job);
    if (!job.isHeld) continue;
    const held = [...job.held];
    job.held.clear();
    if (job.graph !== null) rebuildGraph(state, job);
    else {
      const unclaimed = held.flatMap((part) => [...job.recorded.gaps(...part)]);
      for (const part of unclaimed) job.returned.add(...part);
      noteUnclaimed(state, job, unclaimed);
    }
    state.touch(job);
  }
}
