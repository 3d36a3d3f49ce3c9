/**
 * Files that a command gives back, on their way into folders here. Whoever sent them is not believed: only what was asked
 * for is written, and only below the folder that is meant. A file appears whole, with its mode and time, or not at all.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, rename, rm, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  ByteReader,
  decodeMsgpack,
  type FileEntry,
  isWithin,
  LIMITS,
  readEntry,
  UsageError,
} from '@hive/shared';

/** What came of the files that were asked for. */
export interface SavedFiles {
  /** Where they are now; folders, too. */
  readonly paths: readonly string[];
  readonly bytes: number;
  /** What was asked for and is not there, and why. */
  readonly missing: readonly { readonly path: string; readonly why: string }[];
}

/** The end of a command's result. */
export interface ReturnedParts {
  /** As it came: the list of the files, in msgpack. */
  readonly list: Uint8Array;
  /** Their bytes, end to end. */
  readonly contents: AsyncIterable<Uint8Array>;
}

/** A folder that a file was made in must let its owner in. */
const FOLDER_MODE_MIN = 0o700;

/**
 * @param asked the paths that the task was told to give back
 * @param folderOf where the file that was asked for as this path is to lie; its own path goes below that
 * Rejects with UsageError 'badPath' when something else came, or an error of the disk.
 */
export async function saveReturned(
  { list, contents }: ReturnedParts,
  asked: readonly string[],
  folderOf: (asked: string) => string,
): Promise<SavedFiles> {
  const reader = new ByteReader(contents);
  const paths: string[] = [];
  const folders: { readonly path: string; readonly entry: FileEntry }[] = [];
  const missing: { path: string; why: string }[] = [];
  let bytes = 0;
  for (const each of listOf(list)) {
    if ('missing' in each) {
      missing.push({ path: String(each['path']), why: String(each['missing']) });
      continue;
    }
    const entry = readEntry(each);
    const root = asked.find((path) => isWithin(entry.path, [path]));
    if (root === undefined)
      throw new UsageError(`A Drone gave back "${entry.path}", which nobody has asked for.`, 'badPath');
    const path = join(folderOf(root), entry.path);
    if (entry.isFolder) {
      await mkdir(path, { recursive: true });
      folders.push({ path, entry });
    } else await save(path, entry, reader);
    bytes += entry.bytes;
    paths.push(path);
  }
  // What is in them is there now, and changes their times no more.
  for (const { path, entry } of folders.reverse()) await finish(path, entry, FOLDER_MODE_MIN);
  return { paths, bytes, missing };
}

function listOf(list: Uint8Array): Readonly<Record<string, unknown>>[] {
  const entries = decodeMsgpack(list);
  const isList = Array.isArray(entries) && entries.every((each) => typeof each === 'object' && each !== null);
  if (isList) return entries as Record<string, unknown>[];
  throw new UsageError('The list of the files that came back makes no sense.', 'badPath');
}

async function save(path: string, entry: FileEntry, reader: ByteReader): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path).slice(0, 200)}.${randomBytes(6).toString('hex')}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    let missing = entry.bytes;
    try {
      for await (const chunk of reader.part(entry.bytes)) {
        await file.writeFile(chunk);
        missing -= chunk.length;
      }
    } finally {
      await file.close();
    }
    if (missing > 0)
      throw new UsageError(`The result ends within the file ${entry.path} that comes back.`, 'badValue');
    await finish(temporary, entry, 0);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function finish(path: string, { mode, mtimeMillis }: FileEntry, least: number): Promise<void> {
  await chmod(path, mode | least);
  await utimes(path, mtimeMillis / 1_000, mtimeMillis / 1_000);
}

const CONTENTS = Buffer.from('\u00a8contents', 'latin1');
const FILES = Buffer.from('\u00a5files', 'latin1');

/** Reads the end of a result that is a stream: the reader stands behind `stdout`. Rejects with UsageError 'badValue'. */
export async function readReturned(reader: ByteReader): Promise<ReturnedParts> {
  await expect(reader, FILES);
  const bytes = await binaryLength(reader);
  if (bytes > LIMITS.frameBytesMax) throw notOne();
  const list = await reader.take(bytes);
  await expect(reader, CONTENTS);
  return { list, contents: stringsOf(reader) };
}

/** The bytes of a list of byte strings, end to end. */
async function* stringsOf(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const [first, ...size] = await reader.take(5);
  if (first !== 0xdd) throw notOne();
  const strings = Buffer.from(size).readUInt32BE();
  for (let n = 0; n < strings; n++) yield* reader.part(await binaryLength(reader));
}

/** Of the header of a byte string, which is taken. */
export async function binaryLength(reader: ByteReader): Promise<number> {
  const [first] = await reader.take(1);
  const size = first === 0xc4 ? 1 : first === 0xc5 ? 2 : first === 0xc6 ? 4 : 0;
  const bytes = await reader.take(size);
  if (size === 0 || bytes.length < size) throw notOne();
  return Buffer.from(bytes).readUIntBE(0, size);
}

async function expect(reader: ByteReader, text: Uint8Array): Promise<void> {
  if (!Buffer.from(await reader.take(text.length)).equals(text)) throw notOne();
}

/** What came is no command's result. */
export const notOne = () =>
  new UsageError('This is not the result of a command: is the Drone newer than this?', 'badValue');

/** The same for a result that came whole; null: no files were asked for. @throws UsageError 'badValue' */
export function returnedOf({
  files,
  contents,
}: {
  files?: unknown;
  contents?: unknown;
}): ReturnedParts | null {
  if (files === undefined) return null;
  const isSound =
    files instanceof Uint8Array &&
    Array.isArray(contents) &&
    contents.every((one) => one instanceof Uint8Array);
  if (!isSound) throw notOne();
  return {
    list: files,
    contents: (async function* () {
      yield* contents as Uint8Array[];
    })(),
  };
}
