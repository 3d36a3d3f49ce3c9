/**
 * Reads the values of one result page in order, without an object or a promise per value.
 * Values that are not in the page (they did not succeed, or are streams) are looked up in its two short lists.
 */
import {
  type Encoding,
  type Failure,
  type JobId,
  type Message,
  readValue,
  type Streamed,
  sizeAt,
} from '@hive/shared';
import { TaskError } from './errors.ts';
import { readText } from './text.ts';

/** Values of fewer bytes are not worth a look at what they are. */
const TEXT_BYTES_MIN = 16;

/** Makes what stands for an output that is too large for a page: its stream, or a promise of its value. */
export type OpenStream = (stream: Streamed) => unknown;

export class PageReader {
  readonly #job: JobId;
  readonly #page: Message<'Results'>;
  readonly #encoding: Encoding;
  readonly #openStream: OpenStream;
  readonly #failures: ReadonlyMap<number, Failure> | null;
  readonly #streams: ReadonlyMap<number, Streamed> | null;
  /** The page's data, where values may be texts. */
  readonly #texts: Buffer | null;
  #position = 0;
  #offset = 0;

  /** @param from tasks before this index are passed over */
  constructor(job: JobId, page: Message<'Results'>, encoding: Encoding, openStream: OpenStream, from = 0) {
    this.#job = job;
    this.#page = page;
    this.#encoding = encoding;
    this.#openStream = openStream;
    const { buffer, byteOffset, byteLength } = page.data;
    this.#texts = encoding !== 'raw' ? Buffer.from(buffer, byteOffset, byteLength) : null;
    this.#failures = page.failures?.length ? new Map(page.failures.map((f) => [f.index, f])) : null;
    this.#streams = page.streams?.length ? new Map(page.streams.map((s) => [s.index, s])) : null;
    while (page.first + this.#position < from && !this.isAtEnd)
      this.#offset += sizeAt(page, this.#position++);
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#page.count;
  }
  /** Index of the task whose result comes next. */
  get index(): number {
    return this.#page.first + this.#position;
  }
  /** The failure of that task, if it did not succeed. */
  get failure(): Failure | undefined {
    return this.#failures?.get(this.index);
  }

  /** Whether that task's output is too large for a page. */
  get isStream(): boolean {
    return this.#streams?.has(this.index) ?? false;
  }

  /** Goes on behind the next task, which did not succeed, or whose output is not in the page. */
  skip(): void {
    this.#offset += sizeAt(this.#page, this.#position++);
  }
  /**
   * What the next task, which has failed, gave all the same, where its job asks for that, or what stands for it; else
   * undefined. Goes on behind it.
   */
  failedValue(): unknown {
    const stream = this.#streams?.get(this.index);
    const size = sizeAt(this.#page, this.#position++);
    const offset = this.#offset;
    this.#offset = offset + size;
    if (stream !== undefined) return this.#openStream(stream);
    return size === 0 ? undefined : readValue(this.#page.data, offset, size, this.#encoding);
  }

  /** The next task's value, or what stands for it. @throws TaskError if it did not succeed */
  next(): unknown {
    const page = this.#page;
    const at = this.#position++;
    if (this.#failures !== null || this.#streams !== null) {
      const index = page.first + at;
      const failure = this.#failures?.get(index);
      if (failure !== undefined) {
        this.#offset += sizeAt(page, at);
        throw new TaskError(this.#job, failure);
      }
      const stream = this.#streams?.get(index);
      if (stream !== undefined) return this.#openStream(stream);
    }
    const size = sizeAt(page, at);
    const offset = this.#offset;
    this.#offset = offset + size;
    if (size >= TEXT_BYTES_MIN && this.#texts !== null) {
      const text = readText(this.#texts, offset, size);
      if (text !== null) return text;
    }
    return readValue(page.data, offset, size, this.#encoding);
  }
}
