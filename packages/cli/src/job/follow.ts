/** Printing a job's results until its end, or as far as they are there. */
import type { Hive, JobHandle, JobSummary, TaskResult } from '@hive/client';
import { commandName } from '../folder.ts';
import { formatDuration } from '../format.ts';
import { formatOutcomes } from '../job-view.ts';
import type { Output } from '../output.ts';
import type { ResultLines } from './result-lines.ts';

/** Prints all of them; resolves when the job has ended and everything has left. */
export async function printResults(
  job: JobHandle,
  results: AsyncIterable<TaskResult>,
  lines: ResultLines,
  output: Output,
): Promise<JobSummary> {
  await printAll(results, lines, output);
  return job.done;
}

export async function printAll(
  results: AsyncIterable<TaskResult>,
  lines: ResultLines,
  output: Output,
): Promise<void> {
  for await (const result of results) {
    const wait = lines.print(result);
    if (wait !== null) await wait;
  }
  await output.end();
}

/** Those that a job which goes on has now: it ends when the Queen has answered twice without sending another one. */
export async function* resultsSoFar(
  hive: Hive,
  job: JobHandle,
  ordered: boolean,
  streams = false,
): AsyncGenerator<TaskResult> {
  const results = job.results({ ordered, streams });
  try {
    while (true) {
      const next = results.next();
      const found = (await atOnce(next)) ?? (await Promise.race([next, quiet(hive, job)]));
      if (found === null || found.done) return;
      yield found.value;
    }
  } finally {
    await results.return?.();
  }
}

/** What a promise gives within this turn of the event loop, or null. */
function atOnce<T>(promise: Promise<T>): Promise<T | null> {
  const turn = new Promise<null>((resolve) => setImmediate(() => resolve(null)));
  return Promise.race([promise, turn]);
}

async function quiet(hive: Hive, { id }: JobHandle): Promise<null> {
  await hive.job(id);
  await hive.job(id);
  return null;
}

/** `Job … failed: 3 succeeded, 1 failed, in 12 ms.` */
export function formatEnd(id: string, { state, counts, elapsedMillis, message }: JobSummary): string {
  const why = message === undefined ? '' : ` (${message})`;
  return `Job ${id} ${state}${why}: ${formatOutcomes(counts)}, in ${formatDuration(elapsedMillis)}.`;
}

/** Without a Drone nothing will happen, and a person should know why. */
export async function hintAtDrones(hive: Hive, note: (text: string) => void): Promise<void> {
  const status = await hive.status().catch(() => null);
  if (status?.drones === 0) note(`no Drone is connected; it begins when one is: ${commandName('drone')}`);
}
