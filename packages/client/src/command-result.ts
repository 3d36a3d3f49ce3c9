/**
 * The result of a command, whether it came whole or as a stream: what it printed is then read piece by piece, and never
 * held in memory. docs/PROTOCOL.md has the layout: a map whose last two entries are `stderr` and `stdout`, but for the files
 * that are given back, which come behind them.
 */
import { ByteReader, decodeMsgpack } from '@hive/shared';
import type { OutputStream } from './outputs.ts';
import {
  binaryLength,
  notOne,
  type ReturnedParts,
  readReturned,
  returnedOf,
  type SavedFiles,
  saveReturned,
} from './returned-files.ts';

/** What became of a command. Times are milliseconds since 1970. */
export interface CommandResult {
  /** Null if a signal ended it. */
  readonly exitCode: number | null;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  /** It took longer than its `timeoutMillis`. */
  readonly isTimedOut: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  /** CPU time and the most memory of one process; null where the Drone's system did not say. */
  readonly usage: {
    readonly userMicros: number;
    readonly systemMicros: number;
    /** Null if it was less than the Drone's own, which the system counts in. */
    readonly maxRssBytes: number | null;
  } | null;
  readonly stdout: CommandOutput;
  readonly stderr: CommandOutput;
  /**
   * Writes what the command gives back below a folder, which is made (a function says which, for each path that was asked
   * for); null: its task had no `returns`. Give the same paths as there: nothing else is written, whatever the Drone says. Of a result that is a stream: the last thing to read.
   * Rejects with UsageError 'badPath' when something else came, or an error of the disk.
   */
  readonly saveFiles:
    | ((folder: string | ((asked: string) => string), returns: readonly string[]) => Promise<SavedFiles>)
    | null;
}

