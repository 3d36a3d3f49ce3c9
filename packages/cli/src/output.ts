/**
 * Standard output for a lot of small texts: gathered to large writes, written at least once a turn of the event loop,
 * and held back when the reader is slow. A reader that goes away (`| head`) is an end, not an error.
 */
import { Buffer } from 'node:buffer';

const GATHERED_BYTES_MAX = 64 * 1024;

export class Output {
  readonly #stream: NodeJS.WriteStream;
  readonly #beforeWrite: () => unknown;
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  #isFlushPlanned = false;
  #draining: Promise<void> | null = null;

  /** @param beforeWrite called before anything appears, so that a progress bar can step aside */
  constructor(stream: NodeJS.WriteStream, beforeWrite: () => unknown = () => {}) {
    this.#stream = stream;
    this.#beforeWrite = beforeWrite;
  }

  /** Null when more may be written at once, else what to wait for before that. */
  write(bytes: Uint8Array): Promise<void> | null {
    this.#gathered.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= GATHERED_BYTES_MAX) this.flush();
    else if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      setImmediate(() => this.flush());
    }
    return this.#draining;
  }

  /** Everything written so far has left. */
  async end(): Promise<void> {
    this.flush();
    while (this.#draining !== null) await this.#draining;
  }

  /** Writes what has gathered, so that whatever is said next on another stream comes after it. */
  flush(): void {
    this.#isFlushPlanned = false;
    if (this.#bytes === 0) return;
    const bytes = Buffer.concat(this.#gathered, this.#bytes);
    this.#gathered = [];
    this.#bytes = 0;
    this.#beforeWrite();
    const written = new Promise<void>((resolve) => this.#stream.write(bytes, () => resolve()));
    if (!this.#stream.writableNeedDrain) return;
    const draining = written.then(() => {
      if (this.#draining === draining) this.#draining = null;
    });
    this.#draining = draining;
  }
}

/** Ends the process quietly when the reader of a pipe has gone, unless somebody else takes care of that. */
export function endWithReader(stream: NodeJS.WriteStream): void {
  let isLeft = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    // Whoever listens for this once is called after us, and not counted any more when the next write fails.
    isLeft ||= stream.listenerCount('error') > 1;
    if (!isLeft) process.exit(0);
  });
}
