/**
 * Files between being asked for and being told about: read several at once, sent to the job in order, and taken out again
 * in the same order as their digests come.
 *
 * Cost: a file in here is one small entry; its contents are the client's as soon as it asks.
 */
import type { Progress } from '../progress.ts';
import { type Contents, readContents, StandardInput } from './contents.ts';
import { Fifo } from './fifo.ts';
import { FileSource } from './file-source.ts';
import { inOrder } from './in-order.ts';
import { Spool, type Spooled } from './spool.ts';
import { isSystemError } from './system-error.ts';
import type { Input } from './work.ts';

/** Files that are opened and read at once. */
const READS_AT_ONCE = 16;

/** A file that is to be hashed; with `path` null only a remark that is to come up in its turn. */
export interface Wanted<T> {
  readonly path: Buffer | null;
  /** It is known already that it cannot be read. */
  readonly error?: NodeJS.ErrnoException | undefined;
  readonly about: T;
}
/** A file on its way: its digest is awaited, or there is something to say when its turn comes. */
export interface Entry<T> {
  readonly path: Buffer | null;
  readonly about: T;
  /** Of its task; of the next one's if it has none. */
  readonly index: number;
  readonly error: NodeJS.ErrnoException | null;
  readonly source: FileSource | null;
  readonly spooled: Spooled | null;
  readonly bytes: number;
}
interface Read<T> {
  readonly wanted: Wanted<T>;
  readonly contents: Contents | NodeJS.ErrnoException | null;
}

export class FileQueue<T> {
  /** Standard input as a file; shared with whoever else reads it, because it can be read once. */
  readonly input = new StandardInput();
  readonly spool = new Spool();
  readonly #progress: Progress;
  readonly #passed: (entry: Entry<T>) => void;
  readonly #entries = new Fifo<Entry<T>>();

  /** @param passed told, in their turn, of entries without a task: remarks, and files that could not be read */
  constructor(progress: Progress, passed: (entry: Entry<T>) => void) {
    this.#progress = progress;
    this.#passed = passed;
  }

  /** The inputs of the tasks. */
  async *inputs(files: AsyncIterable<Wanted<T>>): AsyncGenerator<Input> {
    let index = 0;
    for await (const { wanted, contents } of inOrder(files, READS_AT_ONCE, (next) => this.#read(next))) {
      const entry = entryOf(wanted, index, contents);
      this.#entries.push(entry);
      if (wanted.path !== null) this.#progress.found();
      if (contents === null || entry.error !== null) continue;
      index++;
      yield entry.source ?? (contents as Uint8Array);
    }
    this.#progress.foundAll();
  }

  /** The entry of a task; those before it have been passed. */
  take(index: number): Entry<T> {
    this.#passUntil(index);
    const entry = this.#entries.shift()!;
    this.#release(entry);
    this.#progress.done(entry.bytes);
    return entry;
  }

  /** No more tasks have results. */
  end(): void {
    this.#passUntil(Number.POSITIVE_INFINITY);
  }

  /** What stands before this task; a file among it that has a task was cancelled, and there is nothing to say. */
  #passUntil(index: number): void {
    for (let entry = this.#entries.first; entry !== undefined; entry = this.#entries.first) {
      const hasTask = entry.path !== null && entry.error === null;
      if (hasTask && entry.index >= index) return;
      this.#entries.shift();
      this.#release(entry);
      if (hasTask) continue;
      if (entry.path !== null) this.#progress.done(0);
      this.#passed(entry);
    }
  }

  #release({ spooled }: Entry<T>): void {
    if (spooled !== null) void this.spool.remove(spooled);
  }

  async #read(wanted: Wanted<T>): Promise<Read<T>> {
    const { path, error } = wanted;
    if (path === null) return { wanted, contents: null };
    if (error !== undefined) return { wanted, contents: error };
    try {
      return { wanted, contents: await readContents(path, this.input, this.spool) };
    } catch (cause) {
      if (isSystemError(cause)) return { wanted, contents: cause };
      throw cause;
    }
  }
}

function entryOf<T>({ path, about }: Wanted<T>, index: number, contents: Read<T>['contents']): Entry<T> {
  const entry = { path, about, index, error: null, source: null, spooled: null, bytes: 0 };
  if (contents === null) return entry;
  if (contents instanceof Error) return { ...entry, error: contents };
  if (contents instanceof Uint8Array) return { ...entry, bytes: contents.length };
  const { bytes } = contents;
  if ('named' in contents) return { ...entry, source: new FileSource(contents.named, bytes), bytes };
  return { ...entry, source: new FileSource(contents.path, bytes), spooled: contents, bytes };
}

/** Why a file could not be hashed, in the system's words if it was the system, else in the Drone's. */
export function causeOf({ error, source }: Entry<unknown>): NodeJS.ErrnoException | null {
  return error ?? source?.error ?? null;
}