/** What a command printed, as much as was kept. */
export interface CommandOutput {
  readonly bytes: number;
  /** What was left out because it was too much: so many bytes, at this offset; null: nothing. */
  readonly cut: { readonly at: number; readonly bytes: number } | null;
  /** From the first byte to the last. Of a result that is a stream: read `stderr` first, `stdout` ends the stream. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** What a task of the kind `command` gives, as it travels: PROTOCOL.md, "The kind command". Times are milliseconds since 1970. */
export interface CommandValue extends Entries {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

interface Entries {
  /** Absent if a signal ended it. */
  readonly exitCode?: number;
  readonly signal?: number;
  readonly timedOut?: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly userMicros?: number;
  readonly systemMicros?: number;
  readonly maxRssBytes?: number;
  readonly stdoutCut?: { readonly at: number; readonly bytes: number };
  readonly stderrCut?: { readonly at: number; readonly bytes: number };
}

/** `a6 "stderr"` and `a6 "stdout"`: the names of the last two entries. */
const STDERR = Buffer.from('\u00a6stderr', 'latin1');
const NAME_BYTES = STDERR.length;
/** The small entries are shorter than this. */
const HEAD_BYTES_MAX = 1_024;

/**
 * @param value of a task of the kind `command`: as it was decoded, or an `OutputStream`
 * @throws UsageError 'badValue' when it is none, 'streamFailed' when it cannot be read
 */
export async function readCommandResult(value: unknown): Promise<CommandResult> {
  if (isStream(value)) return await readStream(value);
  const entries = value as CommandValue | null;
  if (!(entries?.stdout instanceof Uint8Array && entries.stderr instanceof Uint8Array)) throw notOne();
  const returned = returnedOf(entries as { files?: unknown; contents?: unknown });
  const parts = returned === null ? null : async () => returned;
  return resultOf(entries, whole(entries.stdout), whole(entries.stderr), parts);
}

const isStream = (value: unknown): value is OutputStream =>
  typeof (value as OutputStream | null)?.chunks === 'function';

type Bytes = Pick<CommandOutput, 'bytes' | 'chunks'>;

function resultOf(
  entries: Entries,
  stdout: Bytes,
  stderr: Bytes,
  returned: (() => Promise<ReturnedParts>) | null,
): CommandResult {
  const { exitCode = null, signal = null, timedOut = false, startedAt, endedAt } = entries;
  const { userMicros, systemMicros = 0, maxRssBytes = null } = entries;
  return {
    exitCode,
    signal,
    isTimedOut: timedOut,
    startedAt,
    endedAt,
    usage: userMicros === undefined ? null : { userMicros, systemMicros, maxRssBytes },
    stdout: { ...stdout, cut: entries.stdoutCut ?? null },
    stderr: { ...stderr, cut: entries.stderrCut ?? null },
    saveFiles:
      returned === null
        ? null
        : async (folder, returns) =>
            await saveReturned(await returned(), returns, typeof folder === 'string' ? () => folder : folder),
  };
}

function whole(bytes: Uint8Array): Bytes {
  return {
    bytes: bytes.length,
    async *chunks() {
      yield bytes;
    },
  };
}

async function readStream(stream: OutputStream): Promise<CommandResult> {
  const head = await firstBytes(stream);
  const at = head.indexOf(STDERR);
  if (at < 0) throw notOne();
  const { entries, hasFiles } = smallEntries(head.subarray(0, at));
  const stderr = binaryAt(head, at + NAME_BYTES);
  const stderrEnd = stderr.from + stderr.bytes;
  const before = hasFiles ? await stdoutBefore(stream, stderrEnd) : null;
  const stdoutFrom = before?.from ?? stdoutStart(stream.bytes, stderrEnd + NAME_BYTES);
  const stdoutEnd = before === null ? stream.bytes : before.from + before.bytes;
  const part = (from: number, end: number): Bytes => ({
    bytes: end - from,
    chunks: () => between(stream, from, end),
  });
  return resultOf(
    entries,
    part(stdoutFrom, stdoutEnd),
    part(stderr.from, stderrEnd),
    hasFiles ? () => readReturned(new ByteReader(between(stream, stdoutEnd, stream.bytes))) : null,
  );
}

/** What stands before the last two entries, or four where files are given back, is a map of its own without those. */
function smallEntries(bytes: Uint8Array): { entries: Entries; hasFiles: boolean } {
  for (const others of [2, 4]) {
    const small = Buffer.from(bytes);
    small[0] = small[0]! - others;
    try {
      return { entries: decodeMsgpack(small) as Entries, hasFiles: others === 4 };
    } catch {
      // With too many entries it ends before its end.
    }
  }
  throw notOne();
}

/** Where `stdout` is when something follows it. */
async function stdoutBefore(
  stream: OutputStream,
  stderrEnd: number,
): Promise<{ from: number; bytes: number }> {
  const header = stderrEnd + NAME_BYTES;
  const reader = new ByteReader(between(stream, header, stream.bytes));
  const bytes = await binaryLength(reader);
  reader.close();
  return { from: header + 1 + (bytes < 0x100 ? 1 : bytes < 0x1_0000 ? 2 : 4), bytes };
}

async function firstBytes(stream: OutputStream): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of stream.chunks()) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= HEAD_BYTES_MAX) break;
  }
  return head.subarray(0, HEAD_BYTES_MAX);
}

/** A byte string's header in msgpack. */
function binaryAt(head: Buffer, at: number): { from: number; bytes: number } {
  const first = head[at];
  if (first === 0xc4) return { from: at + 2, bytes: head.readUInt8(at + 1) };
  if (first === 0xc5) return { from: at + 3, bytes: head.readUInt16BE(at + 1) };
  if (first === 0xc6) return { from: at + 5, bytes: head.readUInt32BE(at + 1) };
  throw notOne();
}

/** Where the bytes of the last entry begin, which go to the end: their header's length follows from theirs. */
function stdoutStart(end: number, header: number): number {
  const rest = end - header;
  if (rest - 2 < 0x100) return header + 2;
  return header + (rest - 3 < 0x1_0000 ? 3 : 5);
}

/** Only these bytes are asked for. */
async function* between(stream: OutputStream, from: number, end: number): AsyncGenerator<Uint8Array> {
  if (from >= end) return;
  let at = from;
  for await (const chunk of stream.chunks(from)) {
    const piece = chunk.subarray(0, end - at);
    at += piece.length;
    if (piece.length > 0) yield piece;
    if (at >= end && end < stream.bytes) return;
  }
}
