import { describe, expect, test } from '@jest/globals';
import { encodeMsgpack } from '../values.ts';
import { wholeValue } from './value-text.ts';

describe('a whole value as text', () => {
  test('is JSON, however long it is, with bytes as hexadecimal digits', () => {
    const long = 'x'.repeat(1_000_000);
    expect(wholeValue('msgpack', encodeMsgpack(long))).toBe(`"${long}"`);
    expect(wholeValue('msgpack', encodeMsgpack({ a: [1, null, Uint8Array.of(0, 255)] }))).toBe(
      '{"a":[1,null,"0x00ff"]}',
    );
    expect(wholeValue('msgpack', encodeMsgpack(Uint8Array.of(1, 2)))).toBe('0x0102');
    expect(wholeValue('raw', Buffer.from('a "text"'))).toBe('"a \\"text\\""');
    expect(wholeValue('raw', Uint8Array.of(0xff, 0))).toBe('0xff00');
    expect(wholeValue('hive-js', Uint8Array.of(0x61))).toBe('97');
    expect(wholeValue('msgpack', Uint8Array.of(0xc1))).toBe('0xc1');
  });

  test('cannot play tricks on a terminal', () => {
    expect(wholeValue('raw', Buffer.from('\x1b[31m\n\x9b\u202e'))).toBe('"\\u001b[31m\\n\\u009b\\u202e"');
  });
});
