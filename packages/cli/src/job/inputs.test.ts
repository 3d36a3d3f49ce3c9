import { describe, expect, test } from '@jest/globals';
import { readWord } from './inputs.ts';
import { parseParams } from './options.ts';

describe('what is typed', () => {
  test('becomes a value only where that changes nothing that reads as text', () => {
    const auto = (word: string) => readWord(word, 'auto', false);
    expect(['5', '-5', '0', '[1, 2]', '{"a": 1}'].map(auto)).toEqual([5, -5, 0, [1, 2], { a: 1 }]);
    for (const text of ['007', '1e3', '1.50', '-0', '+1', 'true', 'null', '"x"', '', '99999999999999999999'])
      expect(auto(text)).toBe(text);
  });

  test('is text or JSON if it is said to be', () => {
    expect(readWord('5', 'text', false)).toBe('5');
    expect(readWord('"x"', 'json', false)).toBe('x');
    expect(() => readWord('x', 'json', false)).toThrow('This input is not JSON: x');
    expect(readWord('ä', 'auto', true)).toEqual(Buffer.from('ä'));
  });

  test('becomes parameters', () => {
    const given = ['algorithm=md5', 'generate=1024', 'deep={"a":1}', '{"b": true}', 'empty=', 'x=a=b'];
    expect(parseParams(given)).toEqual({
      algorithm: 'md5',
      generate: 1024,
      deep: { a: 1 },
      b: true,
      empty: '',
      x: 'a=b',
    });
    expect(() => parseParams('md5')).toThrow('"md5" is no parameter');
    expect(() => parseParams('{x')).toThrow('not JSON');
  });
});
