import { describe, expect, test } from '@jest/globals';
import { formatBytes, formatCount, formatDuration, parseBytes, plural } from './format.ts';

describe('numbers for people', () => {
  test('have units that fit their size', () => {
    expect([0, 999, 1024, 1536, 123_456_789, 5 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 KiB',
      '1.5 KiB',
      '118 MiB',
      '5.0 TiB',
    ]);
    expect([0, 999, 59_949, 60_000, 3_599_400, 7_500_000, 273_600_000].map(formatDuration)).toEqual([
      '0 ms',
      '999 ms',
      '59.9 s',
      '1 min 0 s',
      '59 min 59 s',
      '2 h 5 min',
      '3 d 4 h',
    ]);
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect([plural(1, 'file'), plural(2, 'file'), plural(0, 'job')]).toEqual(['1 file', '2 files', '0 jobs']);
  });

  test('are read with their units', () => {
    expect(['65536', '1k', '128MiB', '1.5 GiB', '2T', '1 b'].map(parseBytes)).toEqual([
      65_536,
      1_024,
      128 * 1024 ** 2,
      1.5 * 1024 ** 3,
      2 * 1024 ** 4,
      1,
    ]);
    expect(['', 'x', '-1', '1 QiB', '1kk'].map(parseBytes)).toEqual(new Array(5).fill(Number.NaN));
  });
});
