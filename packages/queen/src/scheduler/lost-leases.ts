/**
 * Leases of lost Drones are remembered, because what they still report counts and a Drone that comes back may keep them.
 * A call job that stays open for months must not remember all it ever lost: leases whose tasks have outcomes go, and of
 * very many the oldest. One that was forgotten is refused when its Drone comes back, and its tasks run where they are now.
 *
 * Cost: all of them are looked at when their number has doubled, so a loss costs O(1).
 */
import { LIMITS } from '@hive/shared';
import type { Lease } from './lease.ts';
import type { State } from './state.ts';

/** So many are not worth looking at. */
const FEW = 256;

export function keepLost(state: State, lease: Lease): void {
  state.lost.set(lease.number, lease);
  lease.job.lost.add(lease);
  if (state.lost.size < state.lostLookedAt) return;
  for (const other of state.lost.values()) if (!mayMatter(other)) forget(state, other);
  for (const oldest of state.lost.values()) {
    if (state.lost.size <= LIMITS.lostLeasesMax) break;
    forget(state, oldest);
  }
  state.lostLookedAt = Math.min(LIMITS.lostLeasesMax + FEW, Math.max(FEW, 2 * state.lost.size));
}

/** Some of its tasks have no outcome yet. */
function mayMatter(lease: Lease): boolean {
  for (const [first, end] of lease.intervals(lease.done, lease.end)) {
    if (!lease.job.recorded.covers(first, end)) return true;
  }
  return false;
}

function forget(state: State, lease: Lease): void {
  state.lost.delete(lease.number);
  lease.job.lost.delete(lease);
}
