/**
 * The durable store: SQLite with a write-ahead log and `synchronous=FULL`. What was kept can be read at once; what was
 * committed survives kill -9 and the loss of power.
 *
 * A batch that fails stays here and goes to the disk before anything that came after it.
 */
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Failure, InvariantError, type JobId, type Page, PageCutter, type Streamed } from '@hive/shared';
import type Database from 'better-sqlite3';
import debug from 'debug';
import type { InputRef, StoreRecord } from '../../scheduler/index.ts';
import { compact, cutInputs, partOf } from '../pages.ts';
import type { Attempt, ResultPage, Store } from '../store.ts';
import { CommitDoor } from './commit-door.ts';
import { openForReading, openForWriting } from './connection.ts';
import { storeError } from './errors.ts';
import { StoreLock } from './lock.ts';
import { PageCache } from './page-cache.ts';
import { recoverRecords } from './recover.ts';
import { migrate } from './schema.ts';

export interface SqliteOptions {
  /** Folder of the database; made if it is not there. */
  readonly data: string;
  /** Pages kept in memory to save reading them again, in bytes. Default 128 MiB. */
  readonly cacheBytes?: number;
  /** For tests: every commit takes this much longer, as on a slow disk. */
  readonly simulatedMillis?: number;
}

/** What is known of a store itself. */
export interface StoreIdentity {
  readonly queen: string;
  readonly epoch: number;
  /** The latest time that the store has seen, in milliseconds since 1970; time never goes back behind it. */
  readonly latest: number;
}

const log = debug('hive:queen:store');
const CACHE_BYTES = 128 * 1024 * 1024;
const MAINTAIN_MILLIS = 250;

export class SqliteStore implements Store {
  readonly name = 'sqlite';
  readonly isDurable = true;
  readonly path: string;
  readonly identity: StoreIdentity;
  readonly #lock: StoreLock;
  readonly #reader: Database.Database;
  readonly #door: CommitDoor;
  readonly #inputs: PageCache<PageCutter>;
  readonly #results: PageCache<ResultPage>;
  readonly #numbers = new Map<JobId, number>();
  readonly #sql: ReturnType<typeof prepareReads>;
  readonly #timer: NodeJS.Timeout;
  /** Kept and not committed yet; a batch under way is taken out only when it is durable. */
  #pending: StoreRecord[] = [];
  #hasRemovals = true;

  /** Opens the store, or makes it. @throws StoreError when it cannot be used, and nothing is changed then */
  constructor(options: SqliteOptions, newQueenId: () => string, now: number) {
    this.path = join(options.data, 'hive.db');
    try {
      mkdirSync(options.data, { recursive: true, mode: 0o700 });
      this.#lock = new StoreLock(join(options.data, 'hive.lock'));
    } catch (error) {
      throw storeError(error, this.path);
    }
    try {
      this.identity = prepareStore(this.path, newQueenId, now);
      this.#reader = openForReading(this.path);
      this.#sql = prepareReads(this.#reader);
      this.#door = new CommitDoor(this.path, options.simulatedMillis);
    } catch (error) {
      this.#lock.release();
      throw storeError(error, this.path);
    }
    this.#inputs = new PageCache((options.cacheBytes ?? CACHE_BYTES) / 2);
    this.#results = new PageCache((options.cacheBytes ?? CACHE_BYTES) / 2);
    this.#timer = setInterval(() => void this.#maintain(), MAINTAIN_MILLIS);
    this.#timer.unref();
  }

  get heldBytes(): number {
    return this.#inputs.bytes + this.#results.bytes;
  }
  /** Bytes that are free on its disk. */
  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  *recover(): Generator<StoreRecord, void, undefined> {
    for (const record of recoverRecords(this.#reader)) {
      if (record.type === 'jobRecovered') this.#numbers.set(record.job, record.order);
      yield record;
    }
  }

  keep(records: readonly StoreRecord[]): void {
    for (const record of records) {
      this.#note(record);
      this.#pending.push(record);
    }
  }

  commit(): Promise<void> | null {
    const batch = this.#pending;
    if (batch.length === 0) return null;
    this.#pending = [];
    try {
      const durable = this.#door.commit(batch);
      if (durable === null) {
        this.#committed(batch);
        return null;
      }
      return durable.then(
        () => this.#committed(batch),
        (error) => this.#failed(batch, error),
      );
    } catch (error) {
      this.#failed(batch, error);
      return null;
    }
  }

  readInputs(ref: InputRef): Pick<Page, 'sizes' | 'data'> {
    return cutInputs(ref, (first) => this.#inputPage(ref.job, first));
  }

  readResults(job: JobId, seq: number): ResultPage | undefined {
    const cached = this.#results.get(job, seq);
    if (cached !== undefined) return cached;
    const row = this.#sql.result.get(this.#number(job), seq) as ResultRow | undefined;
    if (row === undefined || row.data === null) return undefined;
    return {
      page: { first: row.first, count: row.count, sizes: row.sizes, data: row.data },
      failures: row.failures === null ? [] : (JSON.parse(row.failures) as Failure[]),
      streams: row.streams === null ? [] : (JSON.parse(row.streams) as Streamed[]),
      drone: row.drone,
      at: Date.parse(row.recorded_at),
    };
  }

  readAttempts(job: JobId, index: number): readonly Attempt[] {
    const rows = this.#sql.attempts.all(this.#number(job), index) as AttemptRow[];
    const stored = rows.map(({ ended_at, ...row }) => ({ ...row, at: Date.parse(ended_at) }));
    for (const record of this.#pending) {
      if (record.type !== 'attemptFailed' || record.job !== job || record.failure.index !== index) continue;
      const { outcome, code = null, message } = record.failure;
      stored.push({ outcome, code, message, drone: record.drone, at: record.at });
    }
    return stored;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.commit();
    await this.#door.close();
    this.#reader.close();
    this.#lock.release();
  }

  /** What is kept can be read before it is durable. */
  #note(record: StoreRecord): void {
    switch (record.type) {
      case 'jobSubmitted':
        this.#numbers.set(record.job, record.order);
        break;
      case 'inputsAppended': {
        const page = compact(record.page);
        this.#inputs.set(record.job, page.first, new PageCutter(page), costOf(page), true);
        break;
      }
      case 'resultsRecorded': {
        const page = compact(record.page);
        const { failures, streams, drone, at } = record;
        this.#results.set(record.job, record.seq, { page, failures, streams, drone, at }, costOf(page), true);
        break;
      }
      case 'jobReopened':
        this.#split(record);
        break;
      case 'inputsDropped':
        this.#inputs.delete(record.job, record.first);
        break;
      case 'resultsDropped':
        for (const seq of record.seqs) this.#results.delete(record.job, seq);
        break;
      case 'jobRemoved':
        this.#inputs.deleteJob(record.job);
        this.#results.deleteJob(record.job);
        this.#numbers.delete(record.job);
        this.#hasRemovals = true;
        break;
      default:
    }
  }

  #inputPage(job: JobId, first: number): PageCutter {
    const cached = this.#inputs.get(job, first);
    if (cached !== undefined) return cached;
    const row = this.#sql.input.get(this.#number(job), first) as InputRow | undefined;
    if (row === undefined) throw new InvariantError(`the inputs ${first}.. of ${job} are not in the store`);
    const page = { first, count: row.count, sizes: row.sizes, data: row.data };
    const cutter = new PageCutter(page);
    this.#inputs.set(job, first, cutter, costOf(page), false);
    return cutter;
  }

