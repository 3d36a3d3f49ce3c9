/**
 * How values become bytes. The Queen never calls this: a job names its `encoding`, and both ends of it agree.
 *
 * `raw`: a value is a byte string, as it is. `msgpack`: any plain value (see PROTOCOL.md), one msgpack value each.
 * `hive-js`: whatever structured clone keeps; small integers and short texts are the same bytes as in msgpack.
 * Integers and short ASCII texts, which most arrays are made of, are written in place; msgpackr does the rest.
 */
import { Packr, Unpackr } from 'msgpackr';
import { UsageError } from './errors.ts';
import { decodeHiveJs, encodeInPlace, isWellFormed } from './hive-js/index.ts';
import { LIMITS } from './limits.ts';
import type { Encoding } from './messages.ts';
import { type Page, type PageBuilder, sizeAt } from './page.ts';
import { msgpackProblem, NESTING_MAX } from './plain-msgpack.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: false, useToJSON: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Appends one value to a page. @throws UsageError when it cannot be sent, with the reason */
export function appendValue(builder: PageBuilder, encoding: Encoding, value: unknown): void {
  if (encoding === 'msgpack') appendMsgpack(builder, value);
  else if (encoding === 'raw') appendRaw(builder, value);
  else appendHiveJs(builder, value);
}

function appendRaw(builder: PageBuilder, value: unknown): void {
  if (!(value instanceof Uint8Array)) {
    throw new UsageError('A job with the encoding "raw" takes byte strings (Uint8Array or Buffer) only.');
  }
  refuseLarge(value.length);
  builder.push(value);
}

function appendHiveJs(builder: PageBuilder, value: unknown): void {
  // -0 is another value than 0.
  if (value !== 0 && appendSimple(builder, value)) return;
  if (typeof value === 'string' && isWellFormed(value)) {
    appendMsgpack(builder, value);
    return;
  }
  encodeInPlace(value, (bytes) => {
    refuseLarge(bytes.length);
    builder.push(bytes);
  });
}

/** Integers and short ASCII texts, in place; false for anything else. */
function appendSimple(builder: PageBuilder, value: unknown): boolean {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) {
    appendUnsigned(builder, value);
    return true;
  }
  return typeof value === 'string' && value.length < 32 && appendShortAscii(builder, value);
}

function appendMsgpack(builder: PageBuilder, value: unknown): void {
  if (appendSimple(builder, value)) return;
  const packed = encodeMsgpack(value);
  refuseLarge(packed.length);
  builder.push(packed);
}

function appendUnsigned(builder: PageBuilder, value: number): void {
  const to = builder.reserve(5);
  const at = builder.offset;
  if (value < 0x80) {
    to[at] = value;
    builder.wrote(1);
  } else if (value < 0x100) {
    to[at] = 0xcc;
    to[at + 1] = value;
    builder.wrote(2);
  } else if (value < 0x1_0000) {
    to[at] = 0xcd;
    to[at + 1] = value >>> 8;
    to[at + 2] = value;
    builder.wrote(3);
  } else {
    to[at] = 0xce;
    to[at + 1] = value >>> 24;
    to[at + 2] = value >>> 16;
    to[at + 3] = value >>> 8;
    to[at + 4] = value;
    builder.wrote(5);
  }
}

function appendShortAscii(builder: PageBuilder, value: string): boolean {
  const { length } = value;
  const to = builder.reserve(length + 1);
  const at = builder.offset;
  to[at] = 0xa0 | length;
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i);
    if (unit >= 0x80) return false;
    to[at + 1 + i] = unit;
  }
  builder.wrote(length + 1);
  return true;
}

/** One plain value as msgpack. @throws UsageError with the path of what cannot be sent */
export function encodeMsgpack(value: unknown): Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    const wrong = unsendable(value, 'the value', 0);
    if (wrong !== null) throw new UsageError(`This value cannot be sent: ${wrong}.`, 'badValue');
  }
  return packr.pack(value);
}

/** Reads one msgpack value. @throws UsageError when it is not exactly one plain value */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const wrong = msgpackProblem(bytes, true);
  if (wrong !== null) throw new UsageError(`This value is not plain msgpack: ${wrong}.`, 'badValue');
  return unpackr.unpack(bytes);
}

/**
 * Reads the values of a page in order. Numbers and texts are new; byte strings are views of the page.
 * @throws UsageError if a value is not what the encoding says
 */
export function* readValues(page: Page, encoding: Encoding): Generator<unknown, void, undefined> {
  let offset = 0;
  for (let i = 0; i < page.count; i++) {
    const size = sizeAt(page, i);
    yield readValue(page.data, offset, size, encoding);
    offset += size;
  }
}

/** Reads one value that stands at [offset, offset + size) of `data`. */
export function readValue(data: Uint8Array, offset: number, size: number, encoding: Encoding): unknown {
  if (encoding === 'raw') return data.subarray(offset, offset + size);
  const head = data[offset]!;
  if (size === 1 && head < 0x80) return head;
  if (size === 2 && head === 0xcc) return data[offset + 1]!;
  if (size === 3 && head === 0xcd) return (data[offset + 1]! << 8) | data[offset + 2]!;
  if (size === 5 && head === 0xce) {
    return (
      data[offset + 1]! * 0x100_0000 +
      ((data[offset + 2]! << 16) | (data[offset + 3]! << 8) | data[offset + 4]!)
    );
  }
  if (encoding === 'hive-js' && !isTextHead(head)) return decodeHiveJs(data, offset, size);
  return decodeMsgpack(data.subarray(offset, offset + size));
}

const isTextHead = (head: number): boolean =>
  (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb);

function refuseLarge(bytes: number): void {
  if (bytes <= LIMITS.valueBytesMax) return;
  throw new UsageError(
    `This value is too large: ${bytes} bytes, and a value in a page has at most ${LIMITS.valueBytesMax}. Pass a stream (a file) for larger ones.`,
    'tooLarge',
  );
}

/** The path of the first thing that plain msgpack cannot say, or null. */
function unsendable(value: unknown, path: string, depth: number): string | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null;
    case 'number':
      return null;
    case 'object':
      return value === null || value instanceof Uint8Array ? null : unsendableInside(value, path, depth);
    default:
      return `${path} is ${typeof value === 'bigint' ? 'a bigint' : `of type ${typeof value}`}`;
  }
}
function unsendableInside(value: object, path: string, depth: number): string | null {
  if (depth >= NESTING_MAX) return `${path} is nested more than ${NESTING_MAX} deep (or in itself)`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const wrong = unsendable(value[i], `${path}[${i}]`, depth + 1);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return `${path} is a ${value.constructor?.name ?? 'class instance'}, which plain msgpack cannot say`;
  }
  for (const [key, inner] of Object.entries(value)) {
    // msgpackr renames it, so that no prototype can be set by a peer.
    if (key === '__proto__') return `${path} has an entry named __proto__`;
    const wrong = unsendable(inner, `${path}.${key}`, depth + 1);
    if (wrong !== null) return wrong;
  }
  return null;
}
