/**
 * The tables, and how a database of an older version becomes one of this version. People may look into it with
 * `sqlite3`: names are plain, times are RFC 3339, docs/STORE.md describes every column (a test compares the two).
 *
 * A migration is never edited once it was released; a new one is added at the end.
 */
import type { Database } from 'better-sqlite3';
import { StoreError } from './errors.ts';

/** "HIVE": tells our databases from those of other programs. */
export const APPLICATION_ID = 0x48495645;

const MIGRATIONS: readonly string[] = [
  // What changes with every batch (jobs) and what never does (specs, up to a megabyte) are two tables: SQLite writes rows
  // whole. Every index that recovery reads holds all that it needs, so that it never looks at the pages themselves,
  // whose bytes come last in their rows: what stands behind them could not be read without them.
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tasks INTEGER NOT NULL,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    ended_at TEXT,
    reopened_at TEXT,
    message TEXT,
    sealed INTEGER NOT NULL,
    attached INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    newest_result INTEGER NOT NULL DEFAULT 0,
    recorded_below INTEGER NOT NULL DEFAULT 0,
    lease_mark INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE specs (job INTEGER PRIMARY KEY, owner TEXT NOT NULL, spec TEXT NOT NULL) STRICT;

  CREATE TABLE input_pages (
    job INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    value_bytes INTEGER,
    checksum INTEGER NOT NULL,
    streams TEXT,
    parents TEXT,
    sizes BLOB,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX input_pages_by_job ON input_pages (job, first, count, bytes);
  CREATE INDEX input_pages_with_streams ON input_pages (job) WHERE streams IS NOT NULL;

  CREATE TABLE result_pages (
    job INTEGER NOT NULL,
    result INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    value_bytes INTEGER,
    checksum INTEGER NOT NULL,
    failures TEXT,
    streams TEXT,
    drone TEXT,
    task_millis REAL,
    recorded_at TEXT NOT NULL,
    sizes BLOB,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX result_pages_by_job ON result_pages (job, result, first, count, bytes);
  CREATE INDEX result_pages_with_failures ON result_pages (job) WHERE failures IS NOT NULL;

  CREATE TABLE dropped_results (
    job INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    failed TEXT,
    cancelled TEXT,
    PRIMARY KEY (job, first)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE attempts (
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    message TEXT NOT NULL,
    drone TEXT NOT NULL,
    millis REAL,
    ended_at TEXT NOT NULL,
    retry_at TEXT
  ) STRICT;
  CREATE INDEX attempts_by_task ON attempts (job, task);

  CREATE TABLE drones (id TEXT PRIMARY KEY, name TEXT NOT NULL, joined_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE removals (job INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT;
  `,
  'CREATE INDEX result_pages_with_streams ON result_pages (job) WHERE streams IS NOT NULL;',
  // Since when tasks wait, for queue time limits.
  `
  CREATE TABLE queued_tasks (
    job INTEGER NOT NULL,
    first INTEGER NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (job, first)
  ) STRICT, WITHOUT ROWID;
  `,
  // Ids only: a key itself is never in the store.
  `
  CREATE TABLE revoked_keys (id TEXT PRIMARY KEY, revoked_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  'CREATE TABLE drained_drones (id TEXT PRIMARY KEY, drained_at TEXT NOT NULL) STRICT, WITHOUT ROWID;',
  // Pages that are one value for all their tasks, and the page with the value of a whole job.
  `
  ALTER TABLE result_pages ADD COLUMN reduced INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX result_pages_reduced ON result_pages (job, result) WHERE reduced = 1;
  ALTER TABLE jobs ADD COLUMN value_result INTEGER;
  `,
  // Nodes: who owns a job, and what is known of the others.
  `
  ALTER TABLE jobs ADD COLUMN node TEXT;
  ALTER TABLE jobs ADD COLUMN node_epoch INTEGER NOT NULL DEFAULT 1;

  CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    addresses TEXT NOT NULL,
    state TEXT NOT NULL,
    slots INTEGER NOT NULL,
    busy_slots INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    last_heard_at TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs_elsewhere (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    summary TEXT NOT NULL,
    heard_at TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Why the values of a job could not be folded.
  'ALTER TABLE jobs ADD COLUMN failure TEXT;',
];
export const SCHEMA_VERSION = MIGRATIONS.length;

/** What a database is: one of ours with so many migrations, or an empty one. @throws StoreError for any other */
export function versionOf(database: Database, path: string): number {
  const version = database.pragma('user_version', { simple: true }) as number;
  const owner = database.pragma('application_id', { simple: true }) as number;
  const objects = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
  if (owner !== APPLICATION_ID && (objects > 0 || version > 0)) {
    throw new StoreError(
      `${path} is a database of another program. Nothing was changed. Name another folder with --data.`,
      'foreignStore',
    );
  }
  if (version > SCHEMA_VERSION) {
    throw new StoreError(
      `The store ${path} was written by a newer version of The Hive (format ${version}; this one knows ${SCHEMA_VERSION}). Nothing was changed. Update The Hive, or name another folder with --data.`,
      'newerStore',
    );
  }
  return version;
}

/** Makes an empty or older database one of this version. */
export function migrate(database: Database, version: number): void {
  for (let next = version; next < SCHEMA_VERSION; next++) {
    database.transaction(() => {
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.exec(MIGRATIONS[next]!);
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}
