/**
 * The durable store: SQLite with a write-ahead log and `synchronous=FULL`. What was kept can be read at once; what was
 * committed survives kill -9 and the loss of power.
 *
 * A batch that fails stays here and goes to the disk before anything that came after it.
 */
import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { InvariantError, type JobId, type Page, PageCutter, type Spec } from '@hive/shared';
import type Database from 'better-sqlite3';
import debug from 'debug';
import type { InputRef, StoreRecord } from '../../scheduler/index.ts';
import { compact, cutInputs, foldedPage, partOf } from '../pages.ts';
import type { Attempt, ResultPage, Store } from '../store.ts';
import { BackgroundCheck, type CheckOptions } from './background-check.ts';
import { Batch } from './batch.ts';
import { CommitDoor, type DoorOptions } from './commit-door.ts';
import { openForReading } from './connection.ts';
import { storeError } from './errors.ts';
import type { StoreIdentity } from './identity.ts';
import { StoreLock } from './lock.ts';
import { countOpening, identify, newestNumber, prepareDatabase } from './opening.ts';
import { PageCache } from './page-cache.ts';
import { PageReader } from './page-reader.ts';
import { recoverRecords } from './recover.ts';

export interface SqliteOptions {
  /** Folder of the database; made if it is not there. */
  readonly data: string;
  /** Pages kept in memory to save reading them again, in bytes. Default 128 MiB. */
  readonly cacheBytes?: number;
  /** A page was found to be damaged while nobody needed it; called at most once. */
  readonly onDamage?: CheckOptions['onDamage'];
  /** For tests: when pages are looked at, and from which size of the store on. */
  readonly check?: Pick<CheckOptions, 'afterMillis' | 'fromBytes'>;
  /** For tests: every commit takes this much longer, as on a slow disk. */
  readonly simulatedMillis?: number;
  /** For tests: another thread than the writer's. */
  readonly thread?: DoorOptions['thread'];
}
export type { StoreIdentity } from './identity.ts';

const log = debug('hive:queen:store');
const CACHE_BYTES = 128 * 1024 * 1024;
/** How often it looks for old pages to remove; while there are any, a step follows the last one after a short rest. */
const MAINTAIN_MILLIS = 250;
const REST_MILLIS = 10;

export class SqliteStore implements Store {
  readonly name = 'sqlite';
  readonly isDurable = true;
  readonly path: string;
  readonly identity: StoreIdentity;
  readonly #now: number;
  readonly #lock: StoreLock;
  readonly #reader: Database.Database;
  readonly #pages: PageReader;
  readonly #door: CommitDoor;
  readonly #inputs: PageCache<PageCutter>;
  readonly #results: PageCache<ResultPage>;
  /** Numbers of the jobs' rows. */
  readonly #numbers = new Map<JobId, number>();
  /** Jobs that end with their clients; their inputs go with them. */
  readonly #attached = new Set<number>();
  #newest: number;
  #isRecovered = false;
  /** Kept and not on its way to the disk yet. */
  #pending = new Batch();
  /** On its way to the disk, and when it will be there. */
  #underWay: { readonly batch: Batch; readonly done: Promise<void> } | null = null;
  /** There may be something to remove. */
  #isUntidy = true;
  #timer: NodeJS.Timeout | null = null;
  readonly #options: SqliteOptions;
  #check: BackgroundCheck | null = null;

