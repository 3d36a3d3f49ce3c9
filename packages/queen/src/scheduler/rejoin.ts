/**
 * A Drone has come back and lists the leases that it still holds. What was not started elsewhere it keeps: the lease
 * lives again and newer leases of the same tasks are retracted. Of a task that runs twice the copy that has run longer
 * goes on and the other is cancelled. Nothing here can record a task twice: recording is by index.
 */
import { type HeldLease, LIMITS, type Message, ProtocolError } from '@hive/shared';
import type { DroneState } from './drone.ts';
import { cancelLease } from './ending.ts';
import type { Lease } from './lease.ts';
import type { State } from './state.ts';

export function holdings(state: State, drone: DroneState, message: Message<'Holdings'>): void {
  if (drone.hasReported) throw new ProtocolError('Holdings was sent twice');
  drone.hasReported = true;
  for (const held of message.leases) {
    if (held.queen !== state.identity.queen) continue;
    const lost = state.lost.get(held.lease);
    const isOurs =
      held.incarnation === state.identity.incarnation &&
      lost !== undefined &&
      lost.peer === drone.peer &&
      lost.job.id === held.job;
    if (isOurs) adopt(state, drone, lost, held);
    else refuse(state, drone, held);
  }
  drone.update();
}

/** Nobody knows this lease, or nobody needs it: the Drone shall drop it. Its place comes back by `ended`. */
function refuse(state: State, drone: DroneState, held: HeldLease): void {
  if (held.incarnation !== state.identity.incarnation) return;
  state.send(drone.session, {
    type: 'CancelTask',
    lease: held.lease,
    reason: 'the Queen does not know this lease',
  });
}

function adopt(state: State, drone: DroneState, lease: Lease, held: HeldLease): void {
  const { job } = lease;
  if (held.done > lease.end)
    throw new ProtocolError(`Holdings says that lease ${lease.number} is longer than it was`);
  state.lost.delete(lease.number);
  job.lost.delete(lease);
  revive(state, drone, lease);
  if (!needsIt(lease)) {
    cancelLease(state, lease, 'its tasks were done elsewhere meanwhile');
    return;
  }
  for (const [first, end] of lease.intervals(lease.done, lease.end)) job.returned.delete(first, end);
  for (const other of [...job.leases]) {
    if (other !== lease && other.isLive && overlap(lease, other))
      yieldTo(state, other, lease, held.startedMillis ?? 0);
  }
  state.touch(job);
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
