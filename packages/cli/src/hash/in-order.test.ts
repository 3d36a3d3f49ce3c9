import { describe, expect, test } from '@jest/globals';
import { inOrder } from './in-order.ts';

async function* numbers(count: number) {
  for (let i = 0; i < count; i++) yield i;
}

describe('doing several things at once', () => {
  test('keeps the order, whatever finishes first, and never does more at once than it was told', async () => {
    let running = 0;
    let most = 0;
    const outcomes: number[] = [];
    const work = async (n: number) => {
      most = Math.max(most, ++running);
      for (let turns = (n * 7) % 5; turns > 0; turns--) await new Promise(setImmediate);
      running--;
      return n;
    };
    for await (const n of inOrder(numbers(100), 4, work)) outcomes.push(n);
    expect(outcomes).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(most).toBe(4);
  });

  test('ends with the error of the first thing that failed, in its turn', async () => {
    const outcomes: number[] = [];
    const work = async (n: number) => {
      if (n === 3) throw new Error('three');
      return n;
    };
    const run = async () => {
      for await (const n of inOrder(numbers(100), 4, work)) outcomes.push(n);
    };
    await expect(run()).rejects.toThrow('three');
    expect(outcomes).toEqual([0, 1, 2]);
  });

  test('ends its source when the reader leaves early', async () => {
    let isEnded = false;
    async function* source() {
      try {
        yield* numbers(100);
      } finally {
        isEnded = true;
      }
    }
    for await (const n of inOrder(source(), 4, async (n) => n)) if (n === 2) break;
    expect(isEnded).toBe(true);
  });
});
