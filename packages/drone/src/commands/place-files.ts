/**
 * Puts the files of a command into the folder where it will start, before it starts, and finds those that it is to give
 * back, after it has ended.
 *
 * It must never reach out of that folder: paths were checked (shared/command-files.ts), what is put there is files and folders
 * only, and what is given back is never read through a symbolic link, for the command may have made one to anything that
 * the Drone can read and it cannot.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  type Stats,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ByteReader, FileEntry } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
const PERMISSIONS = 0o777;
/** Whoever placed a folder must be able to fill it. */
const FOLDER_MODE_MIN = 0o700;

/** One command's files in one folder. */
export class PlacedFiles {
  readonly #root: string;
  /** What was placed, parents first. */
  readonly #placed: FileEntry[] = [];
  /** Paths of what was given back. */
  given: readonly string[] = [];

  /** @param root is made if it is not there. @throws TaskFailure */
  constructor(root: string) {
    this.#root = root;
    this.#do(root, () => mkdirSync(root, { recursive: true }));
  }

  /** The next `entry.bytes` of the reader. @throws TaskFailure */
  async place(entry: FileEntry, reader: ByteReader): Promise<void> {
    const path = this.#prepare(entry);
    if (entry.isFolder) return;
    const file = this.#do(path, () => openSync(path, WRITE_NEW, 0o600));
    let missing = entry.bytes;
    try {
      for await (const chunk of reader.part(entry.bytes)) {
        this.#do(path, () => writeWhole(file, chunk));
        missing -= chunk.length;
      }
    } finally {
      closeSync(file);
    }
    if (missing > 0)
      throw new TaskFailure('badInput', `The stream of this task ends within the file ${entry.path}.`);
  }

  /** A copy of a file that is here: its changes are this command's alone. @throws TaskFailure */
  placeCopy(entry: FileEntry, from: string): void {
    const path = this.#prepare(entry);
    this.#do(path, () => {
      copyFileSync(from, path, constants.COPYFILE_FICLONE);
      chmodSync(path, 0o600);
    });
  }

  /** All are there: gives them their modes and times, folders after what is in them. @throws TaskFailure */
  finish(): void {
    for (const { path: own, mode, mtimeMillis, isFolder } of [...this.#placed].reverse()) {
      const path = join(this.#root, own);
      this.#do(path, () => {
        chmodSync(path, isFolder ? mode | FOLDER_MODE_MIN : mode);
        utimesSync(path, mtimeMillis / 1_000, mtimeMillis / 1_000);
      });
    }
  }

  /** What is at these paths now that the command has ended. Null: nothing was asked for. */
  give(paths: readonly string[]): readonly Returned[] | null {
    if (paths.length === 0) return null;
    const found = returnedFiles(this.#root, paths);
    this.given = found.flatMap((one) => ('entry' in one ? [one.entry.path] : []));
    return found;
  }

  /** Removes what was placed and these, and the folders around them if they are empty. What cannot be removed stays. */
  remove(paths: readonly string[]): void {
    const all = [...this.#placed.map(({ path }) => path), ...paths];
    for (const path of all.reverse()) {
      removeQuietly(join(this.#root, path));
      for (let parent = parentOf(path); parent !== null; parent = parentOf(parent))
        if (!removeQuietly(join(this.#root, parent))) break;
    }
  }

  #prepare(entry: FileEntry): string {
    const { path: own, isFolder } = entry;
    const path = join(this.#root, own);
    const parent = isFolder ? own : parentOf(own);
    if (parent !== null) this.#do(path, () => mkdirSync(join(this.#root, parent), { recursive: true }));
    this.#placed.push(entry);
    return path;
  }

  #do<T>(path: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const text = `The file ${path} cannot be put there on this Drone (${code}).`;
      throw new TaskFailure(code === 'ENOSPC' ? 'diskFull' : 'notPlaced', text, true);
    }
  }
}

/** What a command gives back: an entry, and where it is; or a path that there is nothing at. */
export type Returned =
  | { readonly entry: FileEntry; readonly path: string }
  | { readonly missing: string; readonly why: string };

/** What is at these paths below `root`: files, and folders with all that is in them. */
export function returnedFiles(root: string, paths: readonly string[]): Returned[] {
  const found: Returned[] = [];
  const real = realPath(root);
  for (const path of paths) {
    const stats = statNoLinks(real, path);
    if (typeof stats === 'string') found.push({ missing: path, why: stats });
    else add(real, path, stats, found);
  }
  return found;
}

function add(root: string, own: string, stats: Stats, found: Returned[]): void {
  const path = join(root, own);
  const isFolder = stats.isDirectory();
  if (!isFolder && !stats.isFile()) {
    found.push({ missing: own, why: stats.isSymbolicLink() ? 'it is a symbolic link' : 'it is no file' });
    return;
  }
  if (!isReadable(path)) {
    found.push({ missing: own, why: 'the Drone may not read it' });
    return;
  }
  const { mode, mtimeMs: mtimeMillis, size } = stats;
  const bytes = isFolder ? 0 : size;
  found.push({ entry: { path: own, mode: mode & PERMISSIONS, mtimeMillis, bytes, isFolder }, path });
  if (isFolder)
    for (const name of namesIn(path)) add(root, `${own}/${name}`, lstatSync(join(path, name)), found);
}

/** The folder itself may lie behind links, or be gone. */
function realPath(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    return root;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Why there is nothing to give back, if there is not. No part of the path may be a link. */
function statNoLinks(root: string, own: string): Stats | string {
  let path = root;
  let stats: Stats | undefined;
  for (const name of own.split('/')) {
    if (stats?.isSymbolicLink()) return 'it lies behind a symbolic link';
    path = join(path, name);
    try {
      stats = lstatSync(path);
    } catch {
      return 'it is not there';
    }
  }
  return stats ?? 'it is not there';
}

/** Opens a file to be given back; null if it is another one, or somewhere else, by now. */
export function openReturned(path: string, bytes: number): number | null {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(file);
    if (stats.isFile() && stats.size >= bytes && isAt(file, path)) return file;
    closeSync(file);
    return null;
  } catch {
    return null;
  }
}

/** Whether nobody has put a link in the place of a folder meanwhile, where the system can tell. */
function isAt(file: number, path: string): boolean {
  let real: string;
  try {
    real = readlinkSync(`/proc/self/fd/${file}`);
  } catch {
    return true;
  }
  return real === path;
}

function parentOf(path: string): string | null {
  const at = path.lastIndexOf('/');
  return at < 0 ? null : path.slice(0, at);
}

function removeQuietly(path: string): boolean {
  try {
    if (lstatSync(path).isDirectory()) rmdirSync(path);
    else unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done);
}
