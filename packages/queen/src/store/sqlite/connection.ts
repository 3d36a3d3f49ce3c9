/** Opening the database with the settings that durability rests on. */
import Database from 'better-sqlite3';

/** How long a connection waits for the other's lock; both are ours, so never long. */
const BUSY_MILLIS = 10_000;

/** A connection that writes. `synchronous=FULL`: a commit that has returned survives a loss of power. */
export function openForWriting(path: string, checkpointPages: number): Database.Database {
  const database = new Database(path, { timeout: BUSY_MILLIS });
  try {
    // Before the first table: it cannot be changed later.
    database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
    database.pragma('cache_size = -16384');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

export function openForReading(path: string): Database.Database {
  const database = new Database(path, { timeout: BUSY_MILLIS, readonly: true });
  database.pragma('cache_size = -8192');
  return database;
}
