/**
 * Opening a store: it is looked at without changing it, made or migrated if need be, and counted as opened only when all
 * of it could be read. So a store that cannot be used is left as it was.
 */
import { existsSync, statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { openForReading, openForWriting } from './connection.ts';
import { damaged, StoreError } from './errors.ts';
import type { StoreIdentity } from './identity.ts';
import { migrate, SCHEMA_VERSION, versionOf } from './schema.ts';

/** A database up to this size, in bytes, is checked page by page when it is opened; that takes some milliseconds. */
export const CHECKED_BYTES_MAX = 16 * 1024 * 1024;

/** Makes sure that there is a database of this version. @throws StoreError, or what SQLite says; nothing is changed then */
export function prepareDatabase(path: string): void {
  const version = existsSync(path) && statSync(path).size > 0 ? inspect(path) : 0;
  if (version === SCHEMA_VERSION) return;
  const database = openForWriting(path);
  try {
    migrate(database, version);
  } finally {
    database.close();
  }
}

function inspect(path: string): number {
  const database = openForReading(path);
  try {
    const version = versionOf(database, path);
    if (statSync(path).size <= CHECKED_BYTES_MAX) check(database, path);
    return version;
  } finally {
    database.close();
  }
}

function check(database: Database.Database, path: string): void {
  const found = database.pragma('quick_check(1)', { simple: true }) as string;
  if (found === 'ok') return;
  throw new StoreError(damaged(path, found.split('\n').at(-1) ?? ''), 'damagedStore');
}

/** Who the store is, if it is opened now. `queen` is that of a new store. */
export function identify(database: Database.Database, newQueenId: () => string): StoreIdentity {
  const get = database.prepare('SELECT value FROM meta WHERE key = ?').pluck();
  return {
    queen: (get.get('queen') as string | undefined) ?? newQueenId(),
    epoch: Number(get.get('epoch') ?? 0) + 1,
    latest: Number(get.get('latest') ?? 0),
  };
}

/** Counts this opening. From now on its leases may be out there. */
export function countOpening(path: string, { queen, epoch, latest }: StoreIdentity, now: number): void {
  const database = openForWriting(path);
  try {
    const set = database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    database
      .transaction(() => {
        set.run('queen', queen);
        set.run('epoch', String(epoch));
        set.run('latest', String(Math.max(latest, Math.ceil(now))));
      })
      .immediate();
  } finally {
    database.close();
  }
}

/** The highest number that a job has had whose rows may still be there. */
export function newestNumber(database: Database.Database): number {
  return database
    .prepare(
      'SELECT max((SELECT coalesce(max(number), 0) FROM jobs), (SELECT coalesce(max(job), 0) FROM removals))',
    )
    .pluck()
    .get() as number;
}
