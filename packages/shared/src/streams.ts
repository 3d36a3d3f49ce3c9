/**
 * Both ends of a stream: a value over 1 MiB, pulled piece by piece by whoever reads it. The reader asks for a few pieces
 * ahead and hands them out in order; the server answers from wherever the bytes are.
 *
 * Bounds: a reader holds at most `LIMITS.chunksAhead` pieces, so whoever is slow holds the sender back; a server reads
 * little at once and nothing while its send buffer is well filled, so pieces never hold up control frames.
 */
import { UsageError } from './errors.ts';
import { LIMITS } from './limits.ts';
import type { Message } from './messages.ts';

/** A value that is read where it is, in pieces, any number of times. */
export interface StreamSource {
  /** Its whole length. */
  readonly bytes: number;
  /** The bytes at [offset, offset + length), which lie within it. Rejects when they cannot be read. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Called when nobody will read any more, or not for a while; a later `read` opens it again. */
  close?(): void;
  /** Bytes of memory that it occupies; 0 if it only refers to something. */
  readonly heldBytes?: number;
}

/** A part of a stream that is asked for, in bytes. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}
interface Arrived {
  readonly data: Uint8Array;
  readonly length: number;
}

/** Reads one stream in order, once. */
export class StreamReader {
  readonly #bytes: number;
  readonly #ask: (piece: Piece) => void;
  readonly #failureOf: (text: string) => Error;
  /** Parts that were asked for, by offset: their length until they have come. */
  readonly #parts = new Map<number, number | Arrived>();
  /** Up to here was asked for, and up to here handed out. */
  #asked = 0;
  #read = 0;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  /** @param failureOf makes the error that `chunks` throws when the stream cannot be read */
  constructor(
    bytes: number,
    ask: (piece: Piece) => void,
    failureOf: (text: string) => Error = (text) => new UsageError(text, 'streamFailed'),
  ) {
    this.#bytes = bytes;
    this.#ask = ask;
    this.#failureOf = failureOf;
  }

  /** To be read once. @param from where to begin */
  async *chunks(from = 0): AsyncGenerator<Uint8Array, void, undefined> {
    this.#asked = from;
    this.#read = from;
    while (this.#read < this.#bytes) {
      this.#askAhead();
      const part = this.#parts.get(this.#read);
      if (this.#failure !== null) throw this.#failure;
      if (typeof part === 'object') {
        this.#parts.delete(this.#read);
        this.#read += part.length;
        yield part.data;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A part has come, whole or not; `error` says that the rest cannot be read. What was not asked for is dropped. */
  arrived({
    offset,
    data,
    last = false,
    error,
  }: Pick<Message<'StreamChunk'>, 'offset' | 'data' | 'last' | 'error'>): void {
    const asked = this.#parts.get(offset);
    if (typeof asked !== 'number') return;
    if (error !== undefined) this.fail(this.#failureOf(error));
    else if (data.length > asked) this.fail(this.#failureOf('A chunk is longer than asked for.'));
    else if (data.length < asked && (last || data.length === 0)) {
      this.fail(this.#failureOf('The stream is shorter than was said.'));
    } else {
      this.#parts.set(offset, { data, length: data.length });
      if (data.length < asked) this.#want(offset + data.length, asked - data.length);
      this.#awake();
    }
  }

  /** What was asked for in vain, because its session is gone, is asked for again. */
  askAgain(): void {
    for (const [offset, part] of this.#parts)
      if (typeof part === 'number') this.#ask({ offset, length: part });
  }

  /** `chunks` throws this, now or when it is next asked. The first failure stays. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#awake();
  }

  #askAhead(): void {
    while (this.#asked < this.#bytes && this.#parts.size < LIMITS.chunksAhead) {
      const length = Math.min(LIMITS.chunkBytesMax, this.#bytes - this.#asked);
      this.#want(this.#asked, length);
      this.#asked += length;
    }
  }

  #want(offset: number, length: number): void {
    this.#parts.set(offset, length);
    this.#ask({ offset, length });
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** What asks for a piece. */
export type Get = Message<'StreamGet' | 'BlobGet'>;
/** Where answers go: a session with a bounded send buffer. */
export interface ChunkSink {
  readonly bufferedBytes: number;
  send(message: Message<'StreamChunk' | 'BlobChunk'>): void;
}
const READS_AT_ONCE = 8;
/** Says where the bytes are that somebody asks for; undefined when they are not here (any more). */
export type Find<G extends Get> = (get: G) => StreamSource | undefined | Promise<StreamSource | undefined>;

/** Answers the StreamGet, or the BlobGet, of one session. */
export class StreamServer<G extends Get = Message<'StreamGet'>> {
  readonly #sink: ChunkSink;
  readonly #find: Find<G>;
  #queue: G[] = [];
  #reading = 0;

  constructor(sink: ChunkSink, find: Find<G>) {
    this.#sink = sink;
    this.#find = find;
  }

  get(message: G): void {
    this.#queue.push(message);
    this.pump();
  }

  /** The session is gone: who still wants something asks again. */
  reset(): void {
    this.#queue = [];
  }

  /** Goes on, if it was held up by the send buffer. */
  pump(): void {
    while (this.#queue.length > 0 && this.#reading < READS_AT_ONCE) {
      if (this.#sink.bufferedBytes >= LIMITS.sendBufferSoft / 2) return;
      this.#reading++;
      const message = this.#queue.shift()!;
      void this.#answer(message).then((chunk) => {
        this.#reading--;
        this.#sink.send(chunk);
        this.pump();
      });
    }
  }

  async #answer(get: G): Promise<Message<'StreamChunk' | 'BlobChunk'>> {
    const { length } = get;
    let source: StreamSource | undefined;
    try {
      source = await this.#find(get);
      if (source === undefined) throw new Error(`there is no such ${nameOf(get)} here any more`);
      const data = await readExactly(source, get.offset, length);
      const isLast = get.offset + data.length === source.bytes;
      if (isLast) source.close?.();
      return { ...headOf(get, source), data, ...(isLast ? { last: true } : {}) };
    } catch (error) {
      return { ...headOf(get, source), data: new Uint8Array(0), error: textOf(error) };
    }
  }
}

const nameOf = ({ type }: Get): string => (type === 'StreamGet' ? 'stream' : 'blob');

/** A chunk repeats what was asked for; of a blob, whose reader may know no more than its hash, it says the size, too. */
function headOf(
  { length: _, ...get }: Get,
  source: StreamSource | undefined,
): Omit<Message<'StreamChunk'>, 'data'> | Omit<Message<'BlobChunk'>, 'data'> {
  if (get.type === 'StreamGet') return { ...get, type: 'StreamChunk' };
  return { ...get, type: 'BlobChunk', ...(source === undefined ? {} : { bytes: source.bytes }) };
}

async function readExactly(source: StreamSource, offset: number, length: number): Promise<Uint8Array> {
  if (offset > source.bytes) throw new Error(`offset ${offset} lies behind its ${source.bytes} bytes`);
  const wanted = Math.min(length, source.bytes - offset);
  const data = await source.read(offset, wanted);
  if (data instanceof Uint8Array && data.length === wanted) return data;
  throw new Error(`its source gave ${data.length} bytes at ${offset} instead of ${wanted}`);
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, LIMITS.textMax);
}
