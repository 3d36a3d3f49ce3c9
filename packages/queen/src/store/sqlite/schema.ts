/**
 * The tables, and how a database of an older version becomes one of this version. People may look into it with
 * `sqlite3`: names are plain, times are RFC 3339, docs/STORE.md describes every column.
 *
 * A migration is never edited once it was released; a new one is added at the end.
 */
import type { Database } from 'better-sqlite3';
import { StoreError } from './errors.ts';

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tasks INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    attached INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    ended_at TEXT,
    message TEXT,
    spec TEXT NOT NULL,
    owner TEXT NOT NULL,
    newest_result INTEGER NOT NULL DEFAULT 0,
    recorded_below INTEGER NOT NULL DEFAULT 0,
    lease_mark INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE input_pages (
    job INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sizes ANY NOT NULL,
    data BLOB NOT NULL,
    streams TEXT
  ) STRICT;
  CREATE INDEX input_pages_by_job ON input_pages (job, first, count, bytes);

  CREATE TABLE result_pages (
    job INTEGER NOT NULL,
    result INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sizes ANY NOT NULL,
    data BLOB,
    failures TEXT,
    streams TEXT,
    drone TEXT,
    recorded_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX result_pages_by_job ON result_pages (job, result, first, count, bytes);
  CREATE INDEX result_pages_dropped ON result_pages (job, first, count) WHERE data IS NULL;

  CREATE TABLE attempts (
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    message TEXT NOT NULL,
    drone TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    retry_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX attempts_by_task ON attempts (job, task);

  CREATE TABLE drones (id TEXT PRIMARY KEY, name TEXT NOT NULL, joined_at TEXT NOT NULL) STRICT;
  CREATE TABLE removals (job INTEGER PRIMARY KEY) STRICT;
  `,
];
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Makes an empty or older database one of this version. @throws StoreError when it is newer */
export function migrate(database: Database): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > SCHEMA_VERSION) {
    throw new StoreError(
      `The store was written by a newer version of The Hive (format ${version}; this one knows ${SCHEMA_VERSION}). Update The Hive, or name another folder with --data.`,
      'newerStore',
    );
  }
  for (let next = version; next < SCHEMA_VERSION; next++) {
    database.transaction(() => {
      database.exec(MIGRATIONS[next]!);
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}
