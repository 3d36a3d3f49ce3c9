/** Tasks that a Drone had and has not done go back to where they are taken from. */
import type { Job } from './job.ts';
import { isLeased, type Lease } from './lease.ts';
import { queueAnew, queueBack } from './queue-waits.ts';
import type { State } from './state.ts';

/**
 * Tasks of positions [from, to) of a live lease run again elsewhere, unless another live lease still covers them. `areLost`:
 * their Drone is gone, so they may have been started; otherwise they were not.
 */
export function giveBack(state: State, lease: Lease, from: number, to: number, areLost = false): void {
  const { job } = lease;
  job.running -= to - from;
  lease.end = Math.min(lease.end, Math.max(from, lease.done));
  if (!job.isActive) return;
  for (const [first, end] of lease.intervals(from, to)) {
    for (const [gapFirst, gapEnd] of [...job.recorded.gaps(first, end)]) {
      (areLost ? queueAnew : queueBack)(state, job, gapFirst, gapEnd);
      if (job.hasOverlaps) returnUncovered(job, lease, gapFirst, gapEnd);
      else returnTasks(state, job, gapFirst, gapEnd);
    }
  }
  state.touch(job);
}

function returnTasks(state: State, job: Job, first: number, end: number): void {
  state.totals.returned += end - first;
  if (job.failedCount === 0) {
    job.returned.add(first, end);
    return;
  }
  for (let index = first; index < end; index++) {
    // A task that waits for its retry comes back by its own deadline.
    if (job.failedTasks.get(index)?.retryAt == null) job.returned.add(index, index + 1);
  }
}

/** Rare: after an adoption several live leases may cover a task. */
function returnUncovered(job: Job, without: Lease, first: number, end: number): void {
  for (let index = first; index < end; index++) {
    const isWaiting = job.failedTasks.get(index)?.retryAt != null;
    if (!isWaiting && !isLeased(job, index, without)) job.returned.add(index, index + 1);
  }
}

/** Tasks [first, end) that only this live lease had, and that it will not report any more, run again elsewhere. */
export function returnMissing(state: State, lease: Lease, first: number, end: number): void {
  const { job } = lease;
  for (const [gapFirst, gapEnd] of [...job.recorded.gaps(first, end)]) {
    queueAnew(state, job, gapFirst, gapEnd);
    if (job.hasOverlaps) returnUncovered(job, lease, gapFirst, gapEnd);
    else returnTasks(state, job, gapFirst, gapEnd);
  }
  state.touch(job);
}
