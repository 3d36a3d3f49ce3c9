/** A Queen whose store was put back from a backup, beside a Drone and a client who remember what came after it. */
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Processes } from '@hive/local';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import type { Hive } from './hive.ts';
import { collect, count, rejection } from './testing/with-fake.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

let cluster: Processes;
beforeAll(async () => {
  const { startProcesses } = await import('@hive/local');
  cluster = await startProcesses({ drones: 1, slotsPerDrone: 2, store: 'sqlite' });
});
afterAll(() => cluster.stop());

async function killQueen(): Promise<void> {
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
}
/** The database and its log: with nobody writing to them they are a backup. */
function copy(from: string, to: string): void {
  for (const file of ['', '-wal']) {
    rmSync(`${to}${file}`, { force: true });
    if (existsSync(`${from}${file}`)) copyFileSync(`${from}${file}`, `${to}${file}`);
  }
  rmSync(`${to}-shm`, { force: true });
}
async function until(hive: Hive, id: string, succeeded: number): Promise<void> {
  while ((await hive.job(id)).counts.succeeded < succeeded) await sleep(LOOK_MILLIS);
}

test('what was running and done after the backup is recorded once, and right, and everything completes', async () => {
  const database = join(cluster.data, 'hive.db');
  const backup = join(cluster.data, 'backup.db');
  // Every task has a result of its own.
  const inputs = Array.from(count(60), (n) => 10 + n);
  const incarnations = new Set<unknown>();
  let id: string;
  let forgotten: string;
  {
    await using before = await connect(cluster.access);
    ({ id } = await before.submit({ kind: 'sleep', inputs, attached: false }));
    await until(before, id, 5);
    await killQueen();
    copy(database, backup);
    await cluster.restartQueen();
    incarnations.add((await before.status())['incarnation']);
    // The same numbers of leases as the restored store will give, for other tasks.
    await until(before, id, 25);
    ({ id: forgotten } = await before.submit({
      kind: 'sleep',
      inputs: [1, 2, 3],
      attached: false,
      priority: 9,
    }));
    await until(before, forgotten, 3);
    await killQueen();
  }
  copy(backup, database);
  await cluster.restartQueen();
  await using after = await connect(cluster.access);
  incarnations.add((await after.status())['incarnation']);
  expect(incarnations.size).toBe(2);
  const job = await after.open(id);
  expect(await job.done).toMatchObject({
    state: 'succeeded',
    counts: { appended: 60, succeeded: 60, failed: 0, running: 0 },
  });
  const results = await collect(job.results());
  expect(results.map(({ index }) => index)).toEqual([...count(60)]);
  expect(results.map(({ value }) => value)).toEqual(inputs);
  // What the backup does not know was never there; the same Drone goes on working.
  expect((await rejection(after.job(forgotten))).code).toBe('unknownJob');
  expect(await after.map('sleep', [1, 2, 3]).all()).toEqual([1, 2, 3]);
  expect(await after.drones()).toMatchObject([{ busySlots: 0, leases: 0 }]);
});
