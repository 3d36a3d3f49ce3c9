import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InputDirectory } from './input-directory.ts';
import { ResultDirectory } from './result-directory.ts';

describe('the input directory', () => {
  test('drops a page exactly when the last of its tasks has succeeded', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
        fc.integer(),
        (counts, seed) => {
          const directory = new InputDirectory();
          const pages = new Map<number, Set<number>>();
          let total = 0;
          for (const count of counts) {
            directory.add(total, count, count * 10);
            pages.set(total, new Set(Array.from({ length: count }, (_, i) => total + i)));
            total += count;
          }
          // Tasks succeed in some order that covers all of them once.
          const order = Array.from({ length: total }, (_, i) => i).sort(
            (a, b) => hash(a, seed) - hash(b, seed),
          );
          for (const index of order) {
            const dropped = [...directory.succeeded(index, index + 1)].map(({ first }) => first);
            const expected: number[] = [];
            for (const [first, left] of pages) {
              if (!left.delete(index) || left.size > 0) continue;
              expected.push(first);
              pages.delete(first);
            }
            expect(dropped).toEqual(expected);
          }
          expect([directory.pages, directory.heldBytes]).toEqual([0, 0]);
        },
      ),
    );
  });

  test('measures how many tasks fit a number of bytes, at least one', () => {
    const directory = new InputDirectory();
    directory.add(0, 10, 100);
    directory.add(10, 10, 1_000);
    expect(directory.fitting(0, 20, 1_100)).toEqual({ count: 20, bytes: 1_100 });
    expect(directory.fitting(0, 20, 300)).toEqual({ count: 12, bytes: 300 });
    expect(directory.fitting(12, 5, 1).count).toBe(1);
    expect(directory.fitting(5, 3, 1_000)).toEqual({ count: 3, bytes: 30 });
  });

  test('takes values without bytes', () => {
    const directory = new InputDirectory();
    directory.add(0, 5, 0);
    expect(directory.fitting(0, 5, 100).count).toBe(5);
  });
});

function hash(value: number, seed: number): number {
  return Math.imul(value ^ seed, 2_654_435_761) >>> 0;
}

describe('the result directory', () => {
  test('finds pages by seq, by their start and by an index amid them', () => {
    const directory = new ResultDirectory();
    directory.add({ seq: 1, first: 10, count: 5, cost: 7 });
    directory.add({ seq: 2, first: 0, count: 10, cost: 9 });
    expect(directory.startingAt(0)?.seq).toBe(2);
    expect(directory.startingAt(12)).toBeUndefined();
    expect(directory.holding(12)?.seq).toBe(1);
    expect(directory.heldBytes).toBe(16);
    directory.delete(1);
    expect(directory.holding(12)).toBeUndefined();
    expect([directory.pages, directory.heldBytes]).toEqual([1, 9]);
  });
});
