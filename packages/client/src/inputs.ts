/**
 * Turns a caller's values into pages. What is too large for a page becomes a stream, where the kind can take one.
 *
 * Cost: numbers and short texts, which most arrays are made of, are written in place; nothing is allocated per value.
 */
import {
  appendValue,
  checkPage,
  type Encoding,
  encodeInPlace,
  isWellFormed,
  LIMITS,
  PageBuilder,
  type Spec,
  type Streamed,
  UsageError,
} from '@hive/shared';
import type { EncodedValues } from './encoded.ts';
import type { Inputs } from './feeder.ts';
import { bytesStream, isStreamSource, Sources, type StreamSource } from './streams.ts';
import { TextWriter } from './text.ts';
import type { Batch } from './upload.ts';

/** A msgpack header before the bytes of a text or byte string. */
const HEADER_BYTES = 5;
const INLINE_BYTES_MAX = LIMITS.valueBytesMax - HEADER_BYTES;
/** A text of so many UTF-16 units may pass the limit once it is UTF-8. */
const LONG_TEXT_UNITS = Math.floor(INLINE_BYTES_MAX / 3);

/** Shorter texts are written without a call into the engine's encoder. */
const LONGER_TEXT_UNITS = 32;

/** Indices of the parents of a graph's task; none for a task that there is not. */
export type ParentsOf = (index: number) => readonly number[];

export class InputEncoder {
  readonly #kind: string;
  readonly #encoding: Encoding;
  readonly #sources: Sources;
  readonly #builder = new PageBuilder();
  readonly #texts = new TextWriter();
  readonly #parentsOf: ParentsOf | null;
  #streams: Streamed[] = [];
  /** For every value in the builder: how many parents its task has, then their indices. */
  #parents: number[] = [];
  /** Index of the first value in the builder. */
  #first = 0;

  constructor(kind: string, encoding: Encoding, sources: Sources, parentsOf: ParentsOf | null = null) {
    this.#parentsOf = parentsOf;
    this.#kind = kind;
    this.#encoding = encoding;
    this.#sources = sources;
  }

  /** Index of the next value. */
  get index(): number {
    return this.#first + this.#builder.count;
  }
  get count(): number {
    return this.#builder.count;
  }
  /** Cost of what has gathered, in bytes of page cost. */
  get cost(): number {
    return this.#builder.bytes + 4 * this.#builder.count;
  }
  /** Whether what has gathered should be taken: a page is full, or so much is held in memory that results must come first. */
  get isFull(): boolean {
    if (this.#parentsOf !== null && this.#isFullOfParents(this.#parentsOf)) return true;
    return this.#builder.isFull || (this.#streams.length > 0 && this.#sources.isFull);
  }

  #isFullOfParents(parentsOf: ParentsOf): boolean {
    return this.#parents.length + 1 + parentsOf(this.index).length > LIMITS.listMax;
  }

