/**
 * Many detached jobs at once, and a long history. Submitting is bound by round trips, not by work, so a client keeps
 * hundreds of submissions in flight: the Queen commits all that arrives in one turn together.
 */
import { connect, type Hive, type SubmitOptions } from '@hive/client';
import type { ProcessesAccess } from '@hive/local';

const IN_FLIGHT = 512;
/** A client keeps each job that it submitted until the job ends, so now and then another client goes on. */
const JOBS_PER_CLIENT = 10_000;

export interface Queued {
  readonly ids: readonly string[];
  readonly seconds: number;
}

/**
 * Submits `jobs` detached jobs with `tasks` integers in all; resolves when every one was acknowledged.
 * @param atLast called in the moment in which the last one was acknowledged
 */
export async function queueJobs(
  queen: ProcessesAccess,
  jobs: number,
  tasks: number,
  options: Partial<SubmitOptions> = {},
  atLast: () => void = () => {},
): Promise<Queued> {
  const start = performance.now();
  const ids: string[] = [];
  const each = Math.ceil(tasks / jobs);
  for (let from = 0; from < jobs; from += JOBS_PER_CLIENT) {
    const until = Math.min(jobs, from + JOBS_PER_CLIENT);
    await using hive = await connect({ ...queen, name: 'bench' });
    await inFlight(until - from, IN_FLIGHT, async (k) => {
      const first = (from + k) * each;
      const count = Math.max(0, Math.min(each, tasks - first));
      const inputs = Array.from({ length: count }, (_, i) => first + i);
      const job = await hive.submit({ kind: 'echo', inputs, attached: false, ...options });
      if (ids.push(job.id) === jobs) atLast();
    });
  }
  return { ids, seconds: (performance.now() - start) / 1_000 };
}

const HISTORY_VALUE_BYTES = 64 * 1024;
const HISTORY_JOB_BYTES = 1024 ** 2;
const HISTORY_IN_FLIGHT = 8;

/** Runs detached jobs until their results take about so many bytes; nobody reads them. */
export async function makeHistory(hive: Hive, bytes: number): Promise<number> {
  const jobs = Math.floor(bytes / HISTORY_JOB_BYTES);
  const value = new Uint8Array(HISTORY_VALUE_BYTES).fill(7);
  const inputs = Array.from({ length: HISTORY_JOB_BYTES / HISTORY_VALUE_BYTES }, () => value);
  await inFlight(jobs, HISTORY_IN_FLIGHT, async () => {
    const job = await hive.submit({ kind: 'echo', encoding: 'raw', inputs, attached: false });
    const { state } = await job.done;
    if (state !== 'succeeded') throw new Error(`a job of the history ended as ${state}`);
  });
  return jobs;
}

/** Calls `body` for 0 … count - 1, so many at a time. */
export async function inFlight(
  count: number,
  atOnce: number,
  body: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < count) await body(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, loop));
}
