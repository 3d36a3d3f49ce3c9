/**
 * Files for commands: what a Drone puts into the folder of a command before it starts. A task's own travel in its input,
 * behind the map that says what to run; those that all tasks need are blobs, so each Drone gets them once. They are read
 * where they are, piece by piece, when a Drone asks, and again when the task is tried again.
 */
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  encodeMsgpack,
  entryToWire,
  type FileEntry,
  LIMITS,
  type Plain,
  pathProblem,
  UsageError,
} from '@hive/shared';
import type { Blobs } from './blobs.ts';
import { bytesStream, fileStream, isStreamSource, type StreamSource } from './streams.ts';

/** A file or a folder here, and its path in the folder in which the command starts. */
export interface SentPath {
  readonly from: string;
  /** Relative, with `/`, without `..`. */
  readonly to: string;
}
/** What is at a path here. */
export interface LocalFile {
  readonly entry: FileEntry;
  readonly from: string;
}

/** One command with files; what `line`, `argv`, `args`, `cwd`, `env` mean says docs/PROTOCOL.md. */
export interface CommandOrder {
  readonly line?: string;
  readonly argv?: readonly string[];
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads, of any length. */
  readonly stdin?: string | Uint8Array | StreamSource;
  /** What it finds in its folder; a text is a relative path both here and there. */
  readonly files?: readonly (string | SentPath)[];
  /** What is given back of its folder when it has ended. */
  readonly returns?: readonly string[];
}

const PERMISSIONS = 0o777;
const HEAD_BYTES = 4;

/**
 * The input of a task of the kind `command` with files. Its job has `params: { head: true }`.
 * Rejects with UsageError 'noFile', 'badPath', or 'tooLarge' when the list of its files is.
 */
export async function commandInput(order: CommandOrder): Promise<StreamSource> {
  const { stdin = null, files = [], ...map } = order;
  const sent = files.map((file) => (typeof file === 'string' ? { from: file, to: file } : file));
  const input = stdin === null ? null : isStreamSource(stdin) ? stdin : bytesStream(Buffer.from(stdin));
  return commandStream(map, input, await localFiles(sent));
}

/**
 * What is at these paths: files, and folders with all that is in them, parents first. Links are followed.
 * Rejects with UsageError 'noFile' or 'badPath'.
 */
export async function localFiles(paths: readonly SentPath[]): Promise<LocalFile[]> {
  const found: LocalFile[] = [];
  for (const { from, to } of paths) {
    const wrong = pathProblem(to);
    if (wrong !== null) throw new UsageError(`The path "${to}" ${wrong}.`, 'badPath');
    await walk(from, to, [], found);
  }
  return found;
}

async function walk(from: string, to: string, around: readonly string[], found: LocalFile[]): Promise<void> {
  const stats = await statOf(from);
  const isFolder = stats.isDirectory();
  if (!isFolder && !stats.isFile())
    throw new UsageError(`${from} is neither a file nor a folder, so it cannot be sent.`, 'noFile');
  const { mode, mtimeMs: mtimeMillis, size, dev, ino } = stats;
  const bytes = isFolder ? 0 : size;
  found.push({ entry: { path: to, mode: mode & PERMISSIONS, mtimeMillis, bytes, isFolder }, from });
  if (found.length > LIMITS.listMax)
    throw new UsageError(`There are more than ${LIMITS.listMax} files at ${from}.`, 'tooLarge');
  if (!isFolder) return;
  const own = `${dev}:${ino}`;
  if (around.includes(own))
    throw new UsageError(`${from} is a link to a folder in which it lies itself.`, 'badPath');
  for (const name of (await readdir(from)).sort())
    await walk(join(from, name), `${to}/${name}`, [...around, own], found);
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw new UsageError(`There is no file ${path}.`, 'noFile', { cause: error });
  }
}

/**
 * @param map the task's, without its files. @param stdin null: it reads nothing, or what the map says
 * @throws UsageError 'tooLarge'
 */
