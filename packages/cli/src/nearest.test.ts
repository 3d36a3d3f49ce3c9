import { nearest } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { findAlgorithm, tagOf } from './hash/algorithm.ts';

describe('a mistyped name', () => {
  test('is answered with the names that are near', () => {
    expect(nearest('hahs', ['hash', 'jobs', 'status'])).toEqual(['hash']);
    expect(nearest('frobnicate', ['hash', 'jobs', 'status'])).toEqual([]);
  });

  test('of a hash algorithm is refused with what was probably meant', () => {
    expect(() => findAlgorithm('sha265')).toThrow(
      /There is no hash algorithm "sha265". Did you mean .*sha256/,
    );
    expect(() => findAlgorithm('frobnicate')).toThrow(/sha512/);
    expect(findAlgorithm('SHA3-256')).toBe('sha3-256');
    expect(tagOf('blake2b512')).toBe('BLAKE2b');
    expect(tagOf('sha256')).toBe('SHA256');
  });
});
