/** Opening the database with the settings that durability rests on. */
import Database from 'better-sqlite3';

/** How long a connection waits for the other's lock; both are ours, so never long. */
const BUSY_MILLIS = 10_000;
/** The log is cut back to this when it begins anew, after a burst that made it longer. */
const LOG_BYTES_KEPT = 32 * 1024 * 1024;

export interface WritingOptions {
  /** How long to wait for a lock that somebody else holds. In the Queen's own thread: not at all. */
  readonly busyMillis?: number;
}

/** A connection that writes. `synchronous=FULL`: a commit that has returned survives a loss of power. */
export function openForWriting(
  path: string,
  { busyMillis = BUSY_MILLIS }: WritingOptions = {},
): Database.Database {
  const database = new Database(path, { timeout: busyMillis });
  try {
    // Before the first table: it cannot be changed later.
    database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    // The commit door says when the log is moved into the database, never a commit on its way.
    database.pragma('wal_autocheckpoint = 0');
    database.pragma(`journal_size_limit = ${LOG_BYTES_KEPT}`);
    database.pragma('cache_size = -16384');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

export function openForReading(path: string): Database.Database {
  const database = new Database(path, { timeout: BUSY_MILLIS, readonly: true, fileMustExist: true });
  try {
    // Damage is found where it is, not some pages later.
    database.pragma('cell_size_check = ON');
    database.pragma('cache_size = -8192');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}
