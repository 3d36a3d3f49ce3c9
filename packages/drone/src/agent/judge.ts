/**
 * When a running task has had enough: its attempt took longer than the job allows, or it was told to stop and did not.
 * Decided from samples of the slot, which say what runs since when; so a thread is ended within one sample of the time.
 */
import { LIMITS, type Millis } from '@hive/shared';
import type { SlotEffect, SlotFailure } from './events.ts';
import type { Kill, Lease } from './lease.ts';

type Running = Extract<Lease['stage'], { at: 'running' }>;

/** Why the thread has to go, or null when it may go on. */
export function judge(lease: Lease, { task }: Running, now: Millis): Kill | 'unwanted' | null {
  if (lease.cancelledAt !== null && now >= lease.cancelledAt + LIMITS.killMillis) return 'unwanted';
  if (task === null) return null;
  const { position, since, foldingSince } = task;
  const timeout = lease.spec.attemptTimeoutMillis;
  if (timeout !== undefined && now >= since + timeout) {
    const where = foldingSince === null ? '' : ' By then it was in the reducer.';
    const message = `The attempt took longer than its limit of ${timeout} ms.${where}`;
    return { position, outcome: 'timedOut', message };
  }
  if (timeout === undefined && foldingSince !== null && now >= foldingSince + LIMITS.foldMillisMax) {
    const seconds = LIMITS.foldMillisMax / 1_000;
    const message = `The reducer did not give a value within ${seconds} s. If it needs longer, set the job's attemptTimeout.`;
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

/** Whether the thread was told to end, or the task to blame: one that ended without its thread leaves the next a limit of its own. */
export function isBeingEnded(lease: Lease, { kill }: Running): boolean {
  return kill === 'unwanted' || (kill !== null && kill.position >= lease.done);
}

/** Notes why, and gives the order. */
export function killOrder(stage: Running, kill: Kill | 'unwanted'): SlotEffect {
  stage.kill = kill;
  const { slot, run } = stage;
  if (kill !== 'unwanted')
    return { type: 'killSlot', slot, run, outcome: kill.outcome, message: kill.message };
  return { type: 'killSlot', slot, run, outcome: 'cancelled', message: 'The task is not wanted any more.' };
}

export function deathReason({ kill }: Running, message: string): string {
  if (kill === null) return message;
  return kill === 'unwanted' ? 'A cancelled task did not stop.' : kill.message;
}

/** Whose fault a slot's death is: the agent's own orders have their outcome, anything else is a crash. */
export function blame(lease: Lease, stage: Running, message: string, code = 'crashed'): SlotFailure | null {
  const { kill } = stage;
  const position = lease.done;
  if (kill === null) return { position, outcome: 'crashed', code, message };
  if (kill === 'unwanted' || kill.position !== position) return null;
  return { position, outcome: kill.outcome, code: kill.outcome, message: kill.message };
}
