import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bytesOf, bytesToByteText, byteText, textOfBytes, textOrBytes } from './byte-text.ts';

test('any bytes pass through text and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      expect(byteText(textOfBytes(bytes))).toBe(bytesToByteText(bytes));
      expect(new Uint8Array(bytesOf(bytesToByteText(bytes)))).toEqual(bytes);
    }),
  );
});

test('text leaves as text, everything else as bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(textOrBytes(byteText(text))).toBe(text);
      expect(textOfBytes(Buffer.from(text))).toBe(text);
    }),
  );
  expect(textOrBytes('\xff')).toEqual(Buffer.from([0xff]));
});
