/** Tasks that submit work, from end to end: with keys, threads, and fewer slots than tasks that wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from '../connect.ts';
import { type Hive, newJobId } from '../hive.ts';
import { FakeQueen } from '../testing/fake-queen.ts';
import * as tasks from '../testing/tasks/nested.task.ts';
import { count, rejection } from '../testing/with-fake.ts';
import { connectTask } from './task-session.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

let hive: Hive;
beforeAll(async () => {
  hive = await connect({ local: { drones: 1, slots: 2 } });
});
afterAll(() => hive.close());

/** Resolves when every job has ended. */
async function ended(): Promise<readonly string[]> {
  for (;;) {
    const jobs = await hive.jobs({ hidden: true, limit: Number.POSITIVE_INFINITY });
    const attached = jobs.filter(({ name }) => name?.startsWith('calls of') !== true);
    if (attached.every(({ endedAt }) => endedAt !== undefined)) return attached.map(({ state }) => state);
    await sleep(LOOK_MILLIS);
  }
}

describe('a task that submits work', () => {
  test('waits for it, however few slots there are', async () => {
    const numbers = [...count(12)].map((n) => n + 1);
    const sums = await hive.map(tasks.sumOfDoubles, numbers, { nested: true, retries: 0 });
    expect(sums).toEqual(numbers.map((n) => n * (n - 1)));
  });

  test('may submit tasks that do so, too', async () => {
    expect(await hive.map(tasks.leaves, [3, 2, 3], { nested: true, retries: 0 })).toEqual([8, 4, 8]);
  });

  test('gets the value that a range is folded into', async () => {
    expect(await hive.call(tasks.folded, 1_000, { nested: true })).toBe(999_000);
    const folded = await hive.call(tasks.foldedBy, 1_000, { nested: true });
    expect(folded).toEqual([...count(1_000)]);
    const stray = await rejection(hive.call(tasks.foldedByStray, 10, { nested: true, retries: 0 }));
    expect(stray.message).toContain('give a task that this file exports');
  });

  test('gets the value that ends what it has submitted early, and goes on itself', async () => {
    expect(await hive.map(tasks.searches, [1_000], { nested: true })).toEqual([[{ at: 77 }, 2_000]]);
  });

  test('calls kinds and functions, one after another and at once', async () => {
    expect(await hive.call(tasks.mixed, 5, { nested: true })).toEqual([5, 12, 14, 16]);
  });

  test('has what it submits listed only for who asks for all, with the job that it is below', async () => {
    const job = await hive.submit({ kind: tasks.sumOfDoubles, inputs: [3], nested: true });
    await job.done;
    expect((await hive.jobs()).every(({ parent }) => parent === undefined)).toBe(true);
    expect((await hive.jobs({ hidden: true })).map(({ parent }) => parent)).toContain(job.id);
  });

  test('gets the error of what it has submitted, and may go on', async () => {
    expect(await hive.call(tasks.tellsError, 7, { nested: true })).toContain('7 is too much');
  });

  test('leaves nothing behind', async () => {
    expect(await hive.call(tasks.leavesBehind, 3_600_000, { nested: true })).toBeDefined();
    expect(await ended()).toContain('cancelled');
  });

  test('takes what it has submitted with it when it is cancelled', async () => {
    const job = await hive.submit({ kind: tasks.waitsForever, inputs: [3_600_000], nested: true });
    while ((await hive.jobs({ hidden: true })).every(({ kind, endedAt }) => kind !== 'sleep' || endedAt))
      await sleep(LOOK_MILLIS);
    await job.cancel('enough');
    expect(await ended()).toContain('cancelled');
  });
});

describe('a task that takes several slots', () => {
  test('gives all of them away while it waits, beside others that do so', async () => {
    const numbers = [...count(8)].map((n) => n + 1);
    const right = numbers.map((n) => n * (n - 1));
    const wide = { nested: true, slots: 2, retries: 0 } as const;
    const [sums, leaves, narrow] = await Promise.all([
      hive.map(tasks.sumOfDoubles, numbers, wide),
      hive.map(tasks.leaves, [3, 2, 3], wide),
      hive.map(tasks.sumOfDoubles, numbers, { nested: true, retries: 0 }),
    ]);
    expect([sums, leaves, narrow]).toEqual([right, [8, 4, 8], right]);
  });
});

describe('several tasks at once in one slot', () => {
  const several = { nested: true, concurrency: 3, retries: 0 } as const;

  test('submit work each, and share the slot while they do not wait', async () => {
    const alone = await connect({ local: { drones: 1, slots: 1 } });
    try {
      expect(await alone.map(tasks.meets, [3, 3, 3], several)).toEqual([6, 6, 6]);
    } finally {
      await alone.close();
    }
  });

  test('wait for tasks that do so, too', async () => {
    const numbers = [...count(20)].map((n) => n + 1);
    expect(await hive.map(tasks.sumOfDoubles, numbers, several)).toEqual(numbers.map((n) => n * (n - 1)));
    expect(await hive.map(tasks.leaves, [3, 2, 3, 3, 2, 3], several)).toEqual([8, 4, 8, 8, 4, 8]);
  });

  test('can be cancelled one by one', async () => {
    const job = await hive.submit({ kind: tasks.stuck, inputs: [3_600_000, 1], ...several });
    const waits = async () =>
      (await hive.jobs({ hidden: true })).some(
        ({ parent, counts }) => parent === job.id && counts.running === 1 && counts.succeeded === 0,
      );
    while (!(await waits()));
    await job.cancel({ indices: [0] });
    expect((await job.done).counts).toMatchObject({ succeeded: 1, cancelled: 1 });
  });
});

describe('it is refused', () => {
  test('where its job does not say so', async () => {
    const error = await rejection(hive.call(tasks.sumOfDoubles, 3, { retries: 0 }));
    expect(error.message).toContain('nested: true');
  });

  test('on more levels than there may be', async () => {
    const error = await rejection(hive.call(tasks.leaves, 4, { nested: true, retries: 0 }));
    expect(error.message).toContain('3 levels');
  });

  test('what its file does not export', async () => {
    const error = await rejection(hive.call(tasks.strays, 1, { nested: true, retries: 0 }));
    expect(error.message).toContain('give a task that this file exports');
  });

  test('for tasks of several slots below it', async () => {
    const error = await rejection(hive.call(tasks.wideBelow, 1, { nested: true, retries: 0 }));
    expect(error.message).toContain('takes one slot');
  });

  test('for kinds', async () => {
    const error = await rejection(hive.call('echo', 1, { nested: true }));
    expect(error.message).toContain('Only functions have the option "nested"');
  });
});

test('what a task awaits fails when its session is lost, and is not asked for again', async () => {
  const queen = await new FakeQueen().listen();
  queen.isHolding = true;
  const line = { queen: queen.address, key: null, isForced: false, job: newJobId(), lease: 1 as never };
  const session = await connectTask({ ...line, token: new Uint8Array(32) }, () => {
    throw new Error('no function is submitted');
  });
  const answer = rejection(session.call('echo', 1));
  while (!queen.heard.some(({ type }) => type === 'Submit')) await sleep(LOOK_MILLIS);
  expect(queen.heard.find(({ type }) => type === 'Hello')).toMatchObject({
    role: 'client',
    task: { lease: 1 },
  });
  expect(queen.heard.find(({ type }) => type === 'Submit')).toMatchObject({ spec: { parent: line.job } });
  queen.cut();
  expect(await answer).toMatchObject({ code: 'sessionLost' });
  await session.close();
  await queen.close();
});
