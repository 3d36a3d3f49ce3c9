import { decodeMsgpack, encodeMsgpack, PageBuilder, sizeAt } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { readText, TextWriter } from './text.ts';

const TEXTS = [
  '',
  'a',
  'x'.repeat(85),
  'x'.repeat(86),
  'ü'.repeat(200),
  '😀'.repeat(20_000),
  'x'.repeat(21_846),
  'x'.repeat(300_000),
];

describe('a text written in place', () => {
  test('is read by any msgpack reader', () => {
    const builder = new PageBuilder();
    const writer = new TextWriter();
    for (const text of TEXTS) writer.append(builder, text);
    const page = builder.take();
    let offset = 0;
    for (const [i, text] of TEXTS.entries()) {
      const size = sizeAt(page, i);
      expect(decodeMsgpack(page.data.subarray(offset, offset + size))).toBe(text);
      offset += size;
    }
    expect(offset).toBe(page.data.length);
  });
});

describe('a text is read', () => {
  test.each(TEXTS)('that any msgpack writer wrote', (text) => {
    const bytes = Buffer.concat([Buffer.from('before'), encodeMsgpack(text)]);
    const read = readText(bytes, 6, bytes.length - 6);
    expect(read ?? decodeMsgpack(bytes.subarray(6))).toBe(text);
  });

  test('only if the value is nothing but a text', () => {
    for (const value of [12, [1, 2], new Uint8Array(40), { a: 'x'.repeat(40) }, -5]) {
      const bytes = Buffer.from(encodeMsgpack(value));
      expect(readText(bytes, 0, bytes.length)).toBeNull();
    }
  });
});
