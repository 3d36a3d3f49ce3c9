/**
 * From what a person named to the files that are hashed: operands as they stand and, with `-r`, what lies in folders, in
 * an order that depends on nothing but the names. Names are bytes from end to end, because that is what they are on disk.
 *
 * Cost: one folder's listing per level of depth is held, nothing else.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { isStandardInput } from './contents.ts';
import { isSystemError } from './system-error.ts';

/** A file to hash, or something that cannot be read and why. `-` is standard input. */
export type Found = { readonly path: Buffer; readonly error?: NodeJS.ErrnoException };

const SLASH = Buffer.from('/');

/** Operands in their order; folders are replaced by the regular files in them when `isRecursive`. */
export async function* findFiles(operands: readonly Buffer[], isRecursive: boolean): AsyncGenerator<Found> {
  for (const path of operands) {
    if (isRecursive && !isStandardInput(path) && (await isFolder(path))) yield* walkFolder(path);
    else yield { path };
  }
}

/** Regular files below a folder, sorted by the bytes of their names, folders where their own name stands. */
async function* walkFolder(folder: Buffer): AsyncGenerator<Found> {
  const entries = await list(folder);
  if (!Array.isArray(entries)) {
    yield { path: folder, error: entries };
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walkFolder(path);
    else if (entry.isFile()) yield { path };
  }
}

async function list(folder: Buffer): Promise<Dirent<Buffer>[] | NodeJS.ErrnoException> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    if (isSystemError(error)) return error;
    throw error;
  }
}

/** A symbolic link counts as what it points to here: it was named by a person. Inside a folder none is followed. */
async function isFolder(path: Buffer): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function join(folder: Buffer, name: Buffer): Buffer {
  const isClosed = folder.at(-1) === SLASH[0];
  return Buffer.concat(isClosed ? [folder, name] : [folder, SLASH, name]);
}
