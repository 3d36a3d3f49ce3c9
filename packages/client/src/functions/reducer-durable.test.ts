/** Folding with a function while Drones and the Queen are killed: nothing is lost, doubled, or out of its order. */
import type { Processes } from '@hive/local';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from '../connect.ts';
import type { Hive } from '../hive.ts';
import type { JobHandle } from '../job-handle.ts';
import * as tasks from '../testing/tasks/folded.task.ts';
import { count } from '../testing/with-fake.ts';

let cluster: Processes;
let hive: Hive;
beforeAll(async () => {
  const { startProcesses } = await import('@hive/local');
  cluster = await startProcesses({ drones: 3, slotsPerDrone: 1, store: 'sqlite' });
  hive = await connect(cluster.access);
});
afterAll(async () => {
  await hive.close();
  await cluster.stop();
});

const TASKS = 2_000;
/** A restarted Queen waits up to 15 s for Drones that she has lost only just. */
const MILLIS_MAX = 180_000;

/** Resolves when so many tasks have succeeded. */
function reached(job: JobHandle, succeeded: number): Promise<void> {
  return new Promise((resolve) =>
    job.onProgress(({ counts }) => {
      if (counts.succeeded >= succeeded) resolve();
    }),
  );
}

async function killQueen(): Promise<void> {
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
  await cluster.restartQueen();
}

test(
  'a fold that is not commutative is exact although Drones and the Queen are killed in the middle of it',
  async () => {
    const options = { range: { start: 0, step: 1, count: TASKS }, attached: false } as const;
    const job = await hive.submit({ ...options, kind: tasks.slowly, reduce: tasks.joined });
    await reached(job, TASKS / 8);
    cluster.drones[0]!.kill('SIGKILL');
    await reached(job, TASKS / 4);
    await killQueen();
    await reached(job, TASKS / 2);
    cluster.drones[1]!.kill('SIGKILL');
    await cluster.addDrone({ name: 'late', slots: 1 });
    await reached(job, (TASKS * 3) / 4);
    await killQueen();
    expect(await job.value).toEqual([...count(TASKS)]);
    expect((await job.done).counts.succeeded).toBe(TASKS);
  },
  MILLIS_MAX,
);

test(
  'so are words that are counted, and the value is there after one more restart',
  async () => {
    const lines = [...count(1_500)].map((n) => `w${n % 13} w${(n * 7) % 31}`);
    const counts = new Map<string, number>();
    for (const word of lines.flatMap((line) => line.split(' ')))
      counts.set(word, (counts.get(word) ?? 0) + 1);
    const job = await hive.submit({
      kind: tasks.slowWords,
      inputs: lines,
      reduce: tasks.merge,
      attached: false,
    });
    await reached(job, 500);
    cluster.drones[2]!.kill('SIGKILL');
    await reached(job, 1_000);
    await killQueen();
    expect(await job.value).toEqual(counts);
    await killQueen();
    expect(await (await hive.open(job.id)).value).toEqual(counts);
  },
  MILLIS_MAX,
);
