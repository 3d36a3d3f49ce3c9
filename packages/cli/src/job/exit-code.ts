/** What `wait`, `results` and `submit` tell a script about the jobs that they were about. */
import type { JobState } from '@hive/client';

/** Some job did not end within the time that was given. */
export const STILL_RUNNING = 3;
const CODES = { succeeded: 0, failed: 1, cancelled: 2 } as const;
export const EXIT_CODES_TEXT =
  'Exit code: 0 succeeded, 1 failed (or it could not be done), 2 cancelled, 3 not ended in time.';

/** Of several jobs, one that failed says more than one that was cancelled. */
export function exitCodeOfJobs(states: readonly JobState[]): number {
  if (states.includes('failed')) return CODES.failed;
  if (states.includes('cancelled')) return CODES.cancelled;
  return states.every((state) => state === 'succeeded') ? CODES.succeeded : STILL_RUNNING;
}
