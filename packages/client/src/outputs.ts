/**
 * Outputs over 1 MiB: they are not in a result page but are pulled from the Queen, whole where a value is wanted, or piece
 * by piece by whoever asked for streams. Reading goes on after a reconnect.
 */
import {
  type Encoding,
  type JobId,
  LIMITS,
  type Message,
  readValue,
  type Streamed,
  StreamReader,
  UsageError,
} from '@hive/shared';

/** A task's output, of any length, to be read when and as often as one likes while the Queen keeps it. */
export interface OutputStream {
  /** Its whole length. */
  readonly bytes: number;
  /**
   * The bytes from the first to the last, as fast as they are taken. Throws UsageError 'streamFailed' when the Queen does
   * not have them any more. Those of an attached job go once they were read to their end.
   * @param from where to begin; what comes before is not asked for. Default: 0
   */
  chunks(from?: number): AsyncIterableIterator<Uint8Array>;
  /** All of it in memory. Rejects with UsageError 'tooLarge' over 512 MiB. */
  whole(): Promise<Uint8Array>;
  /** Nobody will read it (any more): the Queen need not keep it for an attached job. */
  close(): void;
}

/** The streams that this client reads, in whatever session. */
export class Outputs {
  readonly #send: (message: Message<'StreamGet'>) => void;
  readonly #readers = new Map<StreamReader, { readonly job: JobId; readonly index: number }>();

  constructor(send: (message: Message<'StreamGet'>) => void) {
    this.#send = send;
  }

  async *chunks(
    job: JobId,
    { index, bytes }: Streamed,
    from: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const get = { type: 'StreamGet', job, index, direction: 'out' } as const;
    const reader = new StreamReader(bytes, (piece) => this.#send({ ...get, ...piece }));
    this.#readers.set(reader, { job, index });
    try {
      yield* reader.chunks(from);
    } finally {
      this.#readers.delete(reader);
    }
  }

  arrived(message: Message<'StreamChunk'>): void {
    if (message.direction !== 'out') return;
    for (const [reader, { job, index }] of this.#readers) {
      if (job === message.job && index === message.index) reader.arrived(message);
    }
  }

  /** A new session has been opened. */
  resume(): void {
    for (const reader of this.#readers.keys()) reader.askAgain();
  }

  /** The client is closed. */
  fail(error: Error): void {
    for (const reader of this.#readers.keys()) reader.fail(error);
  }
}

/** One output as its reader holds it. `settled` is called once, when it was read to its end or will not be read. */
export class Output implements OutputStream {
  readonly #outputs: Outputs;
  readonly #job: JobId;
  readonly #stream: Streamed;
  #settled: (() => void) | null;

  constructor(outputs: Outputs, job: JobId, stream: Streamed, settled: () => void) {
    this.#outputs = outputs;
    this.#job = job;
    this.#stream = stream;
    this.#settled = settled;
  }

  get bytes(): number {
    return this.#stream.bytes;
  }

  async *chunks(from = 0): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#outputs.chunks(this.#job, this.#stream, from);
    this.close();
  }

  async whole(): Promise<Uint8Array> {
    const { bytes } = this;
    if (bytes > LIMITS.wholeValueBytesMax) {
      throw new UsageError(
        `The output of task ${this.#stream.index} has ${bytes} bytes, too many to hold at once. Ask for streams: true, and read its chunks().`,
        'tooLarge',
      );
    }
    const all = new Uint8Array(bytes);
    let at = 0;
    for await (const chunk of this.chunks()) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** The value that the task gave. */
  async value(encoding: Encoding): Promise<unknown> {
    const all = await this.whole();
    return this.#stream.encoded === true ? readValue(all, 0, all.length, encoding) : all;
  }

  close(): void {
    const settled = this.#settled;
    this.#settled = null;
    settled?.();
  }
}
