/**
 * Failed attempts: whether a task is tried again, and when. Equal-jitter exponential backoff (half certain, half by
 * chance), so that tasks which failed together do not come back together.
 */
import { type Failure, LIMITS } from '@hive/shared';
import type { Job } from './job.ts';
import { isLeased, type Lease } from './lease.ts';
import { queueAnew } from './queue-waits.ts';
import type { State } from './state.ts';

/** One attempt has failed. True when that is the task's outcome, false when it will run again. */
export function endAttempt(
  state: State,
  lease: Pick<Lease, 'job' | 'drone'>,
  failure: Failure,
  millis?: number,
): boolean {
  const { job } = lease;
  if (failure.outcome === 'cancelled' || failure.retryable === false) return true;
  const known = job.failedTasks.get(failure.index);
  const crashes = (known?.crashes ?? 0) + (failure.outcome === 'crashed' ? 1 : 0);
  const failures = (known?.failures ?? 0) + (failure.outcome === 'crashed' ? 0 : 1);
  if (crashes >= (job.spec.crashLimit ?? LIMITS.crashLimit)) return true;
  if (failures > (job.spec.retries ?? LIMITS.retries)) return true;
  const at = state.now;
  const retryAt = at + backoff(job, crashes + failures, state.identity.chance());
  state.commit({
    type: 'attemptFailed',
    job: job.id,
    failure,
    drone: lease.drone.name,
    ...(millis === undefined ? {} : { millis }),
    at,
    retryAt,
  });
  job.failedTasks.get(failure.index)!.lastDrone = lease.drone.peer;
  scheduleRetry(state, job, retryAt);
  // It may have been given back by another lease of an adopted task, and would not wait.
  job.returned.delete(failure.index, failure.index + 1);
  // After a restart the report of a lease that goes on comes after it was adopted: nobody else has this task.
  if (job.isHeld) job.held.delete(failure.index, failure.index + 1);
  // Too many tasks waiting for a retry: no fresh ones until some have had it.
  state.ready.update(job);
  return false;
}

export function backoff(job: Job, attempt: number, chance: number): number {
  const first = job.spec.backoffMillis ?? LIMITS.backoffMillis;
  const cap = job.spec.backoffMillisMax ?? LIMITS.backoffMillisMax;
  const full = Math.min(cap, first * 2 ** Math.min(attempt - 1, 30));
  return Math.ceil(full / 2 + (full / 2) * chance);
}

function scheduleRetry(state: State, job: Job, at: number): void {
  job.retryDeadline ??= state.deadlines.create((now) => retryDue(state, job, now));
  state.deadlines.setEarlier(job.retryDeadline, at);
}

/** After a restart: the failed tasks of a job wait as they did before. */
export function scheduleRetries(state: State, job: Job): void {
  if (job.failedCount === 0) return;
  for (const task of job.failedTasks.values()) {
    task.retryAt ??= state.now;
    scheduleRetry(state, job, task.retryAt);
  }
}

/** Tasks whose waiting time is over may run again. */
function retryDue(state: State, job: Job, now: number): void {
  if (!job.isActive || job.retryDeadline === null) return;
  let next = Number.POSITIVE_INFINITY;
  for (const [index, task] of job.failedTasks) {
    if (task.retryAt === null) continue;
    if (task.retryAt > now) {
      next = Math.min(next, task.retryAt);
      continue;
    }
    task.dueAt = task.retryAt;
    task.retryAt = null;
    // Another copy of it may still be running, and is the retry then.
    if (job.hasOverlaps && isLeased(job, index)) continue;
    queueAnew(state, job, index, index + 1);
    if (task.losses === 0) job.returned.add(index, index + 1);
    else {
      job.suspects = [...job.suspects, { first: index, end: index + 1, losses: task.losses }];
      job.suspectTasks++;
    }
  }
  if (next !== Number.POSITIVE_INFINITY) state.deadlines.set(job.retryDeadline, Math.max(next, now + 10));
  state.touch(job);
}
