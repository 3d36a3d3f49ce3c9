/**
 * When a running task has had enough: its attempt took longer than the job allows, or it was told to stop and did not.
 * Decided from samples of the slot, which say what runs since when; so a thread is ended within one sample of the time.
 */
import { LIMITS, type Millis } from '@hive/shared';
import type { Kill, Lease } from './lease.ts';

type Running = Extract<Lease['stage'], { at: 'running' }>;

/** Why the thread has to go, or null when it may go on. */
export function judge(lease: Lease, { task }: Running, now: Millis): Kill | 'unwanted' | null {
  if (lease.cancelledAt !== null && now >= lease.cancelledAt + LIMITS.killMillis) return 'unwanted';
  if (task === null) return null;
  const { position, since } = task;
  const timeout = lease.spec.attemptTimeoutMillis;
  if (timeout !== undefined && now >= since + timeout) {
    const message = `The attempt took longer than its limit of ${timeout} ms.`;
    return { position, outcome: 'timedOut', message };
  }
  const abort = lease.aborts.get(position);
  if (abort === undefined || now < abort.at + LIMITS.killMillis) return null;
  return { position, outcome: 'cancelled', message: abort.reason };
}

/** When to look at the slot again: soon enough to report, and when a limit is reached. */
export function sampleAtOf(lease: Lease, { task }: Running, now: Millis): Millis {
  let next = now + LIMITS.reportMillis;
  if (lease.cancelledAt !== null) next = Math.min(next, lease.cancelledAt + LIMITS.killMillis);
  const timeout = lease.spec.attemptTimeoutMillis;
  if (task !== null && timeout !== undefined) next = Math.min(next, task.since + timeout);
  const abort = task === null ? undefined : lease.aborts.get(task.position);
  if (abort !== undefined) next = Math.min(next, abort.at + LIMITS.killMillis);
  // A limit that has passed is judged now; the next look is never in the past.
  return Math.max(next, now + 1);
}
