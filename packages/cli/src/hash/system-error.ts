/** The operating system's errors in the words that `sha256sum` uses for them (those of the GNU C library). */
import { getSystemErrorMap } from 'node:util';

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  ESTALE: 'Stale file handle',
};

/** Whether an error comes from the operating system, and so is about a file rather than about us. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** The words for one error, without the file's name. */
export function describeSystemError(error: NodeJS.ErrnoException): string {
  const known = TEXTS[error.code ?? ''];
  if (known !== undefined) return known;
  const text = getSystemErrorMap().get(error.errno ?? 0)?.[1] ?? error.message;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
