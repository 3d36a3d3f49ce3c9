/**
 * Turns records into rows: one batch, one transaction. Runs in the Queen's thread for small batches on fast disks, and in
 * a thread of its own otherwise; the code is the same, and only one of the two writes at a time.
 *
 * What many records of a batch change in a job's row is gathered and written once.
 */
import { type Failure, type JobId, type Page, PageCutter, type Streamed } from '@hive/shared';
import type Database from 'better-sqlite3';
import type { PageSplit, StoreRecord } from '../../scheduler/index.ts';
import { type Batch, bytesAt, type PackedRecord } from './batch.ts';
import { specToText } from './spec-text.ts';

/** What a batch has changed in one job's row. */
interface JobChange {
  tasks: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  newestResult: number;
}
type Of<T extends PackedRecord['type']> = Extract<PackedRecord, { type: T }>;
type Writers = { readonly [T in StoreRecord['type']]: (record: Of<T>, batch: Batch) => void };

interface StoredResult extends Page {
  readonly failures: string | null;
  readonly streams: string | null;
  readonly drone: string | null;
  readonly recorded_at: string;
}

/** Pages that one step of removal deletes, so that no commit waits long for it. */
const REMOVED_PAGES = 32;
const VACUUMED_PAGES = 256;

export class SqliteWriter {
  readonly #database: Database.Database;
  readonly #numbers = new Map<JobId, number>();
  readonly #changes = new Map<number, JobChange>();
  readonly #sql: ReturnType<typeof prepare>;
  readonly #write: Database.Transaction<(batch: Batch) => void>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#sql = prepare(database);
    this.#write = database.transaction((batch: Batch) => this.#apply(batch));
  }

  /** @throws what SQLite says; nothing of the batch is kept then */
  write(batch: Batch): void {
    try {
      this.#write.immediate(batch);
    } catch (error) {
      this.#numbers.clear();
      throw error;
    } finally {
      this.#changes.clear();
    }
  }

  /** Deletes some pages of jobs that were removed. True when there is more to delete. */
  removeSome(): boolean {
    const sql = this.#sql;
    return this.#database.transaction(() => {
      const job = sql.nextRemoval.get() as { job: number } | undefined;
      if (job === undefined) return false;
      let deleted = 0;
      for (const statement of sql.removePages) deleted += statement.run(job.job, REMOVED_PAGES).changes;
      if (deleted === 0) sql.removalDone.run(job.job);
      this.#database.pragma(`incremental_vacuum(${VACUUMED_PAGES})`);
      return true;
    })();
  }

  checkpoint(): void {
    this.#database.pragma('wal_checkpoint(PASSIVE)');
  }

  #apply(batch: Batch): void {
    this.#changes.clear();
    for (const record of batch.records) {
      (this.#writers[record.type] as (record: PackedRecord, batch: Batch) => void)(record, batch);
    }
    for (const number of this.#changes.keys()) this.#flush(number);
  }

  /** Writes what was gathered for one job. */
  #flush(number: number): void {
    const c = this.#changes.get(number);
    if (c === undefined) return;
    this.#changes.delete(number);
    const results = c.succeeded + c.failed + c.cancelled;
    this.#sql.changeJob.run(c.tasks, c.succeeded, c.failed, c.cancelled, c.newestResult, results, number);
  }

  /** Replaces a result page by parts of it. */
  #split(job: number, seq: number, parts: PageSplit['parts']): void {
    const row = this.#sql.wholeResult.get(job, seq) as StoredResult | undefined;
    if (row === undefined) return;
    this.#sql.deleteResult.run(job, seq, Number.MAX_SAFE_INTEGER);
    const failures = row.failures === null ? [] : (JSON.parse(row.failures) as Failure[]);
    const streams = row.streams === null ? [] : (JSON.parse(row.streams) as Streamed[]);
    const cutter = new PageCutter(row);
    for (const { seq: own, first, count } of parts) {
      const within = ({ index }: { readonly index: number }) => index >= first && index < first + count;
      const { sizes, data } = cutter.cut(first, count);
      const list = (kept: readonly object[]) => (kept.length === 0 ? null : JSON.stringify(kept));
      const texts = [list(failures.filter(within)), list(streams.filter(within))] as const;
      this.#sql.insertResult.run(
        job,
        own,
        first,
        count,
        data.length,
        sizes,
        data,
        ...texts,
        row.drone,
        row.recorded_at,
      );
    }
  }

  #number(job: JobId): number {
    let number = this.#numbers.get(job);
    if (number === undefined) {
      number = (this.#sql.jobNumber.get(job) as { number: number } | undefined)?.number ?? -1;
      this.#numbers.set(job, number);
    }
    return number;
  }

  #change(job: JobId): JobChange {
    const number = this.#number(job);
    let change = this.#changes.get(number);
    if (change === undefined) {
      change = { tasks: 0, succeeded: 0, failed: 0, cancelled: 0, newestResult: 0 };
      this.#changes.set(number, change);
    }
    return change;
  }

  readonly #writers: Writers = {
    jobSubmitted: ({ job, spec, owner, at, order }) => {
      const tasks = spec.range?.count ?? 0;
      this.#sql.insertJob.run({
        number: order,
        id: job,
        name: spec.name ?? spec.kind,
        kind: spec.kind,
        priority: spec.priority ?? 0,
        tasks,
        sealed: spec.range === undefined ? 0 : 1,
        attached: spec.attached === false ? 0 : 1,
        hidden: spec.hidden === true ? 1 : 0,
        created_at: time(at),
        spec: specToText(spec),
        owner,
      });
      this.#numbers.set(job, order);
    },
    inputsAppended: ({ job, page, streams }, batch) => {
      const { first, count, sizes, data } = page;
      const rowSizes = typeof sizes === 'number' ? sizes : bytesAt(batch, sizes);
      const list = streams.length === 0 ? null : JSON.stringify(streams);
      this.#sql.insertInput.run(
        this.#number(job),
        first,
        count,
        data[1],
        rowSizes,
        bytesAt(batch, data),
        list,
      );
      this.#change(job).tasks += count;
    },
    jobSealed: ({ job }) => {
      this.#sql.sealJob.run(this.#number(job));
    },
    resultsRecorded: ({ job, seq, page, failures, streams, drone, at }, batch) => {
      const { first, count, sizes, data } = page;
      const number = this.#number(job);
      this.#sql.insertResult.run(
        number,
        seq,
        first,
        count,
        data[1],
        typeof sizes === 'number' ? sizes : bytesAt(batch, sizes),
        bytesAt(batch, data),
        failures.length === 0 ? null : JSON.stringify(failures),
        streams.length === 0 ? null : JSON.stringify(streams),
        drone,
        time(at),
      );
      const cancelled = failures.filter(({ outcome }) => outcome === 'cancelled').length;
      const change = this.#change(job);
      change.newestResult = seq;
      change.cancelled += cancelled;
      change.failed += failures.length - cancelled;
      change.succeeded += count - failures.length;
    },
    attemptFailed: ({ job, failure, drone, at, retryAt }) => {
      const { index, outcome, code, message } = failure;
      const when = Math.ceil(retryAt);
      this.#sql.insertAttempt.run(
        this.#number(job),
        index,
        outcome,
        code ?? null,
        message,
        drone,
        time(at),
        when,
      );
    },
    inputsDropped: ({ job, first }) => {
      this.#sql.dropInput.run(this.#number(job), first);
    },
    resultsDropped: ({ job, seqs, recordedBelow }) => {
      const number = this.#number(job);
      for (const seq of seqs) {
        if (this.#sql.deleteResult.run(number, seq, recordedBelow).changes === 0)
          this.#sql.emptyResult.run(number, seq);
      }
      this.#sql.deleteEmpty.run(number, recordedBelow);
      this.#sql.recordedBelow.run(recordedBelow, number);
    },
    leasesMarked: ({ job, mark }) => {
      this.#sql.markLeases.run(mark, this.#number(job));
    },
    jobEnded: ({ job, state, message, at }) => {
      const number = this.#number(job);
      this.#flush(number);
      this.#sql.endJob.run(state, message, time(at), number);
      if (state === 'cancelled') this.#sql.cancelRest.run(number);
      this.#sql.dropAttachedInputs.run(number);
    },
    jobReopened: ({ job, splits, cancelled }) => {
      const number = this.#number(job);
      for (const { seq, parts } of splits) this.#split(number, seq, parts);
      const newest = Math.max(0, ...splits.flatMap(({ parts }) => parts.map(({ seq }) => seq)));
      this.#sql.reopenJob.run(newest, cancelled, number);
      this.#sql.forgetRetries.run(number);
    },
    jobRemoved: ({ job }) => {
      const number = this.#number(job);
      this.#sql.deleteJob.run(number);
      this.#sql.insertRemoval.run(number);
      this.#numbers.delete(job);
    },
    droneJoined: ({ drone, name, at }) => {
      this.#sql.insertDrone.run(drone, name, time(at));
    },
    droneLeft: ({ drone }) => {
      this.#sql.deleteDrone.run(drone);
    },
    jobRecovered: () => {},
  };
}

