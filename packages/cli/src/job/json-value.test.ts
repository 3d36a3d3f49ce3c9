import { expect, test } from '@jest/globals';
import { jsonLine } from './json-value.ts';

test.each([
  [undefined, 'null'],
  [Number.NaN, 'null'],
  ['a\nb', '"a\\nb"'],
  [2n ** 64n, '18446744073709551616'],
  [{ n: [1n], u: undefined }, '{"n":[1]}'],
  [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  [new Map<unknown, unknown>([['a', new Set([1])]]), '[["a",[1]]]'],
  [Buffer.from('hi'), '{"base64":"aGk="}'],
  [{ deep: new Uint8Array([104]).buffer }, '{"deep":{"base64":"aA=="}}'],
  [new DataView(new Uint8Array([0, 104]).buffer, 1), '{"base64":"aA=="}'],
  [new Float64Array([0.5, 1]), '[0.5,1]'],
  [new BigInt64Array([-1n]), '[-1]'],
  [new RangeError('no'), '{"name":"RangeError","message":"no"}'],
  [/a+/g, '"/a+/g"'],
])('%p is one line of JSON', (value, line) => {
  expect(jsonLine(value)).toBe(`${line}\n`);
});

test('what holds itself is one line, too', () => {
  const list: unknown[] = [];
  list.push(list);
  const map = new Map<string, unknown>();
  map.set('me', map);
  for (const value of [list, { deep: map }])
    expect(jsonLine(value)).toMatch(/^\{"unrepresentable":"this value holds itself.*"\}\n$/);
});
