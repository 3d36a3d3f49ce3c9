/** Reads all that there is of a job, and looks at each of its results; of one that is folded at its one value. */
import type { JobHandle, JobSummary } from '@hive/client';
import type { Check } from './check.ts';
import type { Plan } from './plan.ts';
import { isFolded } from './work.ts';

/** @param rest called after every result, as whoever reads slowly wants it */
export async function readAll(
  job: JobHandle,
  plan: Plan,
  isOrdered: boolean,
  check: Check,
  rest: () => Promise<void> | null = () => null,
): Promise<JobSummary> {
  // Of one that is folded these are the tasks that did not succeed.
  for await (const result of job.results({ ordered: isOrdered })) {
    check.take(result, isOrdered && !isFolded(plan));
    await rest();
  }
  const summary = await job.done;
  if (isFolded(plan) && summary.state === 'succeeded') check.takeValue(await job.value);
  return summary;
}
