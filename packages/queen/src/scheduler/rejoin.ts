/**
 * A Drone has come back and lists the leases that it still holds. What was not started elsewhere it keeps: the lease
 * lives again and newer leases of the same tasks are retracted. Of a task that runs twice the copy that has run longer
 * goes on and the other is cancelled. Nothing here can record a task twice: recording is by index.
 */
import { type HeldLease, LIMITS, type Message, ProtocolError } from '@hive/shared';

import { acquit } from './blame.ts';
import type { DroneState } from './drone.ts';
import { cancelLease } from './ending.ts';
import type { Job } from './job.ts';
import { Lease } from './lease.ts';
import { maybeWatchOn } from './live-output.ts';
import { queueBack } from './queue-waits.ts';
import { LEASES_PER_EPOCH, type State } from './state.ts';

export function holdings(state: State, drone: DroneState, message: Message<'Holdings'>): void {
  if (drone.hasReported) throw new ProtocolError('Holdings was sent twice');
  drone.hasReported = true;
  if (message.predecessor !== undefined) state.lastWords.heard(message.predecessor);
  const seen = new Set<number>();
  for (const held of message.leases) {
    if (held.queen !== state.identity.queen || seen.has(held.lease)) continue;
    seen.add(held.lease);
    const lease = known(state, drone, held) ?? earlier(state, drone, held);
    if (lease !== null) adopt(state, drone, lease, held);
    else refuse(state, drone, held);
  }
  // Reports of what it has finished follow now; its TaskRequest says that they are all here. A Drone that is
  // busy asks for nothing: it is given the time of a heartbeat.
  if (state.missingDrones.has(drone.peer)) state.rejoiningDrones.add(drone.peer);
  if (state.rejoiningDrones.size > 0 && state.rejoiningDrones.size === state.missingDrones.size) {
    state.deadlines.setEarlier(state.rejoinDeadline, state.now + LIMITS.heartbeatMillis);
  }
  drone.update();
}

/** A lease that was lost with its Drone, be it of this opening of the store or adopted from an earlier one. */
function known(state: State, drone: DroneState, held: HeldLease): Lease | null {
  const lost = state.lost.get(held.lease);
  if (lost === undefined || lost.peer !== drone.peer || lost.job.id !== held.job) return null;
  if (held.incarnation !== (lost.incarnation ?? state.identity.incarnation)) return null;
  if (held.done > lost.end)
    throw new ProtocolError(`Holdings says that lease ${held.lease} is longer than it was`);
  return lost;
}

/**
 * A lease of an earlier opening: all that is left of it is what its Drone says. A number that is not of an earlier
 * epoch comes from a store that was replaced by a backup; such a lease is not adopted, its number may be given again.
 */
function earlier(state: State, drone: DroneState, held: HeldLease): Lease | null {
  // A fold is not adopted: what it was to take the place of may have been folded otherwise.
  if (held.incarnation === state.identity.incarnation || held.fold) return null;
  if (held.lease >= (state.identity.epoch - 1) * LEASES_PER_EPOCH || state.leases.has(held.lease))
    return null;
  const job = state.jobs.get(held.job);
  if (job === undefined || !job.isActive || !liesWithin(held.ranges, job.appended)) return null;
  const lease = new Lease(held.lease, job, drone, held.ranges, 'running', state.now, 0);
  if (held.done > lease.end)
    throw new ProtocolError(`Holdings says that lease ${held.lease} is longer than it was`);
  lease.incarnation = held.incarnation;
  // What it finished before is in reports that follow; until they have come those tasks stay held.
  lease.done = held.done;
  lease.startedAt = state.now - (held.startedMillis ?? 0);
  if (job.state === 'waiting') job.state = 'running';
  return lease;
}

function liesWithin(ranges: readonly number[], appended: number): boolean {
  if (ranges.length === 0 || ranges.length % 2 !== 0) return false;
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i + 1] === 0 || ranges[i]! + ranges[i + 1]! > appended) return false;
  }
  return true;
}

/** Nobody knows this lease, or nobody needs it: the Drone shall drop it. Its place comes back by `ended`. */
function refuse(state: State, drone: DroneState, held: HeldLease): void {
  const reason = 'the Queen does not know this lease';
  state.send(drone.session, { type: 'CancelTask', lease: held.lease, reason });
}

