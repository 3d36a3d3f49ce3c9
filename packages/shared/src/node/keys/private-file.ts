/** Files that hold keys: written whole or not at all, readable by their owner alone, and refused if others may read them. */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../../errors.ts';

const OTHERS_MASK = 0o077;

/**
 * Its text; null when there is no such file.
 * @throws UsageError 'openSecret' when others may read it, 'noAccess' when we may not
 */
export function readPrivateFile(path: string): string | null {
  try {
    const { mode } = statSync(path);
    if (process.platform !== 'win32' && (mode & OTHERS_MASK) !== 0) throw openToOthers(path, mode);
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} cannot be read: ${message}. Run as the user who owns it.`, 'noAccess');
  }
}

function openToOthers(path: string, mode: number): UsageError {
  const rights = (mode & 0o777).toString(8).padStart(3, '0');
  return new UsageError(
    `Others may read ${path} (its mode is ${rights}), and it holds a key. Run "chmod 600 ${path}"; if somebody may have read it already, make new keys: "hive key rotate", then "hive key retire".`,
    'openSecret',
  );
}

/** Makes the file. False when another process was faster: then the file is its. */
export function createPrivateFile(path: string, text: string): boolean {
  const draft = writeDraft(path, text);
  try {
    linkOrCopy(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Some file systems have no links; there the file may be seen before it is whole, for the time of one write. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
}
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

/** Replaces the file, so that a reader sees the old text or the new one. */
export function replacePrivateFile(path: string, text: string): void {
  renameSync(writeDraft(path, text), path);
}

function writeDraft(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return draft;
}
