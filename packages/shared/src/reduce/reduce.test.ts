import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Reduce } from '../messages.ts';
import { type Page, PageBuilder } from '../page.ts';
import { appendValue, decodeMsgpack } from '../values.ts';
import { foldedInput, foldValues } from './fold.ts';
import { operatorOf, reduceProblem } from './operator.ts';

function pageOf(values: readonly unknown[]): Page {
  const builder = new PageBuilder(0);
  for (const value of values) appendValue(builder, 'msgpack', value);
  return builder.take();
}

/** Folds values as slots, Drones and the client do: runs of the lengths given, then these as a tree of a certain width. */
function reduced(reduce: Reduce, values: readonly unknown[], cuts: readonly number[], width = 2): unknown {
  const operator = operatorOf(reduce);
  const page = pageOf(values);
  let level: Uint8Array[] = [];
  let from = 0;
  for (const cut of [...cuts, values.length]) {
    const to = Math.min(values.length, from + cut);
    for (const { data } of foldValues(operator, 'msgpack', page, from, to)) level.push(data!);
    from = to;
  }
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += width) {
      const list = level.slice(i, i + width).map((bytes) => decodeMsgpack(bytes));
      next.push(foldedInput(operator, 'msgpack', list));
    }
    level = next;
  }
  return operator.result(level.length === 0 ? null : operator.unpack(decodeMsgpack(level[0]!)));
}

const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 20 });
const width = fc.integer({ min: 2, max: 5 });
const holds = <T>(values: fc.Arbitrary<T[]>, reduce: Reduce, twin: (values: T[]) => unknown) =>
  fc.assert(
    fc.property(values, cuts, width, (all, cut, wide) => {
      expect(reduced(reduce, all, cut, wide)).toEqual(twin(all));
    }),
  );
const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 60 });
const pairs = some(fc.record({ n: fc.integer({ min: 0, max: 5 }), id: fc.nat() }));
const numbers = some(fc.integer());

describe('wherever the intervals are cut, the value is that of a loop over all values', () => {
  test('sum, beyond 2^53 too', () => {
    const whole = fc.maxSafeInteger();
    holds(some(whole), { op: 'sum' }, (all) => {
      const sum = all.reduce((total, value) => total + BigInt(value), 0n);
      return Number.isSafeInteger(Number(sum)) ? Number(sum) : sum;
    });
  });
  test('count, of anything', () => {
    holds(fc.array(fc.oneof(fc.integer(), fc.string())), { op: 'count' }, (all) => all.length);
  });
  test('min and max, of numbers, of texts, and of maps by an entry: the first of several', () => {
    holds(numbers, { op: 'min' }, (all) => Math.min(...all));
    holds(numbers, { op: 'max' }, (all) => Math.max(...all));
    holds(some(fc.string()), { op: 'min' }, (all) => [...all].sort()[0]);
    holds(pairs, { op: 'max', by: 'n' }, (all) => all.reduce((a, b) => (b.n > a.n ? b : a)));
  });
  test('concat, which is not commutative', () => {
    holds(some(fc.string()), { op: 'concat' }, (all) => all.join(''));
    holds(some(fc.array(fc.integer())), { op: 'concat' }, (all) => all.flat());
    holds(some(fc.uint8Array()), { op: 'concat' }, (all) => Buffer.concat(all).subarray());
  });
  test('top(k), of equal ones the earlier', () => {
    const twin = (all: { n: number; id: number }[]) => [...all].sort((a, b) => b.n - a.n).slice(0, 4);
    holds(pairs, { op: 'top', k: 4, by: 'n' }, twin);
  });
  test('merge of sorted lists, stable', () => {
    const sorted = some(fc.array(fc.record({ n: fc.integer({ min: 0, max: 9 }), id: fc.nat() }))).map((all) =>
      all.map((list) => list.sort((a, b) => a.n - b.n)),
    );
    holds(sorted, { op: 'merge', by: 'n' }, (all) => all.flat().sort((a, b) => a.n - b.n));
  });
});

