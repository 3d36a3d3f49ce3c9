/** What can be wrong with a store, in a sentence that says what to do. */
import { UsageError } from '@hive/shared';

export class StoreError extends UsageError {}

/** What SQLite said, as something that a person can act on. */
export function storeError(error: unknown, path: string): StoreError {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof StoreError) return error;
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) {
    return new StoreError(
      `The store ${path} is damaged (${message}). Nothing was changed. Restore a backup of it, or move it away to begin anew.`,
      'damagedStore',
      { cause: error },
    );
  }
  if (
    code.startsWith('SQLITE_READONLY') ||
    code === 'SQLITE_CANTOPEN' ||
    code === 'EACCES' ||
    code === 'EROFS'
  ) {
    return new StoreError(
      `The store ${path} cannot be written (${message}). Give this user the right to write there, or name another folder with --data.`,
      'readOnlyStore',
      { cause: error },
    );
  }
  if (code.startsWith('SQLITE_FULL')) {
    return new StoreError(`The disk with ${path} is full. Make room, then start again.`, 'fullDisk', {
      cause: error,
    });
  }
  return new StoreError(`The store ${path} cannot be opened: ${message}.`, 'badStore', { cause: error });
}
