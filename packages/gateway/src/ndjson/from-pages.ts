/**
 * Pages of results to lines of JSON: one buffer per page, written in one go. A text without anything to escape is copied
 * byte by byte, and a small number written digit by digit; nothing else is made per line.
 */
import type { EncodedResults } from '@hive/client';
import { type Encoding, type Failure, sizeAt } from '@hive/shared';
import { valueUrl } from '../paths.ts';
import { jsonOf, valueJson } from './value-json.ts';

export interface LineOptions {
  readonly job: string;
  readonly kind: string;
  readonly encoding: Encoding;
  /** Each line says where to go on after it, for results that come as they finish. */
  readonly withCursor: boolean;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const CLOSE = 0x7d;
const HEAD = Buffer.from('{"index":');
const MIDDLE = Buffer.from(',"outcome":"succeeded","value":');
/** Besides the value: the words above, an index, and the end of the line. */
const LINE_BYTES = HEAD.length + MIDDLE.length + 24;

export class LineWriter {
  readonly #options: LineOptions;
  #buffer = Buffer.alloc(0);
  #at = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Lines of the tasks of a page, but for those before the index `from`. */
  write(page: EncodedResults, from: number): Buffer {
    const { count, first, data } = page;
    this.#buffer = Buffer.allocUnsafe(count * LINE_BYTES + data.length * 2 + 64);
    this.#at = 0;
    const failures = page.failures.length > 0 ? new Map(page.failures.map((one) => [one.index, one])) : null;
    const streams =
      page.streams.length > 0 ? new Map(page.streams.map((one) => [one.index, one.output])) : null;
    let offset = 0;
    for (let position = 0; position < count; position++) {
      const size = sizeAt(page, position);
      const index = first + position;
      if (index >= from) {
        const failure = failures?.get(index);
        const stream = streams?.get(index);
        if (failure !== undefined) this.#failed(page, failure, offset, size, stream?.bytes);
        else if (stream !== undefined) this.#large(page, index, stream.bytes);
        else this.#succeeded(page, index, offset, size);
      }
      offset += size;
    }
    return this.#buffer.subarray(0, this.#at);
  }

  #succeeded(page: EncodedResults, index: number, offset: number, size: number): void {
    const { data } = page;
    this.#reserve(LINE_BYTES + size);
    this.#bytes(HEAD);
    this.#number(index);
    this.#bytes(MIDDLE);
    const head = data[offset]!;
    const isMsgpack = this.#options.encoding === 'msgpack';
    if (isMsgpack && size === 1 && head < 0x80) this.#number(head);
    else if (!isMsgpack || !this.#plainText(data, offset, size))
      this.#text(valueJson(this.#options.kind, data, offset, size, this.#options.encoding));
    this.#end(page, index);
  }

  /** Copies the text that is all of the value. False, and nothing written: it is something else, or needs escapes. */
  #plainText(data: Uint8Array, offset: number, size: number): boolean {
    const head = data[offset]!;
    let skip = 0;
    if (head >= 0xa0 && head <= 0xbf) skip = 1;
    else if (head === 0xd9) skip = 2;
    else if (head === 0xda) skip = 3;
    else if (head === 0xdb) skip = 5;
    else return false;
    const to = this.#buffer;
    let at = this.#at;
    to[at++] = QUOTE;
    for (let i = offset + skip; i < offset + size; i++) {
      const byte = data[i]!;
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) return false;
      to[at++] = byte;
    }
    to[at++] = QUOTE;
    this.#at = at;
    return true;
  }

  /** With what a command printed although it failed, where its job asks for that. */
  #failed(
    page: EncodedResults,
    failure: Failure,
    offset: number,
    size: number,
    streamBytes: number | undefined,
  ): void {
    const { index, outcome, code, message } = failure;
    const error = code === undefined ? { message } : { code, message };
    if (streamBytes !== undefined) {
      this.#fields(page, index, jsonOf({ index, outcome, error, ...this.#elsewhere(index, streamBytes) }));
      return;
    }
    const { kind, encoding } = this.#options;
    const value = size === 0 ? '' : `,"value":${valueJson(kind, page.data, offset, size, encoding)}`;
    this.#fields(page, index, `${jsonOf({ index, outcome, error }).slice(0, -1)}${value}}`);
  }

  /** Over 1 MiB: where it can be read. */
  #large(page: EncodedResults, index: number, bytes: number): void {
    this.#fields(page, index, jsonOf({ index, outcome: 'succeeded', ...this.#elsewhere(index, bytes) }));
  }
  #elsewhere(index: number, bytes: number): { readonly bytes: number; readonly value_url: string } {
    return { bytes, value_url: valueUrl(this.#options.job, index) };
  }

  #fields(page: EncodedResults, index: number, json: string): void {
    this.#text(json.slice(0, -1));
    this.#end(page, index);
  }

  #end({ seq }: EncodedResults, index: number): void {
    if (this.#options.withCursor) this.#text(`,"cursor":"${seq}.${index}"`);
    this.#reserve(2);
    this.#buffer[this.#at++] = CLOSE;
    this.#buffer[this.#at++] = NEWLINE;
  }

  #bytes(bytes: Buffer): void {
    for (let i = 0; i < bytes.length; i++) this.#buffer[this.#at++] = bytes[i]!;
  }
  #text(text: string): void {
    this.#reserve(Buffer.byteLength(text));
    this.#at += this.#buffer.write(text, this.#at, 'utf8');
  }

  #number(value: number): void {
    if (value > 0xffff_ffff) {
      this.#text(String(value));
      return;
    }
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let rest = value;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const next = Math.floor(rest / 10);
      this.#buffer[at] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.#at += digits;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
