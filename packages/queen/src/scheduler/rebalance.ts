/**
 * When a place is idle and nothing is ready, the longest lease gives up the unstarted half of its tasks; a lease that
 * waits behind a long one gives up all. The Drone answers with what it really gave back, so nothing runs twice.
 *
 * Only leases that would take noticeably longer than a Retract's round trip are asked: otherwise the tail of every
 * array would be torn to pieces for nothing.
 */
import type { Millis } from '@hive/shared';
import type { Profile } from './drone.ts';
import type { Lease } from './lease.ts';
import type { State } from './state.ts';

/** What is left of a lease must take at least this long to be worth splitting. */
const WORTH_MILLIS = 20;
/** How often idle places look for leases to split. */
const LOOK_MILLIS = 10;

/** Called at the end of a turn, after every ready task that fits somewhere has been leased. */
export function watchForImbalance(state: State): void {
  if (state.rebalanceDeadline.heapPosition >= 0) return;
  if (state.splittable.size === 0 || !hasFreePlace(state)) return;
  for (const lease of state.splittable) {
    if (!lease.isLive || (lease.state === 'running' && lease.open <= 1)) state.splittable.delete(lease);
    else if (unstarted(lease, state.now) > 0) {
      state.deadlines.set(state.rebalanceDeadline, state.now + LOOK_MILLIS);
      return;
    }
  }
}

function hasFreePlace(state: State): boolean {
  for (const profile of state.profiles.values()) if (profile.free.size > 0) return true;
  return false;
}

/** The deadline: idle places take from the longest leases. */
export function rebalance(state: State): void {
  let places = 0;
  for (const profile of state.profiles.values()) {
    for (const drone of profile.free) places += drone.credit;
  }
  for (const lease of state.splittable) if (lease.isRetracting) places--;
  for (; places > 0; places--) {
    const longest = longestLease(state);
    if (longest === null) return;
    retract(state, longest);
  }
}

function longestLease(state: State): Lease | null {
  let longest: Lease | null = null;
  let longestMillis = 0;
  for (const lease of state.splittable) {
    if (!lease.isLive || lease.isRetracting || lease.retractAgainAt > state.now) continue;
    if (unstarted(lease, state.now) === 0 || !somebodyElseIsFree(state, lease)) continue;
    if (lease.job.isHeldBack && !holdsLowest(lease)) continue;
    const millis = remainingMillis(lease, state.now);
    if (millis <= longestMillis) continue;
    longest = lease;
    longestMillis = millis;
  }
  return longest;
}

/** Of a job that is held back only the lowest task runs elsewhere; all others, taken back, would wait for nothing. */
function holdsLowest(lease: Lease): boolean {
  return lease.state === 'waiting' && lease.indexAt(lease.done) === lease.job.lowestUnrecorded;
}

/** A free place that could run the lease's tasks. */
function somebodyElseIsFree(state: State, lease: Lease): boolean {
  for (const profile of state.profiles.values()) {
    if (profile.free.size > 0 && profile.fits(lease.job) && hasRoom(profile, lease)) return true;
  }
  return false;
}
function hasRoom(profile: Profile, lease: Lease): boolean {
  for (const drone of profile.free) if (drone.credit >= lease.job.slots) return true;
  return false;
}

/** Tasks of a lease that have not been started, as far as can be told from here. */
function unstarted(lease: Lease, now: Millis): number {
  if (lease.state === 'waiting') return lease.open;
  const rate = lease.job.rateOf(lease.peer);
  const started =
    rate === undefined ? lease.done + 1 : Math.floor((now - lease.startedAt) / rate.millisPerTask) + 1;
  // A lease that is slower than its rate said has at least all but the next one unstarted.
  const likely = Math.min(Math.max(started, lease.done + 1), lease.end);
  const isLate =
    rate !== undefined && now - lease.startedAt > 2 * lease.end * rate.millisPerTask + WORTH_MILLIS;
  return isLate ? Math.max(0, lease.open - 1) : lease.end - likely;
}

/** How long the unstarted part will wait; 0 when it is not worth a Retract. */
function remainingMillis(lease: Lease, now: Millis): number {
  const perTask = lease.job.rateOf(lease.peer)?.millisPerTask;
  const age = now - lease.assignedAt;
  if (perTask === undefined) return age > WORTH_MILLIS ? age : 0;
  const expected = perTask * unstarted(lease, now);
  const ahead = lease.previous === null ? 0 : perTask * lease.previous.open;
  // What has taken longer than was expected will go on doing so.
  const overdue = Math.max(0, age - perTask * lease.end - ahead);
  const millis = expected + ahead + overdue;
  return millis > WORTH_MILLIS ? millis : 0;
}

function retract(state: State, lease: Lease): void {
  const idle = unstarted(lease, state.now);
  const end = lease.state === 'waiting' ? 0 : lease.end - Math.ceil(idle / 2);
  lease.isRetracting = true;
  state.send(lease.drone.session, { type: 'Retract', lease: lease.number, end });
}
