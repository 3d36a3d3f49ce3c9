/** What can be wrong with a store, in a sentence that says what to do. */
import { InvariantError, UsageError } from '@hive/shared';

export class StoreError extends UsageError {}

/** Nothing was changed: a store is written to only after all of it was read. */
export function damaged(path: string, message: string): string {
  return `The store ${path} is damaged (${message}). Nothing was changed. Restore a backup of it, or move it away to begin anew.`;
}

/** By the beginning of SQLite's or the system's code. */
const SENTENCES: readonly {
  readonly starts: RegExp;
  readonly code: string;
  readonly say: (path: string, message: string) => string;
}[] = [
  {
    starts: /^SQLITE_(CORRUPT|NOTADB)/,
    code: 'damagedStore',
    say: damaged,
  },
  {
    starts: /^(SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|EACCES|EPERM|EROFS)/,
    code: 'readOnlyStore',
    say: (path, message) =>
      `The store ${path} cannot be written (${message}). Give this user the right to write there, or name another folder with --data.`,
  },
  {
    starts: /^(SQLITE_FULL|ENOSPC|EDQUOT)/,
    code: 'fullDisk',
    say: (path) => `The disk with ${path} is full. Make room there.`,
  },
  {
    starts: /^SQLITE_(BUSY|LOCKED)/,
    code: 'busyStore',
    say: (path) => `Another program holds a lock on the store ${path}. End it, or its transaction.`,
  },
  {
    starts: /^SQLITE_IOERR|^EIO/,
    code: 'brokenDisk',
    say: (path, message) => `The disk with ${path} does not work as it should (${message}).`,
  },
];

/** What SQLite or the system said, as something that a person can act on. Anything else is a mistake of ours. */
export function storeError(error: unknown, path: string): StoreError | InvariantError {
  if (error instanceof StoreError || error instanceof InvariantError) return error;
  const { code = '', message } = error as { code?: string; message: string };
  const known = SENTENCES.find(({ starts }) => starts.test(code));
  if (known !== undefined) return new StoreError(known.say(path, message), known.code, { cause: error });
  // Text that we wrote and cannot read any more.
  if (error instanceof SyntaxError)
    return new StoreError(damaged(path, message), 'damagedStore', { cause: error });
  if (/^E[A-Z]+$/.test(code)) {
    return new StoreError(`The store ${path} cannot be used: ${message}.`, 'badStore', { cause: error });
  }
  return new InvariantError(`the store ${path}: ${message}`, [String((error as Error).stack)]);
}
