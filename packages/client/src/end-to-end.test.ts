/** The client against real Queens and Drones. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import type { Hive } from './hive.ts';
import { fileStream } from './streams.ts';
import { collect, count, rejection } from './testing/with-fake.ts';

const local = () => import('@hive/local');
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

describe('a hive in this process', () => {
  let hive: Hive;
  beforeAll(async () => {
    hive = await connect({ local: { drones: 1, slots: 2 } });
  });
  afterAll(() => hive.close());

  test('runs calls, maps and jobs', async () => {
    expect(await hive.call('hash', 'a string')).toBe(sha256('a string'));
    expect(await hive.map('hash', ['a', 'b'])).toEqual([sha256('a'), sha256('b')]);
    expect(await hive.map('echo', count(20_000))).toEqual([...count(20_000)]);
    const job = await hive.submit({ kind: 'echo', range: { start: 5, step: 5, count: 1_000 } });
    const results = await collect(job.results());
    expect(results.map(({ value }) => value)).toEqual([...count(1_000)].map((n) => 5 + 5 * n));
    expect(await job.done).toMatchObject({ state: 'succeeded', counts: { succeeded: 1_000 } });
    expect(await hive.job(job.id)).toMatchObject({ kind: 'echo', state: 'succeeded' });
    expect(await hive.drones()).toMatchObject([{ name: 'local-1', slots: 2 }]);
    expect(await hive.status()).toMatchObject({ drones: 1, slots: 2, clients: 1 });
    expect((await hive.explain(job.id)).length).toBeGreaterThan(0);
    for await (const overview of hive.watch(250)) {
      expect(overview.status.drones).toBe(1);
      break;
    }
  });

  test('reads a job of its own again after its end', async () => {
    for (const isRead of [true, false]) {
      const job = await hive.submit({ kind: 'echo', inputs: count(10), attached: false });
      if (isRead) expect(await collect(job.results())).toHaveLength(10);
      await job.done;
      const again = await hive.open(job.id);
      expect(await collect(again.results())).toHaveLength(10);
      expect(await again.done).toMatchObject({ state: 'succeeded', counts: { succeeded: 10 } });
    }
  });

  test('opens a job that it has under way itself without a loss', async () => {
    const job = await hive.submit({ kind: 'sleep', inputs: [100, 100], attached: false });
    const twice = hive.submit({ kind: 'sleep', inputs: [100, 100], attached: false, id: job.id });
    expect((await rejection(twice)).code).toBe('jobHeld');
    const again = await hive.open(job.id);
    expect(await collect(again.results())).toHaveLength(2);
    expect(await job.done).toEqual(await again.done);
  });

  test('has 256 calls in flight', async () => {
    let next = 0;
    const worker = async () => {
      for (let n = next++; n < 10_000; n = next++) expect(await hive.call('echo', n)).toBe(n);
    };
    await Promise.all(Array.from({ length: 256 }, worker));
  });

  test('hashes files of any size', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hive-client-test-'));
    const contents = [10, 1024 * 1024 + 1, 5_000_000].map((bytes) => Buffer.alloc(bytes, `${bytes} `));
    const paths = contents.map((content, i) => {
      const path = join(folder, `${i}`);
      writeFileSync(path, content);
      return path;
    });
    expect(await hive.map('hash', paths.map(fileStream))).toEqual(contents.map(sha256));
    rmSync(folder, { recursive: true });
  });

  test('cancels what runs', async () => {
    const abort = new AbortController();
    const asleep = rejection(hive.call('sleep', 60_000, { signal: abort.signal }));
    const nap = hive.call('sleep', 1);
    expect(await nap).toBe(1);
    abort.abort('enough');
    expect(await asleep).toBe('enough');
    const job = await hive.submit({ kind: 'sleep', inputs: [60_000] });
    await job.cancel('not needed');
    expect(await job.done).toMatchObject({ state: 'cancelled' });
  });

  test('fails a map at the task that fails', async () => {
    const error = await rejection(hive.map('sleep', [1, 'soon', 1], { retries: 0 }).all());
    expect(error).toMatchObject({ name: 'TaskError', index: 1, outcome: 'failed' });
  });
});

describe('a hive of processes', () => {
  test('finishes a map although a Drone is killed', async () => {
    const { startProcesses } = await local();
    const cluster = await startProcesses({ drones: 2, slotsPerDrone: 1 });
    const hive = await connect(cluster.access);
    const values: unknown[] = [];
    for await (const value of hive.map('sleep', new Array(200).fill(5))) {
      if (values.push(value) === 20) cluster.drones[0]!.kill('SIGKILL');
    }
    expect(values).toEqual(new Array(200).fill(5));
    await hive.close();
    await cluster.stop();
  });

  test('goes on with new work after its Queen was killed; what she had is lost with her store', async () => {
    const { startProcesses } = await local();
    const cluster = await startProcesses({ drones: 1, slotsPerDrone: 1 });
    const hive = await connect(cluster.access);
    const job = await hive.submit({ kind: 'sleep', inputs: [60_000] });
    await job.sealed;
    cluster.queen.kill('SIGKILL');
    await cluster.queen.exited;
    const later = hive.call('echo', 'later');
    await cluster.restartQueen();
    expect((await rejection(job.done)).code).toBe('jobLost');
    expect(await later).toBe('later');
    await hive.close();
    await cluster.stop();
  });
});
