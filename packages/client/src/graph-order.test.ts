import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { orderOf } from './graph-order.ts';

/** Graphs without cycles in any order of adding: parents of a task are those that a hidden permutation puts before it. */
const acyclic = fc.integer({ min: 0, max: 30 }).chain((size) =>
  fc
    .tuple(
      fc.shuffledSubarray([...Array(size).keys()], { minLength: size }),
      fc.array(fc.tuple(fc.nat(size), fc.nat(size))),
    )
    .map(([rank, pairs]) => {
      const parents: number[][] = Array.from({ length: size }, () => []);
      for (const [a, b] of pairs) {
        if (a >= size || b >= size || rank[a]! >= rank[b]! || parents[b]!.includes(a)) continue;
        parents[b]!.push(a);
      }
      return parents;
    }),
);

function order(parents: number[][]): number[] {
  const found = orderOf(parents);
  if ('cycle' in found) throw new Error(`a cycle: ${found.cycle}`);
  return [...found.order];
}

describe('the order of a graph', () => {
  test('has every task once, its parents before it', () => {
    fc.assert(
      fc.property(acyclic, (parents) => {
        const placed = order(parents);
        expect([...placed].sort((a, b) => a - b)).toEqual([...parents.keys()]);
        for (const [task, all] of parents.entries())
          for (const parent of all) expect(placed.indexOf(parent)).toBeLessThan(placed.indexOf(task));
      }),
    );
  });

  test('is that of adding where it can be', () => {
    expect(order([[], [0], [0, 1], []])).toEqual([0, 1, 2, 3]);
    expect(order([[2], [], [1]])).toEqual([1, 2, 0]);
  });

  test('does not exist for a cycle, which is named', () => {
    expect(orderOf([[1], [2], [0]])).toEqual({ cycle: [0, 1, 2, 0] });
    expect(orderOf([[], [0, 1]])).toEqual({ cycle: [1, 1] });
    expect(orderOf([[], [0, 2], [3], [1]])).toEqual({ cycle: [1, 2, 3, 1] });
  });

  test('is found a million tasks deep', () => {
    const chain = Array.from({ length: 1_000_000 }, (_, i) => (i === 999_999 ? [] : [i + 1]));
    expect(order(chain)[0]).toBe(999_999);
  });
});
