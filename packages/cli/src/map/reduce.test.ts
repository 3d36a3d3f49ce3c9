import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parseReduce } from './reduce.ts';

test('ways to fold are written with colons', () => {
  expect(['sum', 'max', 'min:size', 'merge:at', 'top:3', 'top:3:size'].map(parseReduce)).toEqual([
    'sum',
    { op: 'max' },
    { op: 'min', by: 'size' },
    { op: 'merge', by: 'at' },
    { op: 'top', k: 3 },
    { op: 'top', k: 3, by: 'size' },
  ]);
});

test('a reducer is named by its file, or by its export alone', () => {
  const file = fileURLToPath(import.meta.url);
  expect(parseReduce(`${file}#merge`)).toBe(`${import.meta.url}#merge`);
  expect(parseReduce('#merge')).toBe('#merge');
  expect(() => parseReduce('absent.task.ts#merge')).toThrow('There is no task file absent.task.ts.');
});

test.each(['', 'avg', 'sum:x', 'top', 'top:0', 'top:x', 'top:1:a:b', 'max:a:b'])(
  '"%s" is none',
  (written) => {
    expect(() => parseReduce(written)).toThrow(`"${written}" is no way to fold results.`);
  },
);
