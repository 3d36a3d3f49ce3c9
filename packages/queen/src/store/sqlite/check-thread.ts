/**
 * Reads every page of a large store once, in a thread of its own, and compares it with its checksum: what was damaged
 * while nobody read it is found before somebody needs it. The rest of the database is read at each start anyway.
 *
 * Rows are read a few at a time, with as long a rest after them: no commit, no checkpoint and no end of the Queen waits.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { openForReading } from './connection.ts';
import { type PageRow, pageOf } from './page-columns.ts';

/** What was found; `job` is the job's id, null when nobody can tell any more. */
export interface Damage {
  readonly what: 'inputs' | 'results';
  readonly job: string | null;
  readonly message: string;
}

type Row = PageRow & { readonly id: number; readonly job: number };
/** Of at most 1.25 MiB each. */
const ROWS_AT_ONCE = 4;
const TABLES = [
  ['inputs', 'input_pages'],
  ['results', 'result_pages'],
] as const;

const database = openForReading((workerData as { path: string }).path);
try {
  for (const [what, table] of TABLES) checkTable(database, what, table);
} finally {
  database.close();
}

function checkTable(database: Database.Database, what: Damage['what'], table: string): void {
  const some = database.prepare(
    `SELECT rowid AS id, job, first, count, value_bytes, sizes, data, checksum FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${ROWS_AT_ONCE}`,
  );
  const idOf = database.prepare('SELECT id FROM jobs WHERE number = ?').pluck();
  const say = (job: number | null, message: string) => {
    const id = job === null ? null : ((idOf.get(job) as string | undefined) ?? null);
    // Pages of a removed job are on their way out.
    if (job === null || id !== null) parentPort!.postMessage({ what, job: id, message } satisfies Damage);
  };
  for (let last = 0; ; ) {
    const start = performance.now();
    let rows: Row[];
    try {
      rows = some.all(last) as Row[];
    } catch (error) {
      // A page of the database itself: what comes after it cannot be found from here.
      say(null, (error as Error).message);
      return;
    }
    for (const row of rows) if (pageOf(row) === undefined) say(row.job, 'a page is not what was written');
    if (rows.length === 0) return;
    last = rows.at(-1)!.id;
    rest(performance.now() - start);
  }
}

function rest(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.ceil(millis));
}
