/**
 * Jobs whose client has too many results to read get no fresh leases, but for the lowest task without an outcome: an
 * ordered reader needs it next. Such a reader may stand before a gap of many thousand tasks that were taken from a Drone,
 * below results of 64 MiB which it cannot get before: one task per round trip, the gap would take minutes. What fills it
 * leaves at once, so leases may be as long as usual, within what the reader has asked for.
 */
import { LIMITS } from '@hive/shared';
import type { Job } from './job.ts';
import type { State } from './state.ts';

/** How many tasks a lease of a job that is held back may have: one, unless its owner waits for just these. */
export function gapLength(state: State, job: Job): number {
  const session = job.ownerSession;
  const reader = session === null ? undefined : job.subscriptions.get(session);
  // A task that failed, or one of a graph, has conditions of its own.
  if (reader === undefined || job.graph !== null || job.failedCount > 0) return 1;
  // Whoever still has credit has been sent everything up to the gap.
  const waits =
    reader.order === 'index' && reader.credit > 0 && !state.sessions.get(reader.session)?.isClogged;
  const unread = job.recorded.size - reader.cursor;
  if (!waits || unread <= 0) return 1;
  const bytes = Math.min(reader.credit, LIMITS.leaseBytesMax);
  return Math.max(1, Math.floor((bytes * unread) / job.unreadBytes));
}