function adopt(state: State, drone: DroneState, lease: Lease, held: HeldLease): void {
  const { job } = lease;
  state.lost.delete(lease.number);
  job.lost.delete(lease);
  revive(state, drone, lease);
  if (!needsIt(lease)) {
    cancelLease(state, lease, 'its tasks were done elsewhere meanwhile');
    return;
  }
  if (isTooEarly(lease)) {
    cancelLease(state, lease, 'what its tasks depend on has no result any more');
    return;
  }
  maybeWatchOn(state, drone, job);
  for (const [first, end] of lease.intervals(lease.done, lease.end)) claim(state, job, first, end);
  // Some of them may have failed elsewhere and wait for a retry, which this lease is then.
  if (job.failedCount > 0) job.hasOverlaps = true;
  for (const other of [...job.leases]) {
    if (other !== lease && other.isLive && other.fold === null && overlap(lease, other))
      yieldTo(state, other, lease, held.startedMillis ?? 0);
  }
  state.touch(job);
}

/** Takes tasks out of wherever they wait: nobody else gets them while this lease lives. */
function claim(state: State, job: Job, first: number, end: number): void {
  job.returned.delete(first, end);
  job.held.delete(first, end);
  acquit(job, first, end);
  if (end <= job.nextFresh) return;
  // Leased before its mark was durable: the fresh tasks before it go out as returned ones.
  for (const [from, to] of [...job.recorded.gaps(job.nextFresh, Math.max(job.nextFresh, first))]) {
    job.returned.add(from, to);
    queueBack(state, job, from, to);
  }
  job.nextFresh = end;
  job.skipRecorded();
}

function revive(state: State, drone: DroneState, lease: Lease): void {
  const { job } = lease;
  lease.drone = drone;
  lease.state = 'running';
  lease.isRetracting = false;
  lease.retractAgainAt = state.now + LIMITS.leaseTargetMillis;
  state.leases.set(lease.number, lease);
  if (lease.end > 1) state.splittable.add(lease);
  drone.leases.set(lease.number, lease);
  job.leases.add(lease);
  job.running += lease.open;
  // The spec is still with the Drone's running work; a later lease of this job brings it again.
}

function needsIt(lease: Lease): boolean {
  if (!lease.job.isActive) return false;
  for (const [first, end] of lease.intervals(lease.done, lease.end)) {
    if (!lease.job.recorded.covers(first, end)) return true;
  }
  return false;
}

/** It was given on the strength of a parent's result that was not durable when the Queen ended. */
function isTooEarly(lease: Lease): boolean {
  const { graph, recorded } = lease.job;
  if (graph === null) return false;
  for (const [first, end] of lease.intervals(lease.done, lease.end)) {
    for (let task = first; task < end; task++)
      for (const parent of graph.parents(task)) if (!recorded.has(parent)) return true;
  }
  return false;
}

function overlap(a: Lease, b: Lease): boolean {
  for (const [first, end] of a.intervals(a.done, a.end)) {
    for (const [otherFirst, otherEnd] of b.intervals(b.done, b.end)) {
      if (first < otherEnd && otherFirst < end) return true;
    }
  }
  return false;
}

/** `newer` was given tasks that `older` still holds: it gives back what it has not started. */
function yieldTo(state: State, newer: Lease, older: Lease, olderMillis: number): void {
  older.job.hasOverlaps = true;
  const newerMillis = state.now - newer.startedAt;
  const isSingle = newer.open === 1 && older.open === 1;
  if (isSingle && newer.state === 'running' && newerMillis > olderMillis) {
    // Both run the same single task, and the newer copy is further along.
    cancelLease(state, older, 'another copy of its task is further along');
    return;
  }
  if (isSingle) {
    cancelLease(state, newer, 'its Drone lost a race to one that has come back');
    return;
  }
  if (newer.isRetracting) return;
  newer.isRetracting = true;
  state.send(newer.drone.session, {
    type: 'Retract',
    lease: newer.number,
    end: newer.state === 'waiting' ? 0 : newer.done,
  });
}