  /** Opens the store, or makes it. @throws StoreError when it cannot be used, and nothing is changed then */
  constructor(options: SqliteOptions, newQueenId: () => string, now: number) {
    const { data, cacheBytes = CACHE_BYTES, simulatedMillis = 0, thread } = options;
    this.path = join(data, 'hive.db');
    this.#now = now;
    this.#options = options;
    try {
      mkdirSync(data, { recursive: true, mode: 0o700 });
      this.#lock = new StoreLock(join(data, 'hive.lock'), this.path);
    } catch (error) {
      throw storeError(error, this.path);
    }
    let reader: Database.Database | null = null;
    try {
      prepareDatabase(this.path);
      reader = openForReading(this.path);
      this.#reader = reader;
      this.#pages = new PageReader(reader, this.path);
      this.identity = identify(reader, newQueenId);
      this.#newest = newestNumber(reader);
      this.#door = new CommitDoor(this.path, {
        commitMillis: simulatedMillis,
        ...(thread === undefined ? {} : { thread }),
      });
    } catch (error) {
      reader?.close();
      this.#lock.release();
      throw storeError(error, this.path);
    }
    this.#inputs = new PageCache(cacheBytes / 2);
    this.#results = new PageCache(cacheBytes / 2);
    log('opened %s epoch %d', this.path, this.identity.epoch);
  }

  get heldBytes(): number {
    return this.#inputs.bytes + this.#results.bytes;
  }
  /** Bytes that are free on its disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Counts as an opening of the store when everything was read. @throws StoreError when something cannot be */
  *recover(): Generator<StoreRecord, void, undefined> {
    try {
      for (const record of recoverRecords(this.#reader)) {
        if (record.type === 'jobRecovered') this.#know(record.job, record.order, record.spec);
        yield record;
      }
      countOpening(this.path, this.identity, this.#now);
    } catch (error) {
      throw storeError(error, this.path);
    }
    this.#isRecovered = true;
    this.#rest(MAINTAIN_MILLIS);
    const { onDamage, check } = this.#options;
    if (onDamage !== undefined) this.#check = new BackgroundCheck({ path: this.path, onDamage, ...check });
  }

  keep(records: readonly StoreRecord[]): void {
    if (!this.#isRecovered) throw new InvariantError('the store was written to before it was recovered');
    for (const record of records) {
      this.#pending.add({ number: this.#numberFor(record), record: this.#note(record) });
      if (record.type === 'jobRemoved') this.#forget(record.job);
    }
  }

  commit(): Promise<void> | null {
    // One after the other: what is under way is older.
    if (this.#underWay !== null) return this.#underWay.done.then(() => this.commit() ?? undefined);
    const batch = this.#pending;
    if (batch.size === 0) return null;
    this.#pending = new Batch();
    let durable: Promise<void> | null;
    try {
      durable = this.#door.commit(batch);
    } catch (error) {
      this.#failed(batch, error);
    }
    if (durable === null) {
      this.#committed(batch);
      return null;
    }
    const done = durable.then(
      () => this.#committed(batch),
      (error: unknown) => this.#failed(batch, error),
    );
    this.#underWay = { batch, done };
    return done;
  }

  readInputs(ref: InputRef): Pick<Page, 'sizes' | 'data'> {
    const number = this.#number(ref.job);
    return cutInputs(ref, (first) => this.#inputPage(ref.job, number, first));
  }

  readResults(job: JobId, seq: number): ResultPage | undefined {
    const number = this.#number(job);
    return this.#results.get(number, seq) ?? this.#pages.results(number, seq);
  }

  readAttempts(job: JobId, index: number): readonly Attempt[] {
    const number = this.#number(job);
    const attempts = this.#pages.attempts(number, index);
    for (const batch of [this.#underWay?.batch, this.#pending]) {
      for (const { number: other, record } of batch?.entries ?? []) {
        if (record.type !== 'attemptFailed' || other !== number || record.failure.index !== index) continue;
        const { outcome, code = null, message } = record.failure;
        attempts.push({
          outcome,
          code,
          message,
          drone: record.drone,
          millis: record.millis ?? null,
          at: record.at,
        });
      }
    }
    return attempts;
  }

  /** Writes what was kept, if that is possible: what is not durable was not acknowledged either. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#isRecovered = false;
    await this.#check?.close();
    try {
      await this.#underWay?.done.catch(() => {});
      await this.commit();
    } catch (error) {
      log('closed without its last records: %O', error);
    }
    // Whoever closes last moves the log into the database; one that only reads could not.
    this.#reader.close();
    await this.#door.close();
    this.#lock.release();
  }

  /** What is kept can be read before it is durable. Returns the record without the buffer that its page came in. */
  #note(record: StoreRecord): StoreRecord {
    const number = this.#number('job' in record ? record.job : null);
    switch (record.type) {
      case 'inputsAppended': {
        const page = compact(record.page);
        this.#inputs.set(number, page.first, new PageCutter(page), costOf(page), true);
        return { ...record, page };
      }
      case 'resultsRecorded': {
        const page = compact(record.page);
        const { failures, streams, drone, millis = null, at } = record;
        this.#results.set(
          number,
          record.seq,
          { page, failures, streams, drone, millis, at },
          costOf(page),
          true,
        );
        return { ...record, page };
      }
      case 'pagesFolded': {
        const page = compact(record.page);
        for (const old of record.seqs) this.#results.delete(number, old);
        this.#results.set(number, record.seq, foldedPage({ ...record, page }), costOf(page), true);
        return { ...record, page };
      }
      case 'jobReopened':
        this.#split(number, record);
        return record;
      case 'jobEnded':
        if (this.#attached.has(number)) this.#inputs.deleteJob(number);
        this.#isUntidy = true;
        return record;
      case 'inputsDropped':
        this.#inputs.delete(number, record.first);
        return record;
      case 'resultsDropped':
        for (const seq of record.seqs) this.#results.delete(number, seq);
        return record;
      default:
        return record;
    }
  }

  #inputPage(job: JobId, number: number, first: number): PageCutter {
    const cached = this.#inputs.get(number, first);
    if (cached !== undefined) return cached;
    const page = this.#pages.inputs(number, first);
    if (page === undefined) throw new InvariantError(`the inputs ${first}.. of ${job} are not in the store`);
    const cutter = new PageCutter(page);
    this.#inputs.set(number, first, cutter, costOf(page), false);
    return cutter;
  }

  /** The parts of pages that a reopened job replaces can be read at once. */
  #split(number: number, { job, splits }: Extract<StoreRecord, { type: 'jobReopened' }>): void {
    for (const { seq, parts } of splits) {
      const whole = this.readResults(job, seq);
      this.#results.delete(number, seq);
      if (whole === undefined) continue;
      for (const { seq: own, first, count } of parts) {
        const part = partOf(whole, first, count);
        this.#results.set(number, own, part, costOf(part.page), true);
      }
    }
  }

  #number(job: JobId | null): number {
    return job === null ? 0 : (this.#numbers.get(job) ?? -1);
  }

  /** The row of the job that a record is about. A new job gets the next number that no row in the database has. */
  #numberFor(record: StoreRecord): number {
    if (record.type !== 'jobSubmitted') return this.#number('job' in record ? record.job : null);
    this.#newest = Math.max(this.#newest + 1, record.order);
    this.#know(record.job, this.#newest, record.spec);
    return this.#newest;
  }

  #know(job: JobId, number: number, { attached }: Spec): void {
    this.#numbers.set(job, number);
    if (attached !== false) this.#attached.add(number);
  }

  #forget(job: JobId): void {
    const number = this.#number(job);
    this.#inputs.deleteJob(number);
    this.#results.deleteJob(number);
    this.#numbers.delete(job);
    this.#attached.delete(number);
    this.#isUntidy = true;
  }

  #committed({ entries }: Batch): void {
    this.#underWay = null;
    for (const { number, record } of entries) {
      if (record.type === 'inputsAppended') this.#inputs.unpin(number, record.page.first);
      else if (record.type === 'resultsRecorded' || record.type === 'pagesFolded')
        this.#results.unpin(number, record.seq);
      else if (record.type === 'jobReopened') {
        for (const { parts } of record.splits) for (const { seq } of parts) this.#results.unpin(number, seq);
      }
    }
  }

  /** Nothing of the batch is on the disk: it goes first next time. */
  #failed(batch: Batch, error: unknown): never {
    this.#underWay = null;
    batch.absorb(this.#pending);
    this.#pending = batch;
    throw storeError(error, this.path);
  }

  /** One step of maintenance after a while; the next one soon if there is more to do. */
  #rest(millis: number): void {
    this.#timer = setTimeout(async () => {
      const wasUntidy = this.#isUntidy;
      this.#isUntidy = false;
      try {
        if (wasUntidy && (await this.#door.maintain())) this.#isUntidy = true;
      } catch (error) {
        this.#isUntidy = true;
        log('maintenance failed: %O', error);
      }
      if (this.#timer !== null) this.#rest(this.#isUntidy ? REST_MILLIS : MAINTAIN_MILLIS);
    }, millis);
    this.#timer.unref();
  }
}

/** What a page costs beside its bytes: its buffer, its objects, its places in the cache's lists. Measured. */
const PAGE_OVERHEAD_BYTES = 1_200;
/** Bytes of memory that a page takes, about. */
const costOf = ({ data, sizes }: Page): number =>
  data.length + (typeof sizes === 'number' ? 8 : sizes.length) + PAGE_OVERHEAD_BYTES;
