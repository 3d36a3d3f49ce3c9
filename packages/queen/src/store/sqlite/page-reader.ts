/** Reads pages that are not in memory any more. */
import type { Failure, Page, Streamed } from '@hive/shared';
import type Database from 'better-sqlite3';
import type { Attempt, ResultPage } from '../store.ts';
import { damaged, StoreError, storeError } from './errors.ts';

interface PageRow {
  readonly first: number;
  readonly count: number;
  readonly value_bytes: number | null;
  readonly sizes: Uint8Array | null;
  readonly data: Uint8Array;
}
interface ResultRow extends PageRow {
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

  /** A page whose sizes do not add up to its bytes was not written by us. */
  #pageOf({ first, count, value_bytes, sizes, data }: PageRow): Page {
    let bytes = (value_bytes ?? 0) * count;
    if (sizes !== null) {
      const view = new DataView(sizes.buffer, sizes.byteOffset, sizes.byteLength);
      for (let at = 0; at + 4 <= sizes.length; at += 4) bytes += view.getUint32(at);
    }
    if (bytes !== data.length || (sizes !== null && sizes.length !== count * 4)) {
      throw new StoreError(damaged(this.#path, 'the sizes of a page do not match its bytes'), 'damagedStore');
    }
    return { first, count, sizes: value_bytes ?? sizes!, data };
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
      'SELECT first, count, value_bytes, sizes, data FROM input_pages WHERE job = ? AND first = ?',
    ),
    result: database.prepare(
      `SELECT first, count, value_bytes, sizes, data, failures, streams, drone, recorded_at FROM result_pages
       WHERE job = ? AND result = ?`,
    ),
    attempts: database.prepare(
      'SELECT outcome, code, message, drone, ended_at FROM attempts WHERE job = ? AND task = ? ORDER BY rowid',
    ),
  };
}
