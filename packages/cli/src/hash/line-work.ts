/** Hashing every line of files, as bytes, in order: files larger than memory are only ever passing through. */
import type { Progress } from '../progress.ts';
import { readChunks, StandardInput } from './contents.ts';
import { FileSource } from './file-source.ts';
import { digestLine } from './json-lines.ts';
import { splitLines } from './lines.ts';
import { isSpooled, Spool, type Spooled } from './spool.ts';
import { isSystemError } from './system-error.ts';
import { type Complain, complainAbout, type Format, type Hashed, type Input, type Work } from './work.ts';

const NUL = 0x00;
const NEWLINE = 0x0a;

export class LineWork implements Work {
  /** There may be a billion lines, so every byte counts. */
  readonly encoding = 'raw';
  readonly #operands: readonly Buffer[];
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #complain: Complain;
  readonly #input = new StandardInput();
  readonly #spool = new Spool();
  /** Lines too long for memory, by task index, until they are hashed. */
  readonly #spooled = new Map<number, Spooled>();
  /** Files with lines that are not printed yet, and the task of the first line of each. */
  readonly #begun: { readonly name: Buffer; readonly first: number }[] = [];

  constructor(operands: readonly Buffer[], format: Format, progress: Progress, complain: Complain) {
    this.#operands = operands;
    this.#format = format;
    this.#progress = progress;
    this.#complain = complain;
  }

  source() {
    return { inputs: this.#inputs() };
  }

  async *#inputs(): AsyncGenerator<Input> {
    let index = 0;
    const separator = this.#format.isZeroEnded ? NUL : NEWLINE;
    for (const path of this.#operands) {
      this.#begun.push({ name: path, first: index });
      try {
        const chunks = readChunks(path, this.#input);
        for await (const line of splitLines(chunks, separator, this.#spool)) {
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
    while (this.#begun.length > 1 && this.#begun[1]!.first <= index) this.#begun.shift();
    const { name, first } = this.#begun[0]!;
    const about = { name, line: index - first + 1 };
    if (digest !== null) return digestLine(digest, about, this.#format);
    this.#complain(`line ${index + 1}: ${message}`, { ...about, error: message });
    return null;
  }

  end(): void {}
}
