/** The auditor's own books: what they say must not depend on how many parts there are, nor on the order in which they come. */
import { IntervalSet } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { Parts } from './parts.ts';

/** So many parts of two tasks each, the last ones first. */
function partsOf(count: number): Parts {
  const parts = new Parts();
  for (let i = count - 1; i >= 0; i--) parts.add(2 * i, 2 * i + 2, i);
  return parts;
}

describe.each([3, 23, 24, 500])('%d parts', (count) => {
  const end = 2 * count;

  test('that are all there are in order', () => {
    const parts = partsOf(count);
    expect([parts.overlap, parts.gap(end)]).toEqual([null, null]);
  });

  test('and one that is in two places', () => {
    const parts = partsOf(count);
    parts.add(3, 4, 'returned');
    expect(parts.overlap).toBe('task 3 is lease 1 and returned');
    expect(parts.gap(end)).toBeNull();
  });

  test('and tasks that are nowhere', () => {
    const parts = partsOf(count);
    expect(parts.gap(end + 2)).toBe(`tasks ${end} to ${end + 1} are nowhere`);
    parts.add(end + 1, end + 2, 'fresh');
    expect(parts.gap(end + 2)).toBe(`tasks ${end} to ${end} are nowhere`);
    expect(parts.overlap).toBeNull();
  });

  test('are forgotten', () => {
    const parts = partsOf(count);
    parts.clear();
    expect([parts.overlap, parts.gap(0), parts.gap(1)]).toEqual([null, null, 'tasks 0 to 0 are nowhere']);
    parts.addAll(IntervalSet.of([4, 6], [1, 2]), 'recorded');
    parts.add(0, 1, 'fresh');
    expect(parts.gap(6)).toBe('tasks 2 to 3 are nowhere');
    parts.add(2, 4, 'held');
    expect([parts.overlap, parts.gap(6)]).toEqual([null, null]);
  });
});
