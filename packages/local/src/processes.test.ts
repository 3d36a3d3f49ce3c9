import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@hive/client';
import { parseAddress, readQueenAddress } from '@hive/shared/node';
import { describe, expect, test } from '@jest/globals';
import { startProcesses } from './index.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

/** Whether a process exists and has not ended (an ended one may wait for its parent to notice). */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a cluster of processes', () => {
  test('starts, says what it uses, takes one more Drone, and leaves nothing behind', async () => {
    const cluster = await startProcesses({ drones: 1, slotsPerDrone: 1 });
    const { queen, drones, data } = cluster;
    expect(readQueenAddress(data)).toEqual(parseAddress(cluster.address));
    expect(drones.map(({ name, slots }) => [name, slots])).toEqual([['drone-1', 1]]);
    const used = await queen.rusage();
    expect(used.userMillis).toBeGreaterThan(0);
    expect(used.peakBytes).toBeGreaterThan(20e6);
    expect(used.peakBytes).toBeGreaterThanOrEqual(used.residentBytes * 0.9);
    const added = await cluster.addDrone({ name: 'late', slots: 2 });
    expect(drones.map(({ name }) => name)).toEqual(['drone-1', 'late']);
    const pids = [queen.pid, drones[0]!.pid, added.pid];
    expect(pids.every(isAlive)).toBe(true);
    await cluster.stop();
    expect(pids.some(isAlive)).toBe(false);
    expect(existsSync(data)).toBe(false);
  });

  test('keeps a data folder that was given', async () => {
    const data = mkdtempSync(join(tmpdir(), 'hive-local-test-'));
    const cluster = await startProcesses({ drones: 0, data });
    expect(cluster.data).toBe(data);
    await cluster.stop();
    expect(existsSync(data)).toBe(true);
    rmSync(data, { recursive: true });
  });

  test('tells of the end of one of them, by signal', async () => {
    const cluster = await startProcesses({ drones: 1, slotsPerDrone: 1 });
    const [drone] = cluster.drones;
    expect(drone!.kill('SIGKILL')).toBe(true);
    expect(await drone!.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await expect(drone!.rusage()).rejects.toMatchObject({ code: 'ended' });
    await cluster.stop();
  });

  test('starts its Queen again where she was', async () => {
    const cluster = await startProcesses({ drones: 0 });
    const { address, queen } = cluster;
    queen.kill('SIGKILL');
    await queen.exited;
    await cluster.restartQueen();
    expect(cluster.address).toBe(address);
    // The system gives nobody else this port meanwhile.
    expect(parseAddress(address).port).toBeLessThan(32_768);
    expect(cluster.queen.pid).not.toBe(queen.pid);
    await cluster.stop();
  });

  test('with a durable store goes on with its jobs on the same Drones after its Queen was killed', async () => {
    await using stack = new AsyncDisposableStack();
    const cluster = await startProcesses({ drones: 1, slotsPerDrone: 2, store: 'sqlite' });
    stack.defer(() => cluster.stop());
    const hive = stack.use(await connect(cluster.access));
    const inputs = Array.from({ length: 40 }, (_, i) => i);
    const job = await hive.submit({ kind: 'sleep', inputs, attached: false });
    cluster.queen.kill('SIGKILL');
    await cluster.queen.exited;
    await cluster.restartQueen();
    const values: unknown[] = [];
    for await (const { value } of job.results()) values.push(value);
    expect(values).toEqual(inputs);
    expect(await hive.status()).toMatchObject({ store: 'sqlite', drones: 1, tasksRunning: 0 });
  });

  test('does not start when its port is taken, and says so', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(startProcesses({ drones: 1, port })).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(`Port ${port} is taken`),
    });
    await new Promise((resolve) => server.close(resolve));
  });

  test('ends by itself when its parent is killed', async () => {
    const index = join(import.meta.dirname, 'index.ts');
    const program = `
      const { startProcesses } = await import(${JSON.stringify(index)});
      const { queen, drones, data } = await startProcesses({ drones: 1, slotsPerDrone: 1, data: process.env.FOLDER });
      console.log(JSON.stringify([queen.pid, drones[0].pid]));`;
    const data = mkdtempSync(join(tmpdir(), 'hive-local-test-'));
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, FOLDER: data },
    });
    const line = await new Promise<string>((resolve) =>
      parent.stdout.once('data', (chunk) => resolve(String(chunk))),
    );
    const pids = JSON.parse(line) as number[];
    expect(pids.every(isAlive)).toBe(true);
    // Their ends of this pipe are the last: it closes when all three are gone.
    const allGone = new Promise((resolve) => parent.stdout.once('close', resolve));
    parent.stdout.resume();
    parent.kill('SIGKILL');
    await allGone;
    // A process lets go of its files a moment before it is gone.
    while (pids.some(isAlive)) await sleep(LOOK_MILLIS);
    rmSync(data, { recursive: true });
  });
});
