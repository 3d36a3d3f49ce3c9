/** The one value that a job may have, for commands that print results and do not know whether it does. */
import type { JobHandle } from '@hive/client';
import { UsageError } from '@hive/shared';

/**
 * What the results of a job that has succeeded were folded into, or what a task has ended it with. Null when it has neither,
 * or has not succeeded. Resolves at the job's end.
 */
export async function jobValueOf(job: JobHandle): Promise<{ readonly value: unknown } | null> {
  if ((await job.done).state !== 'succeeded') return null;
  try {
    return { value: await job.value };
  } catch (error) {
    if (error instanceof UsageError && error.code === 'noValue') return null;
    throw error;
  }
}
