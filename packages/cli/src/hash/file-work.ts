/**
 * Hashing whole files: read several at once, sent in order, printed as `sha256sum` prints them.
 *
 * Cost: a file between reading and printing is held as one small entry; its contents are the client's as soon as it asks.
 */
import type { Progress } from '../progress.ts';
import { type Contents, readContents } from './contents.ts';
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
  readonly #operands: readonly Buffer[];
  readonly #isRecursive: boolean;
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #complain: Complain;
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

  async *inputs(): AsyncGenerator<Input> {
    const files = findFiles(this.#operands, this.#isRecursive);
    for await (const { name, contents } of inOrder(files, READS_AT_ONCE, (found) => this.#read(found))) {
      const entry = entryOf(name, contents);
      this.#entries.push(entry);
      this.#progress.found();
      if (entry.error === null) yield entry.source ?? (contents as Uint8Array);
    }
    this.#progress.foundAll();
  }

  print({ digest, message }: Hashed): Uint8Array | null {
    this.#reportErrors();
    const entry = this.#entries.shift()!;
    this.#progress.done(entry.bytes);
    if (entry.spooled !== null) void this.#spool.remove(entry.spooled);
    if (digest !== null) return formatLine(entry.name, digest, this.#format);
    const error = entry.source?.error;
    if (error) complainAbout(entry.name, error, this.#complain);
    else this.#complain(`${quoteName(entry.name)}: ${message}`);
    return null;
  }

  end(): void {
    this.#reportErrors();
  }

  async #read({ path, error }: Found): Promise<ReadFile> {
    if (error !== undefined) return { name: path, contents: error };
    try {
      return { name: path, contents: await readContents(path, this.#spool) };
    } catch (cause) {
      if (isSystemError(cause)) return { name: path, contents: cause };
      throw cause;
    }
  }

  /** Files that could not be read, up to the next one that was. */
  #reportErrors(): void {
    for (let entry = this.#entries.first; entry?.error; entry = this.#entries.first) {
      complainAbout(entry.name, entry.error, this.#complain);
      this.#progress.done(0);
      this.#entries.shift();
    }
  }
}

function entryOf(name: Buffer, contents: Contents | NodeJS.ErrnoException): Entry {
  const entry = { name, error: null, source: null, spooled: null };
  if (contents instanceof Error) return { ...entry, error: contents, bytes: 0 };
  if (contents instanceof Uint8Array) return { ...entry, bytes: contents.length };
  const { bytes } = contents;
  if ('named' in contents) return { ...entry, source: new FileSource(contents.named, bytes), bytes };
  return { ...entry, source: new FileSource(contents.path, bytes), spooled: contents, bytes };
}

/** Exactly the line that `sha256sum` prints, with its end. */
export function formatLine(name: Buffer, digest: Uint8Array, { tag, isZeroEnded }: Format): Uint8Array {
  const { bytes, isEscaped } = isZeroEnded ? { bytes: name, isEscaped: false } : escapeName(name);
  const hex = Buffer.from(digest).toString('hex');
  const [before, after] = tag === null ? [`${hex}  `, ''] : [`${tag} (`, `) = ${hex}`];
  return Buffer.concat([
    Buffer.from(`${isEscaped ? '\\' : ''}${before}`),
    bytes,
    Buffer.from(`${after}${isZeroEnded ? '\0' : '\n'}`),
  ]);
}
