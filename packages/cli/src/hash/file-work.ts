/**
 * Hashing whole files: read several at once, sent in order, printed as `sha256sum` prints them.
 *
 * Cost: a file between reading and printing is held as one small entry; its contents are the client's as soon as it asks.
 */
import type { Progress } from '../progress.ts';
import { type Contents, readContents, StandardInput } from './contents.ts';
import { Fifo } from './fifo.ts';
import { FileSource } from './file-source.ts';
import { inOrder } from './in-order.ts';
import { escapeName, quoteName } from './quote.ts';
import { Spool, type Spooled } from './spool.ts';
import { isSystemError } from './system-error.ts';
import { type Found, findFiles } from './walk.ts';
import { type Complain, complainAbout, type Format, type Hashed, type Input, type Work } from './work.ts';

/** Files that are opened and read at once. */
const READS_AT_ONCE = 16;

/** A file on its way: its digest is awaited, or there is an error to report when its turn comes. */
interface Entry {
  readonly name: Buffer;
  /** Of its task; of the next one's if it could not be read. */
  readonly index: number;
  readonly error: NodeJS.ErrnoException | null;
  readonly source: FileSource | null;
  readonly spooled: Spooled | null;
  readonly bytes: number;
}
interface ReadFile {
  readonly name: Buffer;
  readonly contents: Contents | NodeJS.ErrnoException;
}

export class FileWork implements Work {
  /** Digests as text, so that a Queen and a Drone can show them. */
  readonly encoding = 'msgpack';
  readonly #operands: readonly Buffer[];
  readonly #isRecursive: boolean;
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #complain: Complain;
  readonly #input = new StandardInput();
  readonly #spool = new Spool();
  readonly #entries = new Fifo<Entry>();

  constructor(
    operands: readonly Buffer[],
    isRecursive: boolean,
    format: Format,
    progress: Progress,
    complain: Complain,
  ) {
    this.#operands = operands;
    this.#isRecursive = isRecursive;
    this.#format = format;
    this.#progress = progress;
    this.#complain = complain;
  }

  source() {
    return { inputs: this.#inputs() };
  }

  async *#inputs(): AsyncGenerator<Input> {
    if (this.#progress.isShown) void this.#count();
    const files = findFiles(this.#operands, this.#isRecursive);
    let index = 0;
    for await (const { name, contents } of inOrder(files, READS_AT_ONCE, (found) => this.#read(found))) {
      const entry = entryOf(name, index, contents);
      this.#entries.push(entry);
      this.#progress.found();
      if (entry.error !== null) continue;
      index++;
      yield entry.source ?? (contents as Uint8Array);
    }
    this.#progress.foundAll();
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    const entry = this.#entryAt(index);
    this.#progress.done(entry.bytes);
    if (digest !== null) return formatLine(entry.name, digest, this.#format);
    const error = entry.source?.error;
    if (error) complainAbout(entry.name, error, this.#complain);
    else this.#complain(`${quoteName(entry.name)}: ${message}`);
    return null;
  }

  end(): void {
    this.#passUntil(Number.POSITIVE_INFINITY);
  }

  /** Looks ahead, so that a person knows how much there is. */
  async #count(): Promise<void> {
    let files = 0;
    for await (const _ of findFiles(this.#operands, this.#isRecursive)) files++;
    this.#progress.expect(files);
  }

  #entryAt(index: number): Entry {
    this.#passUntil(index);
    const entry = this.#entries.shift()!;
    this.#release(entry);
    return entry;
  }

  /** Files before this task: they could not be read, which is said now, or they were cancelled and have no result. */
  #passUntil(index: number): void {
    for (let entry = this.#entries.first; entry !== undefined; entry = this.#entries.first) {
      if (entry.error === null && entry.index >= index) return;
      this.#entries.shift();
      this.#release(entry);
      this.#progress.done(0);
      if (entry.error !== null) complainAbout(entry.name, entry.error, this.#complain);
    }
  }

  #release({ spooled }: Entry): void {
    if (spooled !== null) void this.#spool.remove(spooled);
  }

  async #read({ path, error }: Found): Promise<ReadFile> {
    if (error !== undefined) return { name: path, contents: error };
    try {
      return { name: path, contents: await readContents(path, this.#input, this.#spool) };
    } catch (cause) {
      if (isSystemError(cause)) return { name: path, contents: cause };
      throw cause;
    }
  }
}

function entryOf(name: Buffer, index: number, contents: Contents | NodeJS.ErrnoException): Entry {
  const entry = { name, index, error: null, source: null, spooled: null };
  if (contents instanceof Error) return { ...entry, error: contents, bytes: 0 };
  if (contents instanceof Uint8Array) return { ...entry, bytes: contents.length };
  const { bytes } = contents;
  if ('named' in contents) return { ...entry, source: new FileSource(contents.named, bytes), bytes };
  return { ...entry, source: new FileSource(contents.path, bytes), spooled: contents, bytes };
}

/** Exactly the line that `sha256sum` prints, with its end. */
export function formatLine(name: Buffer, digest: string, { tag, isZeroEnded }: Format): Uint8Array {
  const { bytes, isEscaped } = isZeroEnded ? { bytes: name, isEscaped: false } : escapeName(name);
  const [before, after] = tag === null ? [`${digest}  `, ''] : [`${tag} (`, `) = ${digest}`];
  return Buffer.concat([
    Buffer.from(`${isEscaped ? '\\' : ''}${before}`),
    bytes,
    Buffer.from(`${after}${isZeroEnded ? '\0' : '\n'}`),
  ]);
}
