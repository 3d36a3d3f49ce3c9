/** Hashing every line of files, as bytes, in order: files larger than memory are only ever passing through. */
import type { Progress } from '../progress.ts';
import { readChunks, StandardInput } from './contents.ts';
import { FileSource } from './file-source.ts';
import { splitLines } from './lines.ts';
import { isSpooled, Spool, type Spooled } from './spool.ts';
import { isSystemError } from './system-error.ts';
import { type Complain, complainAbout, type Hashed, type Input, type Work } from './work.ts';

export class LineWork implements Work {
  /** There may be a billion lines, so every byte counts. */
  readonly encoding = 'raw';
  readonly #operands: readonly Buffer[];
  readonly #separator: string;
  readonly #progress: Progress;
  readonly #complain: Complain;
  readonly #input = new StandardInput();
  readonly #spool = new Spool();
  /** Lines too long for memory, by task index, until they are hashed. */
  readonly #spooled = new Map<number, Spooled>();

  constructor(operands: readonly Buffer[], isZeroEnded: boolean, progress: Progress, complain: Complain) {
    this.#operands = operands;
    this.#separator = isZeroEnded ? '\0' : '\n';
    this.#progress = progress;
    this.#complain = complain;
  }

  source() {
    return { inputs: this.#inputs() };
  }

  async *#inputs(): AsyncGenerator<Input> {
    let index = 0;
    for (const path of this.#operands) {
      try {
        const chunks = readChunks(path, this.#input);
        for await (const line of splitLines(chunks, this.#separator.charCodeAt(0), this.#spool)) {
          this.#progress.found();
          if (isSpooled(line)) this.#spooled.set(index, line);
          index++;
          yield isSpooled(line) ? new FileSource(line.path, line.bytes) : line;
        }
      } catch (error) {
        if (!isSystemError(error)) throw error;
        complainAbout(path, error, this.#complain);
      }
    }
    this.#progress.foundAll();
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    this.#progress.done(0);
    const spooled = this.#spooled.get(index);
    if (spooled !== undefined) {
      this.#spooled.delete(index);
      void this.#spool.remove(spooled);
    }
    if (digest !== null) return Buffer.from(digest + this.#separator);
    this.#complain(`line ${index + 1}: ${message}`);
    return null;
  }

  end(): void {}
}
