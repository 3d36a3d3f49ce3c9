import { describe, expect, test } from '@jest/globals';
import { parseSize } from './options.ts';
import { latency, quantile, spread } from './stats.ts';

describe('statistics', () => {
  test('interpolate between neighbours', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([5], 0.99)).toBe(5);
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(latency(Array.from({ length: 300_000 }, () => 1))).toEqual({ p50: 1, min: 1, p99: 1 });
    expect(latency([1, 2, 3, 4, 5])).toEqual({ p50: 3, min: 1, p99: 4.96 });
  });
});

describe('a size', () => {
  test('is read with its unit', () => {
    expect([parseSize('1KiB'), parseSize('1MiB'), parseSize('64 KiB'), parseSize('100')]).toEqual([
      1024,
      1 << 20,
      1 << 16,
      100,
    ]);
  });
  test.each(['', '1GB', '2MiB', '0', '-1KiB', 'much'])('%p is refused', (text) => {
    expect(() => parseSize(text)).toThrow('is not a size');
  });
});