  /**
   * Adds the next value. Answers with a promise only if its bytes must be read first; nothing may be added meanwhile.
   * @throws UsageError 'badValue' or 'tooLarge' when it cannot be sent; it then takes no index
   */
  add(value: unknown): Promise<void> | undefined {
    if (this.#parentsOf === null) return this.#add(value);
    this.#addInGraph(value, this.#parentsOf(this.index));
    return undefined;
  }

  /** A child's input is put together from parts that are in pages, so it cannot be a stream. */
  #addInGraph(value: unknown, parents: readonly number[]): void {
    if (isStreamSource(value)) {
      throw new UsageError('The tasks of a graph take values in memory, not streams.', 'badValue');
    }
    appendValue(this.#builder, this.#encoding, value);
    this.#parents.push(parents.length);
    for (const parent of parents) this.#parents.push(parent);
  }

  #add(value: unknown): Promise<void> | undefined {
    if (this.#encoding === 'hive-js') {
      this.#addHiveJs(value);
      return undefined;
    }
    if (typeof value === 'number') appendValue(this.#builder, this.#encoding, value);
    else if (typeof value === 'string') this.#addText(value);
    else if (value instanceof Uint8Array) this.#addBytes(value);
    else if (isStreamSource(value)) return this.#addStream(value);
    else appendValue(this.#builder, this.#encoding, value);
    return undefined;
  }

  /** A stream stays one, of whatever length: the function asks for one. */
  #addHiveJs(value: unknown): void {
    if (typeof value === 'number') appendValue(this.#builder, 'hive-js', value);
    else if (typeof value === 'string' && value.length <= LONG_TEXT_UNITS) this.#addText(value);
    else if (isStreamSource(value)) this.#refer(value);
    else {
      encodeInPlace(value, (bytes) => {
        if (bytes.length <= LIMITS.valueBytesMax) this.#builder.push(bytes);
        else this.#refer(bytesStream(bytes.slice()), true);
      });
    }
  }

  /** What has gathered, as a page; the encoder goes on behind it. */
  take(): Batch {
    const page = this.#builder.take();
    const streams = this.#streams;
    this.#first += page.count;
    if (streams.length > 0) this.#streams = [];
    if (this.#parentsOf === null) return { page, streams };
    const parents = this.#parents;
    this.#parents = [];
    return { page, streams, parents };
  }

  /** Values that were encoded elsewhere, as a page of their own. What has gathered must have been taken before. */
  adopt({ count, sizes, data }: EncodedValues): Batch {
    const page = { first: this.#first, count, sizes, data };
    checkPage(page);
    this.#first += count;
    this.#builder.skip(count);
    return { page, streams: [] };
  }

  #addText(text: string): void {
    if (text.length > LONG_TEXT_UNITS && Buffer.byteLength(text) > INLINE_BYTES_MAX) {
      this.#addLarge(Buffer.from(text));
    } else if (text.length >= LONGER_TEXT_UNITS && this.#isPlainText(text)) {
      this.#texts.append(this.#builder, text);
    } else appendValue(this.#builder, this.#encoding, text);
  }

  /** Whether its bytes are those of a msgpack text. */
  #isPlainText(text: string): boolean {
    return this.#encoding === 'msgpack' || (this.#encoding === 'hive-js' && isWellFormed(text));
  }

  #addBytes(bytes: Uint8Array): void {
    if (bytes.length > INLINE_BYTES_MAX) this.#addLarge(bytes);
    else appendValue(this.#builder, this.#encoding, bytes);
  }

  /** A stream is bytes without a msgpack header, so only kinds that take bare bytes can have one made for them. */
  #addLarge(bytes: Uint8Array): void {
    if (this.#encoding !== 'raw' && this.#kind !== 'hash') {
      throw new UsageError(
        `This value is too large: ${bytes.length} bytes, and "${this.#kind}" takes at most ${LIMITS.valueBytesMax} in one value. Use the encoding "raw", or pass a StreamSource (fileStream(path)).`,
        'tooLarge',
      );
    }
    this.#refer(bytesStream(bytes));
  }

  #addStream(source: StreamSource): Promise<void> | undefined {
    if (isSmallStream(source)) {
      return readWhole(source).then((bytes) => appendValue(this.#builder, this.#encoding, bytes));
    }
    this.#refer(source);
    return undefined;
  }

  #refer(source: StreamSource, isEncoded = false): void {
    if (!Number.isSafeInteger(source.bytes))
      throw new UsageError('A stream has a whole number of bytes.', 'badValue');
    const { index } = this;
    this.#sources.add(index, source);
    this.#streams.push({ index, bytes: source.bytes, ...(isEncoded ? { encoded: true } : {}) });
    this.#builder.wrote(0);
  }
}

/** More inputs than this are pulled while there is room for them, like any others. */
const SHORT_LIST_MAX = 256;
const SHORT_LIST_BYTES_MAX = 64 * 1024;

/**
 * A short list of inputs as the one page that travels with the job itself; null for all others: what is long, comes with time, is
 * streamed, or cannot be sent, which whoever pulls it one by one will find and say.
 */
export function shortList({ kind, encoding, graph }: Spec, inputs: Inputs): Batch | null {
  if (!Array.isArray(inputs) || inputs.length > SHORT_LIST_MAX || graph !== undefined) return null;
  const encoder = new InputEncoder(kind, encoding, new Sources());
  try {
    for (const value of inputs) {
      if (isStreamSource(value) || isLong(value)) return null;
      if (encoder.add(value) !== undefined || encoder.cost > SHORT_LIST_BYTES_MAX) return null;
    }
  } catch {
    return null;
  }
  const batch = encoder.take();
  return batch.streams.length === 0 ? batch : null;
}

/** So long that it is not worth a look. */
function isLong(value: unknown): boolean {
  if (typeof value === 'string') return value.length > SHORT_LIST_BYTES_MAX;
  return value instanceof Uint8Array && value.length > SHORT_LIST_BYTES_MAX;
}

/** Whether a value is a source of bytes that fit a page. */
export function isSmallStream(value: unknown): value is StreamSource {
  return isStreamSource(value) && value.bytes <= INLINE_BYTES_MAX;
}

/** @throws UsageError 'badValue' if it is not as long as it says */
export async function readWhole(source: StreamSource): Promise<Uint8Array> {
  const bytes = await source.read(0, source.bytes);
  source.close?.();
  if (bytes.length === source.bytes) return bytes;
  throw new UsageError(`A stream of ${source.bytes} bytes gave ${bytes.length}.`, 'badValue');
}