export function commandStream(
  map: Readonly<Record<string, unknown>>,
  stdin: StreamSource | null,
  files: readonly LocalFile[],
): StreamSource {
  const own = files.filter(({ entry }) => entry.bytes > 0);
  const head = encodeMsgpack({
    ...map,
    ...(stdin === null ? {} : { stdinBytes: stdin.bytes }),
    ...(files.length === 0 ? {} : { files: files.map(({ entry }) => entryToWire(entry)) }),
  });
  if (head.length > LIMITS.valueBytesMax)
    throw new UsageError(`The list of a command's ${files.length} files is too long.`, 'tooLarge');
  const prefix = Buffer.alloc(HEAD_BYTES + head.length);
  prefix.writeUInt32BE(head.length);
  prefix.set(head, HEAD_BYTES);
  const parts = [bytesStream(prefix), ...(stdin === null ? [] : [stdin]), ...own.map(sourceOf)];
  return new JoinedStream(parts);
}

/** Of as many bytes as its entry says; a file that has changed since cannot be read. */
function sourceOf({ entry, from }: LocalFile): StreamSource {
  let source: StreamSource | null = null;
  return {
    bytes: entry.bytes,
    async read(offset, length) {
      source ??= fileStream(from);
      if (source.bytes !== entry.bytes)
        throw new UsageError(`${from} has changed while it was sent.`, 'noFile');
      return await source.read(offset, length);
    },
    close: () => source?.close?.(),
  };
}

/** Sources end to end. Only the one that is read is open. */
class JoinedStream implements StreamSource {
  readonly bytes: number;
  readonly heldBytes: number;
  readonly #parts: readonly StreamSource[];
  /** Where each begins. */
  readonly #starts: readonly number[];

  constructor(parts: readonly StreamSource[]) {
    this.#parts = parts;
    let at = 0;
    this.#starts = parts.map(({ bytes }) => {
      const start = at;
      at += bytes;
      return start;
    });
    this.bytes = at;
    this.heldBytes = parts.reduce((sum, part) => sum + (part.heldBytes ?? 0), 0);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let at = offset;
    for (let n = this.#partAt(offset); at < offset + length; n++) {
      const part = this.#parts[n]!;
      const from = at - this.#starts[n]!;
      const count = Math.min(part.bytes - from, offset + length - at);
      if (count > 0) pieces.push(await part.read(from, count));
      at += count;
      if (from + count === part.bytes) part.close?.();
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  close(): void {
    for (const part of this.#parts) part.close?.();
  }

  #partAt(offset: number): number {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Blobs that are given at the same time. */
const AT_ONCE = 8;

/** What a job says of files that all of its tasks have: parts of its params and of its options. */
export interface BaseFiles {
  readonly baseFiles: Plain;
  readonly blobs: readonly string[];
}

/**
 * Gives the Queen what is at these paths, unless she has it: for `params: { baseFiles }` and `blobs` of a job of commands.
 * Each Drone gets each of them once; every task has copies of its own. Rejects with UsageError, as `blobs.ensure` does.
 */
export async function giveBaseFiles(blobs: Blobs, paths: readonly SentPath[]): Promise<BaseFiles> {
  const files = await localFiles(paths);
  const own = files.filter(({ entry }) => !entry.isFolder);
  if (own.length > LIMITS.blobsPerJobMax)
    throw new UsageError(
      `There are ${own.length} base files, and a job has at most ${LIMITS.blobsPerJobMax}: put them into an archive.`,
      'tooLarge',
    );
  const hashes = new Map<LocalFile, string>();
  for (let at = 0; at < own.length; at += AT_ONCE)
    await Promise.all(
      own.slice(at, at + AT_ONCE).map(async (file) => hashes.set(file, await blobs.ensure(file.from))),
    );
  return {
    baseFiles: files.map((file) => {
      const { bytes: _, ...entry } = entryToWire(file.entry);
      const blob = hashes.get(file);
      return blob === undefined ? entry : { ...entry, blob };
    }) as unknown as Plain,
    blobs: [...new Set(hashes.values())],
  };
}
