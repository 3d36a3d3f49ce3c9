/** Reads pages that are not in memory any more. */
import type { Failure, Page, Streamed } from '@hive/shared';
import type Database from 'better-sqlite3';
import type { Attempt, ResultPage } from '../store.ts';
import { damaged, StoreError, storeError } from './errors.ts';
import { type PageRow, pageOf } from './page-columns.ts';

interface ResultRow extends PageRow {
  readonly failures: string | null;
  readonly streams: string | null;
  readonly drone: string | null;
  readonly task_millis: number | null;
  readonly recorded_at: string;
}
interface AttemptRow {
  readonly outcome: string;
  readonly code: string | null;
  readonly message: string;
  readonly drone: string;
  readonly millis: number | null;
  readonly ended_at: string;
}

export class PageReader {
  readonly #path: string;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: Database.Database, path: string) {
    this.#path = path;
    this.#sql = prepare(database);
  }

  /** @throws StoreError when the page is damaged */
  inputs(job: number, first: number): Page | undefined {
    return this.#read(() => {
      const row = this.#sql.input.get(job, first) as PageRow | undefined;
      return row && this.#pageOf(row);
    });
  }

  /** @throws StoreError when the page is damaged */
  results(job: number, seq: number): ResultPage | undefined {
    return this.#read(() => {
      const row = this.#sql.result.get(job, seq) as ResultRow | undefined;
      if (row === undefined) return undefined;
      return {
        page: this.#pageOf(row),
        failures: row.failures === null ? [] : (JSON.parse(row.failures) as Failure[]),
        streams: row.streams === null ? [] : (JSON.parse(row.streams) as Streamed[]),
        drone: row.drone,
        millis: row.task_millis,
        at: Date.parse(row.recorded_at),
      };
    });
  }

  attempts(job: number, task: number): Attempt[] {
    return this.#read(() => {
      const rows = this.#sql.attempts.all(job, task) as AttemptRow[];
      return rows.map(({ ended_at, ...row }) => ({ ...row, at: Date.parse(ended_at) }));
    });
  }

  #pageOf(row: PageRow): Page {
    const page = pageOf(row);
    if (page !== undefined) return page;
    throw new StoreError(damaged(this.#path, 'a page is not as it was written'), 'damagedStore');
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }
}

function prepare(database: Database.Database) {
  return {
    input: database.prepare(
      'SELECT first, count, value_bytes, sizes, data, checksum FROM input_pages WHERE job = ? AND first = ?',
    ),
    result: database.prepare(
      `SELECT first, count, value_bytes, sizes, data, checksum, failures, streams, drone, task_millis, recorded_at FROM result_pages
       WHERE job = ? AND result = ?`,
    ),
    attempts: database.prepare(
      'SELECT outcome, code, message, drone, millis, ended_at FROM attempts WHERE job = ? AND task = ? ORDER BY rowid',
    ),
  };
}
