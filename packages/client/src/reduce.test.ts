/** Folding against a real Queen and Drones. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import type { Hive } from './hive.ts';
import * as many from './testing/tasks/typed.task.ts';
import { collect, count, rejection } from './testing/with-fake.ts';

let hive: Hive;
beforeAll(async () => {
  hive = await connect({ local: { drones: 2, slots: 2 } });
});
afterAll(() => hive.close());

describe('a range', () => {
  test('gives its integers, up or down, and nothing if it is empty', async () => {
    expect(await hive.range(0, 5, 'echo')).toEqual([0, 1, 2, 3, 4]);
    expect(await hive.range(10, 0, 'echo', { step: -4 })).toEqual([10, 6, 2]);
    expect(await hive.range(5, 5, 'echo')).toEqual([]);
    expect(await collect(hive.range(0, 3_000, 'echo'))).toEqual([...count(3_000)]);
  });

  test('of a trillion tasks is accepted at once, and can be cancelled', async () => {
    const sum = hive.range(0, 1e12, 'echo', { reduce: 'sum' });
    const failed = rejection(sum.value());
    const job = await sum.job;
    await job.cancel('seen enough');
    expect(await failed).toMatchObject({ code: 'cancelled', message: 'seen enough' });
    expect(await hive.job(job.id)).toMatchObject({ state: 'cancelled', counts: { appended: 1e12 } });
  });

  test.each([
    [0, 1.5, 1],
    [0, 5, 0],
    [0, Number.POSITIVE_INFINITY, 1],
    [0, 2 ** 60, 1],
  ])('from %s to %s by %s is refused', async (start, end, step) => {
    expect(() => hive.range(start, end, 'echo', { step })).toThrow(/integer of 53 bits/);
  });
});

describe('a reduction', () => {
  test('sums more than 53 bits exactly', async () => {
    const n = 200_000;
    const high = Number.MAX_SAFE_INTEGER - n;
    const sum = BigInt(n) * BigInt(high) + BigInt((n * (n - 1)) / 2);
    expect(await hive.range(high, high + n, 'echo', { reduce: 'sum' })).toBe(sum);
    expect(await hive.range(0, n, 'echo', { reduce: 'sum' })).toBe((n * (n - 1)) / 2);
    expect(await hive.range(0, n, 'echo', { reduce: 'count' })).toBe(n);
  });

  test('keeps the order of the tasks', async () => {
    const words = [...count(5_000)].map((i) => `${i},`);
    expect(await hive.map('echo', words, { reduce: 'concat' })).toBe(words.join(''));
    const lists = [...count(2_000)].map((i) => [i, i + 0.5, { i }]);
    expect(await hive.map('echo', lists, { reduce: 'concat' })).toEqual(lists.flat());
  });

  test('finds the smallest, the largest, the k largest, and merges what is sorted', async () => {
    const numbers = [...count(3_000)].map((i) => (i * 7_919) % 3_001);
    expect(await hive.map('echo', numbers, { reduce: 'min' })).toBe(Math.min(...numbers));
    expect(await hive.map('echo', numbers, { reduce: 'max' })).toBe(Math.max(...numbers));
    const byScore = numbers.map((score, id) => ({ id, score }));
    expect(await hive.map('echo', byScore, { reduce: { op: 'top', k: 3, by: 'score' } })).toEqual(
      [...byScore].sort((a, b) => b.score - a.score).slice(0, 3),
    );
    const sorted = numbers.map((n) => [n, n + 1]);
    expect(await hive.map('echo', sorted, { reduce: 'merge' })).toEqual(sorted.flat().sort((a, b) => a - b));
  });

  test('has the type of what the operator makes of what the tasks give', async () => {
    const [lists, texts, records] = [many.list, many.text, many.record];
    const range = [0, 3] as const;
    // Compiles because these types are known, and none of them is any.
    const total: number | bigint = await hive.range(...range, many.square, { reduce: 'sum' });
    const tasks: number = await hive.map(many.text, [1, 2], { reduce: 'count' });
    const least: number | undefined = await hive.map(many.square, [3, 2], { reduce: 'min' });
    const best: { n: number } | undefined = await hive.range(...range, records, {
      reduce: { op: 'max', by: 'n' },
    });
    const two: { n: number }[] = await hive.range(...range, records, {
      reduce: { op: 'top', k: 2, by: 'n' },
    });
    const merged: number[] = await hive.range(...range, lists, { reduce: 'merge' });
    const joined: number[] = await hive.range(...range, lists, { reduce: 'concat' });
    const text: string | [] = await hive.range(...range, texts, { reduce: 'concat' });
    expect([total, tasks, least, best, two, merged, joined, text]).toEqual([
      5,
      2,
      4,
      { n: 2 },
      [{ n: 2 }, { n: 1 }],
      [0, 1, 1, 2, 2, 3],
      [0, 1, 1, 2, 2, 3],
      '0;1;2;',
    ]);
    // @ts-expect-error: of no tasks there is no smallest
    const sure: number = await hive.map(many.square, [], { reduce: 'min' });
    // @ts-expect-error: it is a number, whatever the tasks give
    const counted: string = await hive.map(many.text, [1], { reduce: 'count' });
    expect([sure, counted]).toEqual([undefined, 1]);
  });

  test('has the type that can be known of a kind or a file, or the one that is said', async () => {
    const digest: string | undefined = await hive.map('hash', ['a', 'b'], { reduce: 'max' });
    const sum: number | bigint = await hive.range(0, 3, 'echo', { reduce: 'sum' });
    const said: string = await hive.map<string>('echo', ['a', 'b'], { reduce: 'max' });
    // @ts-expect-error: what echo gives is not known
    const unknown: string = await hive.map('echo', ['a', 'b'], { reduce: 'max' });
    expect([digest?.length, sum, said, unknown]).toEqual([64, 3, 'b', 'b']);
  });

  test('of nothing is what the operator begins with', async () => {
    expect(await hive.map('echo', [], { reduce: 'sum' })).toBe(0);
    expect(await hive.map('echo', [], { reduce: 'min' })).toBeUndefined();
    expect(await hive.range(0, 0, 'echo', { reduce: 'concat' })).toEqual([]);
  });

  test('rejects with the first task that fails, or cannot be folded', async () => {
    const failing = hive.map('sleep', [1, 'soon', 1], { retries: 0, reduce: 'count' });
    expect(await rejection(failing.value())).toMatchObject({ name: 'TaskError', index: 1 });
    const unfit = hive.map('echo', [1, 2, 'x', 4], { reduce: 'sum' });
    expect(await rejection(unfit.value())).toMatchObject({
      name: 'TaskError',
      index: 2,
      code: 'notReducible',
      message: 'sum adds numbers, and the task gave a text',
    });
  });

  test('says when what was folded is too large', async () => {
    const large = hive.map('echo', new Array(20).fill('x'.repeat(100_000)), { reduce: 'concat' });
    const error = await rejection(large.value());
    expect(error).toMatchObject({ name: 'TaskError', outcome: 'failed', code: 'tooLarge' });
    expect(error.message).toContain('folding tasks');
    expect(error.message).toContain('at most 1048576 are allowed');
  });

  test('of a submitted job is its value, also for whoever opens it later', async () => {
    const job = await hive.submit({
      kind: 'echo',
      inputs: count(1_000),
      reduce: { op: 'top', k: 2 },
      attached: false,
    });
    expect(await job.value).toEqual([999, 998]);
    expect(await collect(job.results())).toEqual([]);
    const again = await hive.open(job.id);
    expect(await again.value).toEqual([999, 998]);
    const plain = await hive.submit({ kind: 'echo', inputs: [1] });
    expect((await rejection(plain.value)).code).toBe('noValue');
  });

  test.each<[object, RegExp]>([
    [{ reduce: { op: 'top' } }, /"top" needs k/],
    [{ reduce: 'average' }, /reduce: this cannot be/],
    [{ reduce: 'sum', encoding: 'raw' }, /Raw bytes cannot be folded/],
  ])('of %j is refused', async (options, text) => {
    const error = await rejection(Promise.resolve().then(() => hive.map('echo', [1], options as never)));
    expect(error.message).toMatch(text);
  });
});
