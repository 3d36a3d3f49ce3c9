/**
 * A disk that fills up: jobs are refused before and while it is full, running work goes on, results stay with the Drones,
 * and everything goes on when there is room again. On a small file system in memory, where one can be mounted.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import type { StoreError } from './store/sqlite/errors.ts';
import { StoreWatch } from './store-watch.ts';
import { folder, removeFoldersAfterEach } from './testing/folders.ts';
import { TEST_KEYS } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

removeFoldersAfterEach();
const MiB = 2 ** 20;
const job = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);

/** Mounts a small file system there. False, with a printed reason, where that is not possible. */
function mount(path: string, mebibytes: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path], { stdio: 'pipe' });
    return true;
  } catch (error) {
    console.warn(`skipped: no file system can be mounted here (${(error as Error).message.trim()})`);
    return false;
  }
}

describe('a disk that fills up', () => {
  let data: string;
  let isMounted: boolean;
  let queen: Queen;
  let client: TestPeer;
  let worker: TestPeer;
  const problems: (StoreError | null)[] = [];

  beforeEach(() => {
    data = join(folder(), 'disk');
    mkdirSync(data);
    isMounted = mount(data, 16);
    problems.length = 0;
  });
  afterEach(async () => {
    if (!isMounted) return;
    client.end();
    worker.end();
    await queen.stop();
    execFileSync('umount', [data]);
  });

  const start = async (storeReserveBytes: number) => {
    queen = await startQueen({
      port: 0,
      keys: TEST_KEYS,
      store: 'sqlite',
      data,
      storeReserveBytes,
      onStoreProblem: (problem) => problems.push(problem),
    });
    client = await TestPeer.client(queen.address);
    worker = await TestPeer.drone(queen.address, 2);
  };
  const ballast = () => join(data, 'ballast');
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(data);
    return bavail * bsize;
  };
  const submit = (n: number) =>
    client.send({ type: 'Submit', job: job(n), spec: { kind: 'echo', encoding: 'raw', attached: false } });
  const append = (n: number, first: number, size: number) =>
    client.send({
      type: 'Append',
      job: job(n),
      first,
      count: 1,
      sizes: size,
      data: new Uint8Array(size).fill(n),
    });
  const complete = ({ lease, ranges }: Message<'TaskAssign'>, size: number) =>
    worker.send({
      type: 'TaskComplete',
      lease,
      at: 0,
      first: ranges[0]!,
      count: 1,
      sizes: size,
      data: new Uint8Array(size).fill(7),
      busyMicros: 10,
      ended: true,
      request: true,
    });
  let submitted = 10;
  /** Submits new jobs until the answer is the one that is waited for. */
  const until = async (type: 'Accepted' | 'Refused') => {
    while (true) {
      submit(++submitted);
      const isAnswer = (message: { type: string }) =>
        message.type === 'Accepted' || message.type === 'Refused';
      while (!client.received.some(isAnswer)) await new Promise((resolve) => setTimeout(resolve, 5));
      const [answer] = client.received.splice(client.received.findIndex(isAnswer), 1);
      if (answer!.type === type) return answer;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  test('refuses jobs while less than the reserve is free, and work goes on', async () => {
    if (!isMounted) return;
    await start(6 * MiB);
    submit(1);
    await client.next('Accepted');
    writeFileSync(ballast(), new Uint8Array(freeBytes() - 4 * MiB));
    const refusal = await until('Refused');
    expect(refusal).toMatchObject({ code: 'storeLow' });
    expect(problems.map((problem) => problem?.code)).toEqual(['lowDisk']);
    client.send({ type: 'BlobHave', hash: 'a'.repeat(64), bytes: 1_000 });
    expect(await client.next('Refused')).toMatchObject({ code: 'storeLow', blob: 'a'.repeat(64) });
    append(1, 0, 1_000);
    await client.next('InputCredit');
    complete(await worker.next('TaskAssign'), 1_000);
    await worker.next('ResultAck');
    rmSync(ballast());
    await until('Accepted');
    expect(problems.at(-1)).toBeNull();
  });

  test('acknowledges nothing while nothing can be written, and everything when it can', async () => {
    if (!isMounted) return;
    await start(0);
    submit(1);
    await client.next('Accepted');
    append(1, 0, 1_000);
    append(1, 1, 1_000);
    await client.next('InputCredit');
    const first = await worker.next('TaskAssign');
    const second = await worker.next('TaskAssign');
    writeFileSync(ballast(), new Uint8Array(freeBytes()));
    // Too much for what the database has left of its own; the Drone keeps it.
    complete(first, MiB);
    complete(second, MiB);
    while (problems.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const refusal = await until('Refused');
    expect(refusal).toMatchObject({ code: 'storeLow' });
    expect(problems.map((problem) => problem?.code)).toEqual(['fullDisk']);
    expect(worker.received.filter(({ type }) => type === 'ResultAck')).toEqual([]);
    rmSync(ballast());
    await worker.next('ResultAck');
    await until('Accepted');
    expect(problems.at(-1)).toBeNull();
    client.send({ type: 'ResultCredit', job: job(1), bytes: 4 * MiB, order: 'index', after: 0 });
    expect((await client.next('Results')).data).toHaveLength(MiB);
    expect((await client.next('Results')).data).toHaveLength(MiB);
  });
});

describe('the watch on the free space', () => {
  test('says low below the reserve, and not low again until a quarter more is free', async () => {
    let free = 1_000;
    const said: (string | null)[] = [];
    const watch = new StoreWatch({
      store: { freeBytes: async () => free },
      onChange: (problem) => said.push(problem?.code ?? null),
      reserveBytes: 400,
    });
    for (free of [1_000, 401, 399, 450, 499, 501, 450, 100]) await watch.look();
    watch.stop();
    expect(said).toEqual(['lowDisk', null, 'lowDisk']);
  });

  test('stays low while commits fail, whatever is free', async () => {
    const said: (string | null)[] = [];
    const watch = new StoreWatch({
      store: { freeBytes: async () => 1_000 },
      onChange: (problem) => said.push(problem?.code ?? null),
      reserveBytes: 400,
    });
    const { StoreError: Problem } = await import('./store/sqlite/errors.ts');
    watch.failure = new Problem('full', 'fullDisk');
    await watch.look();
    watch.failure = new Problem('full', 'fullDisk');
    watch.failure = null;
    watch.stop();
    expect(said).toEqual(['fullDisk', null]);
  });
});
