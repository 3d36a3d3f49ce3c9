/**
 * The gate before the msgpack library: walks over bytes that came from afar and says whether they are exactly one plain
 * msgpack value. It protects what stands behind it: the library would otherwise build dates, regular expressions, records
 * and big integers out of extension types, read past a truncated value before it notices, and recurse as deep as it is told.
 *
 * Cost: one look at every header, nothing allocated but a short stack. Byte strings and texts are stepped over.
 */

/** Lists and maps inside one another, in a message or a value. */
export const NESTING_MAX = 64;

/** Bytes after the header of a number, by the header's distance from 0xca. */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
const HIGH_WORD_MAX = 0x1f_ffff;

/** Why `bytes` is not one plain msgpack value, or null when it is. Never throws. */
export function msgpackProblem(bytes: Uint8Array, isNilAllowed: boolean): string | null {
  const outer: number[] = [];
  let left = 1;
  let isMap = false;
  let at = 0;
  while (true) {
    while (left === 0) {
      const up = outer.pop();
      if (up === undefined) return at === bytes.length ? null : 'there are bytes after its end';
      left = Math.abs(up);
      isMap = up < 0;
    }
    const head = bytes[at];
    if (head === undefined) return 'it ends too soon';
    const isKey = isMap && (left & 1) === 0;
    if (isKey && !isText(head)) return 'it has a key that is not a text';
    left--;
    const inside = elementsOf(bytes, at);
    if (inside >= 0) {
      at += headerBytes(head);
      if (inside > bytes.length - at) return 'it ends too soon';
      // The value itself is not inside of anything, so `outer` counts the lists and maps around this one.
      if (outer.push(isMap ? -left : left) > NESTING_MAX) return `it is nested more than ${NESTING_MAX} deep`;
      isMap = head <= 0x8f || head >= 0xde;
      left = inside;
      continue;
    }
    const wrong = scalarProblem(bytes, at, isNilAllowed);
    if (wrong !== null) return wrong;
    at += headerBytes(head) + bodyBytes(bytes, at);
    if (at > bytes.length) return 'it ends too soon';
  }
}

const isText = (head: number): boolean => (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb);

/** How many values stand inside the list or map whose header is at `at`; -1 for anything else, NaN never. */
function elementsOf(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head >= 0x80 && head <= 0x8f) return (head & 0x0f) * 2;
  if (head >= 0x90 && head <= 0x9f) return head & 0x0f;
  if (head === 0xdc) return unsigned(bytes, at + 1, 2);
  if (head === 0xdd) return unsigned(bytes, at + 1, 4);
  if (head === 0xde) return unsigned(bytes, at + 1, 2) * 2;
  if (head === 0xdf) return unsigned(bytes, at + 1, 4) * 2;
  return -1;
}

/** The first byte and the length that follows it. */
function headerBytes(head: number): number {
  if (head >= 0xc4 && head <= 0xc6) return 1 + 2 ** (head - 0xc4);
  if (head >= 0xd9 && head <= 0xdb) return 1 + 2 ** (head - 0xd9);
  if (head >= 0xdc && head <= 0xdf) return head % 2 === 0 ? 3 : 5;
  return 1;
}

/** What follows the header of a text, a byte string or a number. */
function bodyBytes(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
  if (head >= 0xc4 && head <= 0xc6) return unsigned(bytes, at + 1, 2 ** (head - 0xc4));
  if (head >= 0xd9 && head <= 0xdb) return unsigned(bytes, at + 1, 2 ** (head - 0xd9));
  if (head >= 0xca && head <= 0xd3) return NUMBER_BYTES[head - 0xca]!;
  return 0;
}

function scalarProblem(bytes: Uint8Array, at: number, isNilAllowed: boolean): string | null {
  const head = bytes[at]!;
  if (head < 0xc0 || head >= 0xe0) return null;
  if (head === 0xc0) return isNilAllowed ? null : 'it has a nil: what is absent is omitted';
  if (head === 0xc1) return 'it has the byte 0xc1, which means nothing';
  if ((head >= 0xc7 && head <= 0xc9) || (head >= 0xd4 && head <= 0xd8)) return 'it has an extension type';
  if (head === 0xcf && unsigned(bytes, at + 1, 4) > HIGH_WORD_MAX) return 'it has an integer over 2^53 - 1';
  if (head === 0xd3 && !isSafe64(bytes, at + 1)) return 'it has an integer beyond 2^53 - 1';
  return null;
}

function isSafe64(bytes: Uint8Array, at: number): boolean {
  return Number.isSafeInteger((unsigned(bytes, at, 4) | 0) * 2 ** 32 + unsigned(bytes, at + 4, 4));
}

/** A big-endian number; bytes past the end count as zero, and the caller sees afterwards that they are missing. */
function unsigned(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
