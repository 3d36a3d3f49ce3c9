/**
 * How a batch gets to the disk: in this thread when it is small and the disk is fast (a commit of 0.1 ms is cheaper than a
 * message to a thread and back), in the writer's thread otherwise. One batch at a time, so the two never compete.
 */
import { Worker } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import type { StoreRecord } from '../../scheduler/index.ts';
import { packBatch, pageBytesOf } from './batch.ts';
import { openForWriting } from './connection.ts';
import { SqliteWriter } from './writer.ts';
import type { FromWriter, ToWriter } from './writer-thread.ts';

/** A batch with more bytes of pages than this goes to the thread. */
const INLINE_BYTES_MAX = 32 * 1024;
const INLINE_RECORDS_MAX = 256;
/** A disk whose small commits take longer than this is not waited for in the Queen's thread. */
const INLINE_MILLIS_MAX = 1.5;
/** After this many bytes written here the thread is asked to move the log into the database. */
const CHECKPOINT_BYTES = 8 * 1024 * 1024;

export class CommitDoor {
  readonly #database: Database.Database;
  readonly #writer: SqliteWriter;
  readonly #thread: Worker;
  readonly #simulatedMillis: number;
  #waiting: { resolve: (message: FromWriter) => void; reject: (error: Error) => void } | null = null;
  #failure: Error | null = null;
  /** How long small commits take, averaged; begins as unknown, so the first ones go to the thread. */
  #smallMillis = Number.POSITIVE_INFINITY;
  #bytesSinceCheckpoint = 0;
  #isMaintaining: Promise<void> | null = null;

  constructor(path: string, simulatedMillis = 0) {
    this.#database = openForWriting(path, 0);
    this.#writer = new SqliteWriter(this.#database);
    this.#simulatedMillis = simulatedMillis;
    const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
    this.#thread = new Worker(new URL(file, import.meta.url), {
      workerData: { path, fsyncMillis: simulatedMillis },
      execArgv: [],
    });
    this.#thread.unref();
    this.#thread.on('message', (message: FromWriter) => this.#answer(message));
    this.#thread.on('error', (error) => this.#died(error));
  }

  /** Writes records; null when they are durable on return. */
  commit(records: readonly StoreRecord[]): Promise<void> | null {
    const bytes = pageBytesOf(records);
    const isSmall = bytes <= INLINE_BYTES_MAX && records.length <= INLINE_RECORDS_MAX;
    if (
      !isSmall ||
      this.#smallMillis > INLINE_MILLIS_MAX ||
      this.#simulatedMillis > 0 ||
      this.#waiting !== null
    ) {
      return this.#inThread(records, isSmall);
    }
    const start = performance.now();
    this.#writer.write(packBatch(records));
    this.#noteSmall(performance.now() - start);
    this.#bytesSinceCheckpoint += bytes + records.length * 512;
    return null;
  }

  /** Removes some old pages, moves the log into the database. True when there is more to do at once. */
  async maintain(isForced: boolean): Promise<boolean> {
    if (this.#waiting !== null || (!isForced && this.#bytesSinceCheckpoint < CHECKPOINT_BYTES)) return false;
    this.#bytesSinceCheckpoint = 0;
    let hasMore = false;
    this.#isMaintaining = this.#ask({ type: 'maintain' }).then((answer) => {
      hasMore = answer.type === 'maintained' && answer.hasMore;
    });
    try {
      await this.#isMaintaining;
    } finally {
      this.#isMaintaining = null;
    }
    return hasMore;
  }

  async close(): Promise<void> {
    await this.#isMaintaining?.catch(() => {});
    if (this.#failure === null) await this.#ask({ type: 'close' }).catch(() => {});
    await this.#thread.terminate();
    this.#database.close();
  }

  async #inThread(records: readonly StoreRecord[], isSmall: boolean): Promise<void> {
    await this.#isMaintaining?.catch(() => {});
    const batch = packBatch(records);
    const answer = await this.#ask({ type: 'write', batch }, [batch.bytes.buffer]);
    if (answer.type === 'written' && isSmall) this.#noteSmall(answer.millis);
  }

  #noteSmall(millis: number): void {
    const known = Number.isFinite(this.#smallMillis) ? this.#smallMillis : millis;
    // One slow commit is noise, several are a slow disk.
    this.#smallMillis = known + (Math.min(millis, 50) - known) * 0.1;
  }

  #ask(message: ToWriter, transfer: ArrayBuffer[] = []): Promise<FromWriter> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#thread.postMessage(message, transfer);
    });
  }

  #answer(message: FromWriter): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (message.type === 'failed')
      waiting?.reject(Object.assign(new Error(message.message), { code: message.code }));
    else waiting?.resolve(message);
  }

  #died(error: Error): void {
    this.#failure = error;
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
