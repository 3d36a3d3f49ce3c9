/**
 * Files that go to a command and come back from it, as both ends of the wire describe them: a list of entries, and the bytes
 * of those that are files, end to end. What a path may be is decided here for both: it lies below the folder that is meant,
 * whoever wrote it. docs/PROTOCOL.md has the table.
 */
import { UsageError } from './errors.ts';
import { LIMITS } from './limits.ts';

/** A file or a folder, without its bytes. */
export interface FileEntry {
  /** Relative, with `/`; see `pathProblem`. */
  readonly path: string;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  /** When it was changed last: milliseconds since 1970, with fractions. */
  readonly mtimeMillis: number;
  /** Of a file: its length. */
  readonly bytes: number;
  readonly isFolder: boolean;
}
/** An entry as it travels. */
export interface WireEntry {
  readonly path: string;
  readonly mode: number;
  readonly mtimeMillis: number;
  readonly bytes?: number;
  /** Of a base file, instead of `bytes`: its contents. */
  readonly blob?: string;
}

const PATH_BYTES_MAX = 4_096;

/** What is wrong with a path that should lie below a folder; null: nothing. */
export function pathProblem(path: unknown): string | null {
  if (typeof path !== 'string' || path === '') return 'is not a path';
  if (path.length > PATH_BYTES_MAX) return 'is too long';
  if (path.includes('\0')) return 'has a zero byte in it';
  if (path.startsWith('/')) return 'is absolute';
  const parts = path.split('/');
  if (parts.includes('..')) return 'has ".." in it';
  return parts.includes('') || parts.includes('.') ? 'has "." or an empty name in it' : null;
}

/** Whether `path` is one of these, or lies below one. */
export function isWithin(path: string, roots: Iterable<string>): boolean {
  for (const root of roots) if (path === root || path.startsWith(`${root}/`)) return true;
  return false;
}

export function entryToWire({ path, mode, mtimeMillis, bytes, isFolder }: FileEntry): WireEntry {
  return { path, mode, mtimeMillis, ...(isFolder ? {} : { bytes }) };
}

/** @throws UsageError with what is wrong with it */
export function readEntry(value: unknown): FileEntry & { readonly blob: string | null } {
  const { path, mode, mtimeMillis, bytes, blob } = (value ?? {}) as { [key: string]: unknown };
  const wrong = pathProblem(path);
  if (wrong !== null) throw new UsageError(`The path ${shown(path)} ${wrong}.`, 'badPath');
  const isMode = Number.isInteger(mode) && (mode as number) >= 0 && (mode as number) <= 0o777;
  const isTime = typeof mtimeMillis === 'number' && Math.abs(mtimeMillis) < 8.64e15;
  const isLength = bytes === undefined || (Number.isSafeInteger(bytes) && (bytes as number) >= 0);
  if (!isMode || !isTime || !isLength || (blob !== undefined && typeof blob !== 'string'))
    throw new UsageError(`What is said of the file ${shown(path)} makes no sense.`, 'badPath');
  return {
    path: path as string,
    mode: mode as number,
    mtimeMillis: mtimeMillis as number,
    bytes: (bytes as number | undefined) ?? 0,
    isFolder: bytes === undefined && blob === undefined,
    blob: (blob as string | undefined) ?? null,
  };
}

/** @throws UsageError */
export function readEntries(value: unknown): (FileEntry & { readonly blob: string | null })[] {
  if (!Array.isArray(value) || value.length > LIMITS.listMax)
    throw new UsageError('A list of files is needed.', 'badPath');
  return value.map(readEntry);
}

const shown = (path: unknown): string => JSON.stringify(String(path).slice(0, LIMITS.nameMax));
