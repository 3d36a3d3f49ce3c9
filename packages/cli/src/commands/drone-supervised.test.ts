/** `hive drone` and the process that does its work: what becomes of them, and of tasks, when either is killed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Hive } from '@hive/client';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { childrenOf } from '../testing/mesh.ts';
import { Processes, type Running } from '../testing/processes.ts';

// A function that takes its process with it takes a dozen, each of which has to start.
jest.setTimeout(180_000);

const LOOK_MILLIS = 20;
const COUNT = 1_000;
const POISON = 437;
const TASKS = `import { appendFileSync } from 'node:fs';
import { task } from '@hive/client';
export default task((n: number) => {
  if (n !== ${POISON}) return n * 2;
  console.log('about to crash at ' + n);
  process.kill(process.pid, 'SIGSEGV');
  for (;;);
});
export const slow = task(async (file: string) => {
  appendFileSync(file, process.pid + '\\n');
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
`;

const processes = new Processes();
const file = join(processes.folder, 'crash.task.ts');
let hive: Hive;
let address = '';

beforeAll(async () => {
  writeFileSync(file, TASKS);
  const queen = processes.hive(['queen', '--port', '0']);
  const [, port] = await queen.saying(/listening on port (\d+)/);
  address = `127.0.0.1:${port}`;
  hive = await connect({ queen: address, data: join(processes.folder, 'data') });
});
afterAll(async () => {
  await hive?.close();
  await processes.end();
});

const drones: Running[] = [];
afterEach(async () => {
  for (const { child } of drones) child.kill('SIGKILL');
  await Promise.all(drones.splice(0).map(({ ended }) => ended));
  await dronesAre(0);
});

/** Other Drones of this machine would clear up what is left of its processes. */
async function startDrone(...options: string[]): Promise<Running> {
  const drone = processes.hive(['drone', '--slots', '2', ...options], { env: { TMPDIR: processes.folder } });
  drones.push(drone);
  await drone.saying(/Connected to Queen/);
  return drone;
}
/** Resolves with the process that `hive drone` has started, another one than `known`. */
async function workerOf({ pid }: Running, known = 0): Promise<number> {
  for (;;) {
    const found = childrenOf(pid).find((child) => child !== known);
    if (found !== undefined) return found;
    await sleep(LOOK_MILLIS);
  }
}
/** Resolves when the slow task has begun in that process. */
async function begun(path: string, pid: number): Promise<void> {
  while (!existsSync(path) || !readFileSync(path, 'utf8').split('\n').includes(String(pid)))
    await sleep(LOOK_MILLIS);
}
/** Resolves when the process has ended, whether anybody has collected it or not. */
async function gone(pid: number): Promise<void> {
  const status = `/proc/${pid}/status`;
  const isAlive = () => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(status, 'utf8'));
    } catch {
      return false;
    }
  };
  while (isAlive()) await sleep(LOOK_MILLIS);
}
async function dronesAre(count: number): Promise<void> {
  while ((await hive.drones()).length !== count) await sleep(LOOK_MILLIS);
}

describe('hive drone', () => {
  test('is there again when a task has crashed it, and only that task is lost', async () => {
    const drone = await startDrone('--name', 'sturdy', '--log-file', 'sturdy.json');
    const inputs = Array.from({ length: COUNT }, (_, n) => n);
    const job = await hive.submit({ kind: file, inputs });
    const values = new Map<number, unknown>();
    const failures: unknown[] = [];
    for await (const result of job.results()) {
      if (result.outcome === 'succeeded') values.set(result.index, result.value);
      else failures.push(result);
    }
    expect(values.size).toBe(COUNT - 1);
    for (const [n, value] of values) expect(value).toBe(n * 2);
    expect(failures).toMatchObject([
      {
        index: POISON,
        outcome: 'crashed',
        error: {
          code: 'processLost',
          message: expect.stringMatching(
            /process of sturdy was lost while this task ran alone there; the time before, that process ended with SIGSEGV\nThe task had printed:\nabout to crash at 437$/,
          ),
        },
      },
    ]);
    expect(drone.text).toMatch(
      /🔧 The Drone's process was lost \(SIGSEGV\); it is started again in \d\.\d s\./,
    );
    await dronesAre(1);
    expect(await hive.call(file, 4)).toBe(8);
    drone.child.kill('SIGTERM');
    expect(await drone.ended).toBe(0);
    await dronesAre(0);
  });

  test('frees its leases when its process is killed, and goes on in another', async () => {
    const drone = await startDrone();
    const started = join(processes.folder, 'killed');
    const job = await hive.submit({ kind: `${file}#slow`, inputs: [started] });
    const worker = await workerOf(drone);
    await begun(started, worker);
    process.kill(worker, 'SIGKILL');
    await drone.saying(/process was lost \(SIGKILL\)/);
    const next = await workerOf(drone, worker);
    await gone(worker);
    await begun(started, next);
    await job.cancel();
    drone.child.kill('SIGINT');
    expect(await drone.ended).toBe(0);
    await gone(next);
  });

  test('ends whole when it is killed itself', async () => {
    const drone = await startDrone();
    const worker = await workerOf(drone);
    drone.child.kill('SIGKILL');
    expect(await drone.ended).toBe('SIGKILL');
    await gone(worker);
    await dronesAre(0);
  });

  test('lets what runs finish at the first Ctrl-C, however often one press arrives, and leaves at the second', async () => {
    const drone = await startDrone();
    const worker = await workerOf(drone);
    const started = join(processes.folder, 'drained');
    const job = await hive.submit({ kind: `${file}#slow`, inputs: [started] });
    await begun(started, worker);
    // As a terminal does, to both.
    process.kill(worker, 'SIGINT');
    drone.child.kill('SIGINT');
    await drone.saying(/Drone is going; what runs may finish\. Press Ctrl-C again/);
    // What is one press lasts 0.3 s.
    const pressedAt = performance.now();
    while (performance.now() - pressedAt <= 400) await sleep(LOOK_MILLIS);
    expect(drone.child.exitCode).toBe(null);
    drone.child.kill('SIGINT');
    expect(await drone.ended).toBe('SIGINT');
    await gone(worker);
    await job.cancel();
  });

  test('that cannot start says why, once, and is not tried again', async () => {
    const drone = processes.hive(['drone', '--label', 'x']);
    expect(await drone.ended).toBe(1);
    expect(drone.text.match(/"x" is not a label/g)?.length).toBe(1);
    const help = processes.hive(['drone', '--help']);
    expect(await help.ended).toBe(0);
    expect(help.text).toMatch(/--no-supervise/);
  });

  test('is one process with --no-supervise', async () => {
    const drone = await startDrone('--no-supervise');
    const commands = childrenOf(drone.pid).map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
    expect(commands.filter((command) => command.includes('main.ts'))).toEqual([]);
    drone.child.kill('SIGTERM');
    expect(await drone.ended).toBe(0);
  });
});
