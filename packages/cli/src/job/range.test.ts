import { describe, expect, test } from '@jest/globals';
import { parseIndices, parseRange } from './range.ts';

describe('a range', () => {
  test('has both of its ends, like seq', () => {
    expect(parseRange('0..9')).toEqual({ start: 0, step: 1, count: 10 });
    expect(parseRange('3..3')).toEqual({ start: 3, step: 1, count: 1 });
    expect(parseRange('10..1')).toEqual({ start: 10, step: -1, count: 10 });
    expect(parseRange('-5..5..5')).toEqual({ start: -5, step: 5, count: 3 });
    expect(parseRange('0..10..3')).toEqual({ start: 0, step: 3, count: 4 });
    expect(parseRange('0..1000000000').count).toBe(1_000_000_001);
  });

  test.each(['', '5', '0-9', '0..', 'a..b', '0..9..0', '0..99999999999999999999'])(
    'is not written as "%s"',
    (text) => {
      expect(() => parseRange(text)).toThrow('is not a range');
    },
  );
});

describe('indices', () => {
  test('are single or in ranges, each counted once', () => {
    expect(parseIndices(['7', '5-9', '1..2', '3,4'])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test.each(['x', '9-5', '-1', '1-', '1.5'])('are not written as "%s"', (text) => {
    expect(() => parseIndices([text])).toThrow('is no index');
  });

  test('are not a million', () => {
    expect(() => parseIndices(['0-1000000'])).toThrow('At most');
  });
});
