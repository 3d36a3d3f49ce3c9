/** The client beside a Queen with a durable store, who is killed, and with Drones that really stop what was cancelled. */
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Processes } from '@hive/local';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import type { Hive } from './hive.ts';
import { collect, count, rejection } from './testing/with-fake.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

let cluster: Processes;
let hive: Hive;
beforeAll(async () => {
  const { startProcesses } = await import('@hive/local');
  cluster = await startProcesses({ drones: 2, slotsPerDrone: 1, store: 'sqlite' });
  hive = await connect(cluster.access);
});
afterAll(async () => {
  await hive.close();
  await cluster.stop();
});

async function killQueen(): Promise<void> {
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
}

describe('a client whose Queen is killed and started again', () => {
  test('goes on with everything, and nothing is lost or doubled', async () => {
    const detached = await hive.submit({ kind: 'hash', inputs: count(20_000), attached: false });
    const slow = await hive.submit({ kind: 'sleep', inputs: Array(40).fill(20), attached: false });
    const mapped: unknown[] = [];
    let calls: Promise<unknown[]> | null = null;
    for await (const value of hive.map('echo', count(60_000))) {
      mapped.push(value);
      if (mapped.length === 5_000 || mapped.length === 30_000) {
        calls ??= Promise.all(Array.from(count(300), (n) => hive.call('sleep', n % 5)));
        await killQueen();
        await cluster.restartQueen();
      }
    }
    expect(mapped).toEqual([...count(60_000)]);
    expect(await calls).toEqual(Array.from(count(300), (n) => n % 5));
    expect(await detached.done).toMatchObject({ state: 'succeeded', counts: { succeeded: 20_000 } });
    expect(await slow.done).toMatchObject({ counts: { succeeded: 40 } });
    await using other = await connect(cluster.access);
    const results = await collect((await other.open(detached.id)).results());
    expect(results.map(({ index }) => index)).toEqual([...count(20_000)]);
    expect(results[7]!.value).toBe(hash('sha256', '7'));
    expect((await collect((await other.open(slow.id)).results())).length).toBe(40);
  });

  test('goes on reading a job of another one', async () => {
    const { id } = await hive.submit({ kind: 'sleep', inputs: Array(30).fill(20), attached: false });
    await using other = await connect(cluster.access);
    const job = await other.open(id);
    const seen: number[] = [];
    for await (const { index } of job.results()) {
      if (seen.push(index) !== 3) continue;
      await killQueen();
      await cluster.restartQueen();
    }
    expect(seen).toEqual([...count(30)]);
    expect((await job.done).state).toBe('succeeded');
  });

  test('has what it asked for meanwhile', async () => {
    await killQueen();
    const asked = [hive.call('echo', 1), hive.map('echo', [1, 2]).all(), hive.jobs({ limit: 1 })];
    await cluster.restartQueen();
    expect(await Promise.all(asked)).toMatchObject([1, [1, 2], [{ kind: 'echo' }]]);
  });
});

describe('a detached job', () => {
  test('gives its results to whoever opens it, in its own encoding', async () => {
    const inputs = [Buffer.from('one'), Buffer.from('two')];
    const own = await connect(cluster.access);
    const { id } = await own.submit({ kind: 'hash', encoding: 'raw', inputs, attached: false });
    await own.close();
    for (let i = 0; i < 2; i++) {
      const results = await collect((await hive.open(id)).results());
      expect(results.map(({ value }) => Buffer.from(value as Uint8Array).toString('hex'))).toEqual(
        inputs.map((input) => hash('sha256', input)),
      );
    }
  });

  test('is retried, and its handle opened again tells of the second end', async () => {
    const job = await hive.submit({ kind: 'sleep', inputs: [1, 'soon'], retries: 0, attached: false });
    expect(await job.done).toMatchObject({ state: 'failed', counts: { succeeded: 1, failed: 1 } });
    expect((await hive.task(job.id, 1)).attempts).toMatchObject([{ outcome: 'failed', code: 'badInput' }]);
    expect(await hive.retry(job.id)).toMatchObject({ retried: 1 });
    expect(await (await hive.open(job.id)).done).toMatchObject({ counts: { succeeded: 1, failed: 1 } });
    expect(await hive.gc(job.id)).toBe(1);
    expect((await rejection(hive.job(job.id))).code).toBe('unknownJob');
  });
});

describe('cancelling', () => {
  const FOREVER = 600_000;
  /** Both slots are free again only if what ran there was stopped. */
  const bothSlotsWork = () => Promise.all([hive.call('sleep', 1), hive.call('sleep', 1)]);
  const untilRunning = async (tasks: number) => {
    while ((await hive.status()).busySlots < tasks) await sleep(LOOK_MILLIS);
  };

  test('a call stops its task', async () => {
    const abort = new AbortController();
    const calls = [1, 2].map(() => rejection(hive.call('sleep', FOREVER, { signal: abort.signal })));
    await untilRunning(2);
    abort.abort('enough');
    expect(await Promise.all(calls)).toEqual(['enough', 'enough']);
    await bothSlotsWork();
  });

  test('a map, or a job, stops what runs of it', async () => {
    const abort = new AbortController();
    const { signal } = abort;
    const all = rejection(hive.map('sleep', [FOREVER], { signal }).all());
    const job = await hive.submit({ kind: 'sleep', inputs: [FOREVER], attached: false, signal });
    await untilRunning(2);
    abort.abort('enough');
    expect(await all).toBe('enough');
    expect((await job.done).state).toBe('cancelled');
    await bothSlotsWork();
  });

  test('some tasks stops those, and lets the others go on', async () => {
    const job = await hive.submit({ kind: 'sleep', inputs: [FOREVER, 1, FOREVER, 2] });
    await untilRunning(2);
    await job.cancel({ indices: [0, 2], reason: 'not these' });
    const outcomes = (await collect(job.results())).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['cancelled', 'succeeded', 'cancelled', 'succeeded']);
    await bothSlotsWork();
  });
});

describe('a graph', () => {
  test('hands results on, over the death of the Queen', async () => {
    const graph = hive.graph('echo');
    const roots = Array.from(count(200), (n) => graph.task(n));
    const pairs = roots.slice(1).map((root, n) => graph.task(`pair ${n}`, { after: [roots[n]!, root] }));
    const last = graph.task('last', { after: pairs });
    const running = graph.run();
    await killQueen();
    await cluster.restartQueen();
    const results = await running;
    expect(results.get(pairs[7]!)).toEqual(['pair 7', [7], [8]]);
    expect(results.get(last)).toEqual(['last', ...pairs.map((pair) => results.get(pair))]);
  });

  test('fails the children of what failed, or runs them without it', async () => {
    // A list is no number of milliseconds, so every task of it fails.
    const failing = hive.graph('sleep', { retries: 0 });
    failing.task('child', { name: 'child', after: ['root'] });
    failing.task(1, { name: 'root' });
    expect(await rejection(failing.run())).toMatchObject({
      name: 'TaskError',
      task: 'root',
      outcome: 'failed',
    });
    const going = hive.graph('sleep', { retries: 0, whenParentFails: 'runChildren' });
    const child = going.task(1, { after: [going.task(2)] });
    expect((await going.run()).outcome(child)).toMatchObject({
      outcome: 'failed',
      error: { code: 'badInput' },
    });
  });
});
