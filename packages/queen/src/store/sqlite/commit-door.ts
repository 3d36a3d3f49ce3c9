/**
 * How a batch gets to the disk: in this thread when it is small and the disk is fast (a commit of 0.1 ms is cheaper than a
 * message to a thread and back), in the writer's thread otherwise. Whatever the thread was asked for it does in that
 * order, and while it has anything to do nothing is written here: batches reach the disk in the order of `commit`.
 */
import { Worker } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { type Batch, packBatch } from './batch.ts';
import { openForWriting } from './connection.ts';
import { StoreError, storeError } from './errors.ts';
import { SqliteWriter } from './writer.ts';
import type { FromWriter, ToWriter } from './writer-thread.ts';

/** A batch with more bytes of pages than this goes to the thread. */
const INLINE_BYTES_MAX = 32 * 1024;
const INLINE_ENTRIES_MAX = 256;
/** A disk whose small commits take longer than this is not waited for in the Queen's thread. */
const INLINE_MILLIS_MAX = 1.5;
/** After this many bytes in the log the thread is asked to move it into the database. */
const CHECKPOINT_BYTES = 8 * 1024 * 1024;
/** What a commit adds to the log beside the bytes of its pages: whole database pages, for the commit and for each entry. */
const COMMIT_BYTES = 16 * 1024;
const ENTRY_BYTES = 512;

export interface DoorOptions {
  /** For tests: every commit takes this much longer, as on a slow disk. */
  readonly commitMillis?: number;
  /** For tests: another thread than the writer's. */
  readonly thread?: URL;
}
interface Asked {
  readonly resolve: (message: FromWriter) => void;
  readonly reject: (error: Error) => void;
}
/** The thread is gone, and whether it did what it was asked for is not known. The next one who asks starts another. */
class ThreadDied extends StoreError {}

export class CommitDoor {
  readonly #path: string;
  readonly #options: DoorOptions;
  readonly #database: Database.Database;
  readonly #writer: SqliteWriter;
  /** Started when it is needed first, and again after it has died. */
  #thread: Worker | null = null;
  /** What the thread was asked for and has not answered yet, in order. */
  #asked: Asked[] = [];
  #batches: number;
  /** How long small commits take, averaged, in milliseconds. */
  #smallMillis = 0;
  #logBytes = 0;

  constructor(path: string, options: DoorOptions = {}) {
    this.#path = path;
    this.#options = options;
    // Never waits for a lock of somebody else: the thread does.
    this.#database = openForWriting(path, { busyMillis: 0 });
    this.#writer = new SqliteWriter(this.#database);
    this.#batches = this.#writer.lastBatch;
  }

  /** Writes a batch; null when it is durable on return. @throws, or rejects with, what SQLite says */
  commit(batch: Batch): Promise<void> | null {
    const isSmall = batch.bytes <= INLINE_BYTES_MAX && batch.size <= INLINE_ENTRIES_MAX;
    this.#logBytes += batch.bytes + batch.size * ENTRY_BYTES + COMMIT_BYTES;
    if (!isSmall || !this.#mayWriteHere) return this.#inThread(batch, isSmall);
    const start = performance.now();
    try {
      this.#writer.write(batch.entries, batch.latest);
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
      return this.#inThread(batch, false);
    }
    this.#noteSmall(performance.now() - start);
    this.#maybeCheckpoint();
    return null;
  }

  get #mayWriteHere(): boolean {
    const isSlow = this.#smallMillis > INLINE_MILLIS_MAX || (this.#options.commitMillis ?? 0) > 0;
    return !isSlow && this.#asked.length === 0;
  }

  /** One short step of maintenance, behind what the thread has to do. True when there is more to do. */
  async maintain(): Promise<boolean> {
    const answer = await this.#ask({ type: 'step' });
    return answer.type === 'done' && answer.hasMore;
  }

  /** Waits for what the thread still does, then closes both connections. */
  async close(): Promise<void> {
    const thread = this.#thread;
    if (thread !== null) {
      const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
      await this.#ask({ type: 'close' }).catch(() => {});
      thread.ref();
      await ended;
    }
    this.#database.close();
  }

  async #inThread(batch: Batch, isSmall: boolean): Promise<void> {
    const packed = packBatch(batch, ++this.#batches);
    try {
      const answer = await this.#ask({ type: 'write', batch: packed }, [packed.bytes.buffer]);
      if (answer.type === 'done' && isSmall) this.#noteSmall(answer.millis);
    } catch (error) {
      // The thread may have died between its commit and its answer; a second commit of the same batch would be wrong.
      if (!(error instanceof ThreadDied && this.#writer.lastBatch === packed.id)) throw error;
    }
    this.#maybeCheckpoint();
  }

  #noteSmall(millis: number): void {
    // One slow commit is noise, several are a slow disk.
    this.#smallMillis += (Math.min(millis, 50) - this.#smallMillis) * 0.1;
  }

  /** Keeps the log short. What comes meanwhile waits behind it, for some milliseconds every few megabytes. */
  #maybeCheckpoint(): void {
    if (this.#logBytes < CHECKPOINT_BYTES) return;
    this.#logBytes = 0;
    // If it fails (the disk may be full), the log stays as it is, and the next one takes it.
    this.#ask({ type: 'checkpoint' }).catch(() => {});
  }

  #ask(message: ToWriter, transfer: ArrayBuffer[] = []): Promise<FromWriter> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    // The process lives as long as somebody waits for an answer, and no longer.
    thread.ref();
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      thread.postMessage(message, transfer);
    });
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
    const thread = new Worker(this.#options.thread ?? new URL(file, import.meta.url), {
      workerData: { path: this.#path, commitMillis: this.#options.commitMillis ?? 0 },
      execArgv: [],
    });
    let cause: Error | undefined;
    thread.on('message', (message: FromWriter) => this.#answer(message));
    thread.on('error', (error: Error) => {
      cause = error;
    });
    // By now its connection is closed, so that what it committed can be seen, and what it did not is gone.
    thread.on('exit', () => this.#died(thread, cause));
    return thread;
  }

  #answer(message: FromWriter): void {
    const asked = this.#asked.shift();
    if (this.#asked.length === 0) this.#thread?.unref();
    if (message.type === 'failed')
      asked?.reject(Object.assign(new Error(message.message), { code: message.code }));
    else asked?.resolve(message);
  }

  #died(thread: Worker, cause: Error | undefined): void {
    if (this.#thread === thread) this.#thread = null;
    const lost = this.#asked;
    this.#asked = [];
    const why = storeError(cause ?? new Error('it was ended'), this.#path);
    const [text, code] =
      why instanceof StoreError
        ? [why.message, why.code]
        : [
            `The thread that writes ${this.#path} has ended (${cause?.message ?? 'nobody knows why'}).`,
            'threadDied',
          ];
    for (const { reject } of lost) reject(new ThreadDied(text, code, { cause }));
  }
}
