import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Interval, IntervalSet } from './interval-set.ts';

const SPAN = 40;

/** The dumb twin: a set of numbers, below `SPAN`. */
class Twin {
  readonly set = new Set<number>();
  range(first: number, end: number): number[] {
    return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
  }
  add(first: number, end: number): number {
    const before = this.set.size;
    for (const index of this.range(first, end)) this.set.add(index);
    return this.set.size - before;
  }
  delete(first: number, end: number): number {
    return this.range(first, end).filter((index) => this.set.delete(index)).length;
  }
  get sorted(): number[] {
    return [...this.set].sort((a, b) => a - b);
  }
  /** Maximal stretches of `indices`, which are sorted. */
  static stretches(indices: readonly number[]): Interval[] {
    const found: [number, number][] = [];
    for (const index of indices) {
      const last = found.at(-1);
      if (last?.[1] === index) last[1]++;
      else found.push([index, index + 1]);
    }
    return found;
  }
  takeLowest(count: number): Interval | null {
    const [lowest] = Twin.stretches(this.sorted);
    if (lowest === undefined || count <= 0) return null;
    const end = Math.min(lowest[1], lowest[0] + count);
    this.delete(lowest[0], end);
    return [lowest[0], end];
  }
  stretchEnd(index: number, limit: number): number {
    let end = index;
    while (end < limit && this.set.has(end) === this.set.has(index)) end++;
    return index >= limit ? limit : end;
  }
}

function compare(set: IntervalSet, twin: Twin): void {
  const intervals = Twin.stretches(twin.sorted);
  expect([...set]).toEqual(intervals);
  expect(set.size).toBe(twin.set.size);
  expect(set.isEmpty).toBe(twin.set.size === 0);
  expect(set.intervals).toBe(intervals.length);
  expect(set.lowest).toBe(twin.sorted[0] ?? null);
}

function ask(set: IntervalSet, twin: Twin, first: number, end: number): void {
  const range = twin.range(first, end);
  expect(set.has(first)).toBe(twin.set.has(first));
  expect(set.covers(first, end)).toBe(range.every((i) => twin.set.has(i)));
  expect(set.touches(first, end)).toBe(range.some((i) => twin.set.has(i)));
  expect([...set.gaps(first, end)]).toEqual(Twin.stretches(range.filter((i) => !twin.set.has(i))));
  expect([...set.parts(first, end)]).toEqual(Twin.stretches(range.filter((i) => twin.set.has(i))));
  if (first <= end) expect(set.stretchEnd(first, end)).toBe(twin.stretchEnd(first, end));
}

const bound = fc.nat(SPAN);
const operation = fc.record({
  name: fc.constantFrom('add', 'add', 'add', 'delete', 'delete', 'takeLowest', 'ask', 'clear'),
  a: bound,
  b: bound,
});

test('does what a set of numbers does, after any sequence of operations', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const set = new IntervalSet();
      const twin = new Twin();
      for (const { name, a, b } of operations) {
        if (name === 'add') expect(set.add(a, b)).toBe(twin.add(a, b));
        else if (name === 'delete') expect(set.delete(a, b)).toBe(twin.delete(a, b));
        else if (name === 'takeLowest') expect(set.takeLowest(a % 9)).toEqual(twin.takeLowest(a % 9));
        else if (name === 'ask') ask(set, twin, a, b);
        else if (a < 3) {
          set.clear();
          twin.set.clear();
        }
        compare(set, twin);
      }
      for (let first = 0; first <= SPAN; first += 3) ask(set, twin, first, SPAN);
    }),
    { numRuns: 400 },
  );
});

test('is made of intervals that may touch, overlap and come in any order', () => {
  const set = IntervalSet.of([5, 7], [0, 2], [7, 9], [1, 3], [4, 4]);
  expect([...set]).toEqual([
    [0, 3],
    [5, 9],
  ]);
  expect(set.size).toBe(7);
});

test('reaches to the largest index there is', () => {
  const end = Number.MAX_SAFE_INTEGER;
  const set = IntervalSet.of([0, end]);
  expect(set.size).toBe(end);
  expect(set.delete(end - 1, end)).toBe(1);
  expect(set.has(end - 1)).toBe(false);
  expect(set.takeLowest(end - 2)).toEqual([0, end - 2]);
  expect([...set]).toEqual([[end - 2, end - 1]]);
});

test('a walk over gaps may change the set behind it', () => {
  const set = IntervalSet.of([2, 4], [6, 8]);
  for (const [first, end] of set.gaps(0, 10)) set.add(first, end);
  expect([...set]).toEqual([[0, 10]]);
});
