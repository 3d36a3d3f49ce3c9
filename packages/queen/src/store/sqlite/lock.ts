/**
 * One Queen per store. The lock is a second, empty database on which this process holds an exclusive lock of the
 * operating system: it is gone with the process, however that ends, so there is no stale lock to clean up.
 */
import Database from 'better-sqlite3';
import { StoreError } from './errors.ts';

export class StoreLock {
  readonly #database: Database.Database;

  /** @throws StoreError when another Queen holds it */
  constructor(path: string, store: string) {
    this.#database = new Database(path, { timeout: 0 });
    try {
      this.#database.pragma('journal_mode = MEMORY');
      this.#database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      this.#database.close();
      if (!(error as { code?: string }).code?.startsWith('SQLITE_BUSY')) throw error;
      throw new StoreError(
        `Another Queen is using the store ${store}. Stop her first, or name another folder with --data.`,
        'storeInUse',
        { cause: error },
      );
    }
  }

  release(): void {
    this.#database.close();
  }
}