const time = (at: number): string => new Date(at).toISOString();

function prepare(database: Database.Database) {
  const sql = (text: string) => database.prepare(text);
  return {
    jobNumber: sql('SELECT number FROM jobs WHERE id = ?'),
    insertJob: sql(
      `INSERT INTO jobs (number, id, name, kind, state, priority, tasks, sealed, attached, hidden, created_at, spec, owner)
       VALUES (@number, @id, @name, @kind, 'waiting', @priority, @tasks, @sealed, @attached, @hidden, @created_at, @spec, @owner)`,
    ),
    changeJob: sql(
      `UPDATE jobs SET tasks = tasks + ?, succeeded = succeeded + ?, failed = failed + ?, cancelled = cancelled + ?,
       newest_result = max(newest_result, ?), state = CASE WHEN state = 'waiting' AND ? > 0 THEN 'running' ELSE state END
       WHERE number = ?`,
    ),
    sealJob: sql('UPDATE jobs SET sealed = 1 WHERE number = ?'),
    markLeases: sql('UPDATE jobs SET lease_mark = ? WHERE number = ?'),
    recordedBelow: sql('UPDATE jobs SET recorded_below = ? WHERE number = ?'),
    endJob: sql('UPDATE jobs SET state = ?, message = ?, ended_at = ? WHERE number = ?'),
    cancelRest: sql('UPDATE jobs SET cancelled = tasks - succeeded - failed WHERE number = ?'),
    wholeResult: sql(
      'SELECT first, count, sizes, data, failures, streams, drone, recorded_at FROM result_pages WHERE job = ? AND result = ? AND data IS NOT NULL',
    ),
    reopenJob: sql(
      `UPDATE jobs SET state = 'running', message = NULL, ended_at = NULL, failed = 0, newest_result = max(newest_result, ?),
       cancelled = ? WHERE number = ?`,
    ),
    forgetRetries: sql('UPDATE attempts SET retry_at = 0 WHERE job = ?'),
    deleteJob: sql('DELETE FROM jobs WHERE number = ?'),
    insertInput: sql(
      'INSERT INTO input_pages (job, first, count, bytes, sizes, data, streams) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    dropInput: sql('DELETE FROM input_pages WHERE job = ? AND first = ?'),
    dropAttachedInputs: sql(
      'DELETE FROM input_pages WHERE job = (SELECT number FROM jobs WHERE number = ? AND attached = 1)',
    ),
    insertResult: sql(
      `INSERT INTO result_pages (job, result, first, count, bytes, sizes, data, failures, streams, drone, recorded_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    deleteResult: sql('DELETE FROM result_pages WHERE job = ? AND result = ? AND first + count <= ?'),
    emptyResult: sql('UPDATE result_pages SET data = NULL, sizes = 0 WHERE job = ? AND result = ?'),
    deleteEmpty: sql('DELETE FROM result_pages WHERE job = ? AND data IS NULL AND first + count <= ?'),
    insertAttempt: sql(
      'INSERT INTO attempts (job, task, outcome, code, message, drone, ended_at, retry_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    insertDrone: sql('INSERT OR REPLACE INTO drones (id, name, joined_at) VALUES (?, ?, ?)'),
    deleteDrone: sql('DELETE FROM drones WHERE id = ?'),
    insertRemoval: sql('INSERT OR IGNORE INTO removals (job) VALUES (?)'),
    nextRemoval: sql('SELECT job FROM removals LIMIT 1'),
    removalDone: sql('DELETE FROM removals WHERE job = ?'),
    removePages: ['input_pages', 'result_pages', 'attempts'].map((table) =>
      sql(`DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE job = ? LIMIT ?)`),
    ),
  };
}