  /** The parts of pages that a reopened job replaces can be read at once. */
  #split({ job, splits }: Extract<StoreRecord, { type: 'jobReopened' }>): void {
    for (const { seq, parts } of splits) {
      const whole = this.readResults(job, seq);
      this.#results.delete(job, seq);
      if (whole === undefined) continue;
      for (const { seq: own, first, count } of parts) {
        const part = partOf(whole, first, count);
        this.#results.set(job, own, part, costOf(part.page), true);
      }
    }
  }

  #number(job: JobId): number {
    return this.#numbers.get(job) ?? -1;
  }

  #committed(batch: readonly StoreRecord[]): void {
    for (const record of batch) {
      if (record.type === 'inputsAppended') this.#inputs.unpin(record.job, record.page.first);
      else if (record.type === 'resultsRecorded') this.#results.unpin(record.job, record.seq);
      else if (record.type === 'jobReopened') {
        for (const { parts } of record.splits)
          for (const { seq } of parts) this.#results.unpin(record.job, seq);
      }
    }
  }

  /** Nothing of the batch is on the disk: it goes first next time. */
  #failed(batch: StoreRecord[], error: unknown): never {
    for (const record of this.#pending) batch.push(record);
    this.#pending = batch;
    throw storeError(error, this.path);
  }

  async #maintain(): Promise<void> {
    try {
      this.#hasRemovals = await this.#door.maintain(this.#hasRemovals);
    } catch (error) {
      log('maintenance failed: %O', error);
    }
  }
}

interface InputRow {
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
}
interface ResultRow {
  readonly first: number;
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array | null;
  readonly failures: string | null;
  readonly streams: string | null;
  readonly drone: string | null;
  readonly recorded_at: string;
}
interface AttemptRow {
  readonly outcome: string;
  readonly code: string | null;
  readonly message: string;
  readonly drone: string;
  readonly ended_at: string;
}

function prepareReads(database: Database.Database) {
  return {
    input: database.prepare('SELECT count, sizes, data FROM input_pages WHERE job = ? AND first = ?'),
    attempts: database.prepare(
      'SELECT outcome, code, message, drone, ended_at FROM attempts WHERE job = ? AND task = ? ORDER BY rowid',
    ),
    result: database.prepare(
      'SELECT first, count, sizes, data, failures, streams, drone, recorded_at FROM result_pages WHERE job = ? AND result = ?',
    ),
  };
}

const costOf = ({ data, sizes }: Page): number =>
  data.length + (typeof sizes === 'number' ? 8 : sizes.length) + 128;

/** Checks and migrates the database, and counts this opening of it. */
function prepareStore(path: string, newQueenId: () => string, now: number): StoreIdentity {
  const database = openForWriting(path, 1_000);
  try {
    migrate(database);
    const get = database.prepare('SELECT value FROM meta WHERE key = ?').pluck();
    const set = database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    return database
      .transaction(() => {
        const queen = (get.get('queen') as string | undefined) ?? newQueenId();
        const epoch = Number(get.get('epoch') ?? 0) + 1;
        const latest = Math.max(Number(get.get('latest') ?? 0), latestTime(database));
        set.run('queen', queen);
        set.run('epoch', String(epoch));
        set.run('latest', String(Math.max(latest, now)));
        return { queen, epoch, latest };
      })
      .immediate();
  } finally {
    database.close();
  }
}

function latestTime(database: Database.Database): number {
  const text = database
    .prepare("SELECT max(coalesce(max(created_at), ''), coalesce(max(ended_at), '')) FROM jobs")
    .pluck()
    .get() as string | null;
  return text ? Date.parse(text) : 0;
}
