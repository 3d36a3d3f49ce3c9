/**
 * Lines of JSON to pages of msgpack, for uploads of any length: what comes is read chunk by chunk, and no line costs an
 * object or a promise. Plain texts and whole numbers, of which most uploads are made, are copied byte by byte; for the rest
 * JSON.parse does the work.
 */
import { isUtf8 } from 'node:buffer';
import { EncodedValues } from '@hive/client';
import { appendValue, LIMITS, PageBuilder } from '@hive/shared';
import { Problem } from '../problem.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
/** So many digits always fit 32 bits. */
const DIGITS_MAX = 9;
/** A JSON text of a value within the limit is longer than the value by no more than this factor (\\u0000). */
const LINE_BYTES_MAX = 6 * LIMITS.valueBytesMax;

export class LineReader {
  readonly #builder = new PageBuilder();
  /** What stands before the first newline of the next chunk. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #lines = 0;

  /** Reads what is in the chunk; `take` when it says that a page is ready. @throws Problem that names the line */
  *read(chunk: Buffer): Generator<EncodedValues, void, undefined> {
    let at = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) break;
      if (this.#restBytes === 0) this.#line(chunk, at, end);
      else this.#joined(chunk.subarray(at, end));
      at = end + 1;
      if (this.#builder.isFull) yield this.#take();
    }
    this.#keep(chunk, at);
    if (this.#builder.count > 0 && this.#builder.bytes + 4 * this.#builder.count >= LIMITS.pageBytesTarget)
      yield this.#take();
  }

  /** What is left when the body has ended, whose last line needs no newline. */
  *end(): Generator<EncodedValues, void, undefined> {
    if (this.#restBytes > 0) this.#joined(Buffer.alloc(0));
    if (this.#builder.count > 0) yield this.#take();
  }

  #take(): EncodedValues {
    return new EncodedValues(this.#builder.take());
  }

  #keep(chunk: Buffer, at: number): void {
    if (at === chunk.length) return;
    // A copy of the little that is left, instead of the whole chunk kept for it.
    this.#rest.push(Buffer.from(chunk.subarray(at)));
    this.#restBytes += chunk.length - at;
    if (this.#restBytes > LINE_BYTES_MAX) {
      this.#lines++;
      throw this.#tooLarge();
    }
  }

  #joined(tail: Buffer): void {
    const line = Buffer.concat([...this.#rest, tail]);
    this.#rest = [];
    this.#restBytes = 0;
    this.#line(line, 0, line.length);
  }

  #line(from: Buffer, first: number, last: number): void {
    this.#lines++;
    let at = first;
    let end = last;
    while (end > at && isBlank(from[end - 1]!)) end--;
    while (at < end && isBlank(from[at]!)) at++;
    // Empty lines, as at the end of many files, are no values.
    if (at === end) return;
    const head = from[at]!;
    if (head === QUOTE && this.#plainText(from, at, end)) return;
    if (head >= ZERO && head <= NINE && this.#plainNumber(from, at, end)) return;
    this.#parsed(from, at, end);
  }

  /** Copies a text without escapes. False: JSON.parse must look at it. */
  #plainText(from: Buffer, first: number, last: number): boolean {
    const bytes = last - first - 2;
    if (bytes < 0 || bytes > LIMITS.valueBytesMax - 5 || from[last - 1] !== QUOTE) return false;
    let seen = 0;
    for (let at = first + 1; at < last - 1; at++) {
      const byte = from[at]!;
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) return false;
      seen |= byte;
    }
    if (seen >= 0x80 && !isUtf8(from.subarray(first + 1, last - 1))) return false;
    const header = bytes < 32 ? 1 : bytes < 0x100 ? 2 : bytes < 0x1_0000 ? 3 : 5;
    const to = this.#builder.reserve(header + bytes);
    let at = this.#builder.offset;
    at = writeTextHeader(to, at, bytes);
    if (bytes < 64) for (let i = first + 1; i < last - 1; i++) to[at++] = from[i]!;
    else to.set(from.subarray(first + 1, last - 1), at);
    this.#builder.wrote(header + bytes);
    return true;
  }

  #plainNumber(from: Buffer, first: number, last: number): boolean {
    if (last - first > DIGITS_MAX || (from[first] === ZERO && last - first > 1)) return false;
    let value = 0;
    for (let at = first; at < last; at++) {
      const digit = from[at]! - ZERO;
      if (digit < 0 || digit > 9) return false;
      value = value * 10 + digit;
    }
    appendValue(this.#builder, 'msgpack', value);
    return true;
  }

  #parsed(from: Buffer, first: number, last: number): void {
    const bytes = from.subarray(first, last);
    if (!isUtf8(bytes)) throw this.#wrong('is not UTF-8');
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw this.#wrong('is not JSON');
    }
    try {
      appendValue(this.#builder, 'msgpack', value);
    } catch (error) {
      if ((error as { code?: string }).code === 'tooLarge') throw this.#tooLarge();
      throw this.#wrong(`cannot be an input: ${(error as Error).message}`);
    }
  }

  #wrong(what: string): Problem {
    return new Problem(400, 'bad_line', `Line ${this.#lines} ${what}. Each line is one input, as JSON.`);
  }
  #tooLarge(): Problem {
    return new Problem(
      413,
      'too_large',
      `Line ${this.#lines} is too large: a value has at most ${LIMITS.valueBytesMax} bytes.`,
    );
  }
}

const isBlank = (byte: number): boolean => byte === SPACE || byte === RETURN || byte === 0x09;

/** Returns where the bytes of the text go. */
function writeTextHeader(to: Uint8Array, start: number, bytes: number): number {
  let at = start;
  if (bytes < 32) {
    to[at++] = 0xa0 | bytes;
    return at;
  }
  const width = bytes < 0x100 ? 1 : bytes < 0x1_0000 ? 2 : 4;
  to[at++] = width === 1 ? 0xd9 : width === 2 ? 0xda : 0xdb;
  for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) to[at++] = (bytes >>> shift) & 0xff;
  return at;
}

/** The pages of a body. Pulled only as fast as they are taken, which is what slows down whoever sends it. */
export async function* pagesOf(body: AsyncIterable<Buffer>): AsyncGenerator<EncodedValues, void, undefined> {
  const reader = new LineReader();
  for await (const chunk of body) yield* reader.read(chunk);
  yield* reader.end();
}
