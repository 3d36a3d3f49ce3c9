import { expect, test } from '@jest/globals';
import { parseDuration, parseHalt, parseSize, parseSlots, unescaped } from './quantities.ts';

test('sizes have decimal, binary and no prefixes', () => {
  expect(['7', '10k', '10K', '1M', '2ki', '1Mi', '1.5k'].map((text) => parseSize('--block', text))).toEqual([
    7, 10_000, 10_240, 1_048_576, 2_048, 1_048_576, 1_500,
  ]);
  expect(() => parseSize('--block', '-1')).toThrow('--block takes a number');
});

test('times are seconds or have units', () => {
  expect(['2', '0.25', '1m30s', '1.5h', '1d2h3m4s'].map((text) => parseDuration('--delay', text))).toEqual([
    2_000, 250, 90_000, 5_400_000, 93_784_000,
  ]);
  expect(() => parseDuration('--timeout', '200%')).toThrow('--timeout as a percentage is not supported');
  expect(() => parseDuration('--delay', '1auto')).toThrow('--delay with "auto" is not supported');
  expect(() => parseDuration('--delay', 'soon')).toThrow('--delay takes seconds');
});

test('slots count from the number of processors', () => {
  expect(['3', '+2', '-1', '-9', '150%', '1%', '0'].map((text) => parseSlots(text, 4))).toEqual([
    3,
    6,
    3,
    1,
    6,
    1,
    Number.POSITIVE_INFINITY,
  ]);
});

test('--halt has words, old numbers and percentages', () => {
  const soon = { when: 'soon', on: 'fail', count: 1, isPercent: false };
  expect(['never', '0', '1', '2', '-1', '10%', 'now,done=50%'].map(parseHalt)).toEqual([
    null,
    null,
    soon,
    { ...soon, when: 'now' },
    { ...soon, on: 'success' },
    { ...soon, count: 10, isPercent: true },
    { when: 'now', on: 'done', count: 50, isPercent: true },
  ]);
});

test('delimiters are written as for printf', () => {
  expect(unescaped('\\t\\n\\r\\0\\012x')).toBe('\t\n\r\0\nx');
});