describe('a sum of floats', () => {
  test('is compensated: small ones are not lost beside large ones', () => {
    const values = [1e16, ...Array.from({ length: 1_000 }, () => 0.1), -1e16];
    expect(reduced({ op: 'sum' }, values, [3, 100, 7])).toBeCloseTo(100, 9);
  });
  test('is a number, also beside integers, and says infinity', () => {
    expect(reduced({ op: 'sum' }, [0.5, 2 ** 53 - 1, 1], [1])).toBe(2 ** 53);
    expect(reduced({ op: 'sum' }, [Infinity, 1.5, 2], [1, 1])).toBe(Infinity);
  });
});

test('without tasks there is what the operator begins with', () => {
  const of = (reduce: Reduce) => operatorOf(reduce).result(null);
  expect([of({ op: 'sum' }), of({ op: 'count' }), of({ op: 'concat' })]).toEqual([0, 0, []]);
  expect([of({ op: 'top', k: 3 }), of({ op: 'merge' }), of({ op: 'min' })]).toEqual([[], [], undefined]);
});

describe('what cannot be folded', () => {
  const operator = (reduce: Reduce) => operatorOf(reduce);
  test.each<[string, Reduce, unknown[]]>([
    ['a text in a sum', { op: 'sum' }, [1, 'x', 2]],
    ['NaN among what is ordered', { op: 'min' }, [1, Number.NaN, 2]],
    ['a text among numbers', { op: 'max' }, [1, 'x', 2]],
    ['a number in a concat', { op: 'concat' }, ['a', 5, 'b']],
    ['a list that is not sorted', { op: 'merge' }, [[1], [3, 2], [4]]],
    ['a map without the entry', { op: 'top', k: 2, by: 'n' }, [{ n: 1 }, {}, { n: 3 }]],
  ])('is a failure of its own task: %s', (_, reduce, values) => {
    const folds = foldValues(operator(reduce), 'msgpack', pageOf(values), 0, 3);
    expect(folds).toMatchObject([
      { count: 1, data: expect.anything() },
      { count: 1, data: null, code: 'notReducible' },
      { count: 1, data: expect.anything() },
    ]);
  });

  test.each<[unknown, string]>([
    [{ size: 1 }, 'an object'],
    [new Map(), 'a map'],
    [[1], 'a list'],
    [null, 'nothing'],
    [true, 'true or false'],
  ])('%j is named as people call it: %s', (value, name) => {
    const sum = operator({ op: 'sum' });
    expect(() => sum.of(value)).toThrow(`sum adds numbers, and the task gave ${name}`);
  });

  test('a value over 1 MiB is folded in halves, and two halves that make one are refused', () => {
    const values = Array.from({ length: 4 }, () => 'x'.repeat(300_000));
    const folds = foldValues(operator({ op: 'concat' }), 'msgpack', pageOf(values), 0, 4);
    expect(folds.map(({ count }) => count)).toEqual([2, 2]);
    const list = folds.map(({ data }) => decodeMsgpack(data!));
    expect(() => foldedInput(operator({ op: 'concat' }), 'msgpack', list)).toThrow(/1200005 bytes/);
  });

  test('what is no folded value is refused', () => {
    for (const reduce of [{ op: 'sum' }, { op: 'count' }, { op: 'top', k: 2 }, { op: 'merge' }] as const)
      expect(() => foldedInput(operator(reduce), 'msgpack', ['x'])).toThrow();
    expect(() => foldedInput(operator({ op: 'sum' }), 'msgpack', [])).toThrow();
  });
});

test('a reduce that makes no sense is refused with a sentence', () => {
  expect(reduceProblem({ op: 'sum' })).toBeNull();
  const wrong: Reduce[] = [{ op: 'top' }, { op: 'sum', k: 3 }, { op: 'sum', by: 'n' }, { op: 'function' }];
  for (const reduce of wrong) expect(reduceProblem(reduce)).toMatch(/^reduce: /);
});
