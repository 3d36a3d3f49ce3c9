import { describe, expect, test } from '@jest/globals';
import { shortInput, shortResult } from './display.ts';

describe('a result on a terminal', () => {
  test('is shown by its first characters, without its input', () => {
    expect(shortResult('"a string" -> "7c0b5f5412ab34…')).toBe('7c0b5f54...');
    expect(shortResult('"7c0b5f5412ab34"')).toBe('7c0b5f54...');
    expect(shortResult('"a -> b" -> "short"')).toBe('short');
    expect(shortResult('"a" -> "b -> c"')).toBe('b -> c');
    expect(shortResult(JSON.stringify('"hi"'))).toBe('"hi"');
    expect(shortResult('32 bytes')).toBe('32 bytes');
    expect(shortResult('5 -> 5')).toBe('5');
    expect(shortResult('7c0b5f54...')).toBe('7c0b5f54...');
  });
  test('comes after the beginning of its input', () => {
    expect(shortInput('"a string"')).toBe('"a string"');
    expect(shortInput(`"${'x'.repeat(100)}"`)).toBe(`"${'x'.repeat(58)}…`);
  });
});
