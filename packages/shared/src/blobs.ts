/**
 * Blobs: bytes of any length that are named by their SHA-256, so that whoever has some need not be sent them again. This is
 * the reader of one whose size it does not know yet; whoever has been told the size uses `StreamReader` alone.
 */
import { LIMITS } from './limits.ts';
import type { Message } from './messages.ts';
import { type Piece, StreamReader } from './streams.ts';

const HASH = /^[0-9a-f]{64}$/;
/** Whether a text has the form of a blob's name. */
export const isBlobHash = (text: unknown): text is string => typeof text === 'string' && HASH.test(text);

/** Reads one blob in order, once. The first piece says how long the whole is. */
export class BlobReader {
  readonly #ask: (piece: Piece) => void;
  readonly #failureOf: (text: string) => Error;
  #reader: StreamReader | null = null;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  /** @param failureOf makes the error that `chunks` throws when the blob cannot be read */
  constructor(ask: (piece: Piece) => void, failureOf: (text: string) => Error) {
    this.#ask = ask;
    this.#failureOf = failureOf;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#askFirst();
    while (this.#reader === null) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    yield* this.#reader.chunks();
  }

  /** A piece has come; `error` says that the rest cannot be read. What was not asked for is dropped. */
  arrived(chunk: Pick<Message<'BlobChunk'>, 'offset' | 'data' | 'last' | 'error' | 'bytes'>): void {
    if (this.#reader !== null) {
      this.#reader.arrived(chunk);
      return;
    }
    const { offset, error, bytes } = chunk;
    if (offset !== 0) return;
    if (error !== undefined) this.fail(this.#failureOf(error));
    else if (bytes === undefined) this.fail(this.#failureOf('Nobody says how long the blob is.'));
    else this.#begin(bytes, chunk);
  }

  /** What was asked for in vain, because its session is gone, is asked for again. */
  askAgain(): void {
    if (this.#reader === null) this.#askFirst();
    else this.#reader.askAgain();
  }

  /** `chunks` throws this, now or when it is next asked. The first failure stays. */
  fail(failure: Error): void {
    if (this.#reader !== null) this.#reader.fail(failure);
    else this.#failure ??= failure;
    this.#awake();
  }

  /** The first piece is here already: it is not asked for a second time. */
  #begin(bytes: number, first: Pick<Message<'BlobChunk'>, 'offset' | 'data' | 'last'>): void {
    let isFirst = true;
    const reader: StreamReader = new StreamReader(
      bytes,
      (piece) => {
        if (!isFirst) this.#ask(piece);
        else reader.arrived(first);
        isFirst = false;
      },
      this.#failureOf,
    );
    this.#reader = reader;
    this.#awake();
  }

  #askFirst(): void {
    this.#ask({ offset: 0, length: LIMITS.chunkBytesMax });
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
