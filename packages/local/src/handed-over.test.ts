/** Jobs handed over to a real Queen that is killed with SIGKILL: what she acknowledged is there, whole, and once. */
import { connect, type Hive, newJobId } from '@hive/client';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Processes, startProcesses } from './processes.ts';

let processes: Processes;
let hive: Hive;
beforeEach(async () => {
  processes = await startProcesses({ drones: 0, store: 'sqlite' });
  hive = await connect({ ...processes.access, name: 'test' });
}, 180_000);
afterEach(async () => {
  await hive.close();
  await processes.stop();
});

const job = (id: string, n: number) => ({ kind: 'echo', inputs: [n, n + 1], id });
/** Those among them that are not there with both of their inputs, sealed. */
async function missing(ids: readonly string[]): Promise<string[]> {
  const infos = await Promise.all(ids.map((id) => hive.job(id).catch(() => null)));
  return ids.filter((_, i) => infos[i]?.sealed !== true || infos[i]?.counts.appended !== 2);
}

test('none of 1,500 is lost that were acknowledged just before', async () => {
  const ids = Array.from({ length: 1_500 }, () => newJobId());
  const receipts = await Promise.all(ids.map((id, n) => hive.handOver(job(id, n))));
  processes.queen.kill('SIGKILL');
  await processes.queen.exited;
  expect(receipts.every(({ state }) => state === 'waiting')).toBe(true);
  await processes.restartQueen();
  expect(await missing(ids)).toEqual([]);
}, 180_000);

test('all are there once when she is killed amid them, and run once', async () => {
  const ids = Array.from({ length: 2_000 }, () => newJobId());
  let acknowledged = 0;
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < ids.length; n = next++) {
      await hive.handOver(job(ids[n]!, n));
      if (++acknowledged === 300) processes.queen.kill('SIGKILL');
    }
  };
  const handed = Array.from({ length: 64 }, lane);
  await processes.queen.exited;
  expect(acknowledged).toBeLessThan(ids.length);
  await processes.restartQueen();
  await Promise.all(handed);
  expect(await missing(ids)).toEqual([]);
  const { jobs } = await hive.status();
  expect(jobs.waiting).toBe(ids.length);
  await processes.addDrone();
  const last = await hive.open(ids.at(-1)!);
  await last.done;
  const first = await hive.open(ids[0]!);
  const values: unknown[] = [];
  for await (const { value } of first.results()) values.push(value);
  expect(values).toEqual([0, 1]);
}, 180_000);
