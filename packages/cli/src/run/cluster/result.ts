/**
 * What a Drone says of a command that has ended, as GNU parallel's users know it. A result over 1 MiB is read once, piece
 * by piece: what the command printed goes into temporary files, where it may wait for its turn.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import {
  binaryLength,
  type OutputStream,
  type ReturnedParts,
  readReturned,
  returnedOf,
  smallEntries,
} from '@hive/client';
import { ByteReader, UsageError } from '@hive/shared';
import { Gathering, isSpooled, type Spool, type Spooled } from '../../hash/spool.ts';
import type { CommandOutput, CommandResult } from '../command-task.ts';

/** What of a result is no output; docs/PROTOCOL.md has the table. */
interface Entries {
  readonly exitCode?: number;
  readonly signal?: number;
  readonly timedOut?: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly stdoutCut?: { readonly bytes: number };
  readonly stderrCut?: { readonly bytes: number };
}
type Value = Entries & {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly files?: unknown;
  readonly contents?: unknown;
};

/**
 * @param value of a task of the kind `command`: decoded, or as a stream
 * @param save takes the files that come back, and says how many bytes those are
 */
export async function resultOf(
  value: Value | OutputStream,
  host: string,
  spool: Spool,
  save: (parts: ReturnedParts) => Promise<number>,
): Promise<CommandResult> {
  if (!isStream(value)) {
    const parts = returnedOf(value);
    const result = withOutput(value, host, value.stdout, value.stderr);
    return parts === null ? result : { ...result, receivedBytes: await save(parts) };
  }
  const reader = new ByteReader(value.chunks());
  const { entries, hasFiles } = await entriesOf(reader);
  const stderr = await outputFrom(reader, spool);
  await expectName(reader, 'stdout');
  const stdout = await outputFrom(reader, spool);
  const receivedBytes = hasFiles ? await save(await readReturned(reader)) : 0;
  // Read to the end, it is not wanted any more.
  for await (const _ of reader.rest());
  return { ...withOutput(entries, host, stdout, stderr), receivedBytes };
}

const isStream = (value: Value | OutputStream): value is OutputStream => 'chunks' in value;

function withOutput(
  { exitCode, signal, timedOut = false, startedAt, endedAt, ...cuts }: Entries,
  host: string,
  stdout: Uint8Array | Spooled,
  stderr: Uint8Array | Spooled,
): CommandResult {
  return {
    exitCode: exitCode ?? null,
    signal: signal ?? null,
    ...{ isTimedOut: timedOut, startedAt, endedAt, host },
    stdout: outputOf(stdout, cuts.stdoutCut?.bytes ?? 0),
    stderr: outputOf(stderr, cuts.stderrCut?.bytes ?? 0),
    sentBytes: 0,
    receivedBytes: 0,
  };
}

/** A file is read once, and gone then. */
function outputOf(data: Uint8Array | Spooled, truncated: number): CommandOutput {
  if (!isSpooled(data)) return { data, truncated };
  return {
    data: { bytes: data.bytes, read: () => readOnce(data.path) },
    truncated,
  };
}

async function* readOnce(path: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(path)) yield chunk as Buffer;
  await rm(path, { force: true });
}

/** A command that has no result, because its Drone could not run it. 255 is what ssh says of its own troubles. */
export function notRun(message: string, now: number): CommandResult {
  return {
    ...{ exitCode: 255, signal: null, isTimedOut: false, startedAt: now, endedAt: now, host: ':' },
    stdout: { data: new Uint8Array(), truncated: 0 },
    stderr: { data: Buffer.from(`hive run: ${message}\n`), truncated: 0 },
    sentBytes: 0,
    receivedBytes: 0,
  };
}

const STDERR = Buffer.from('\u00a6stderr', 'latin1');
/** The small entries and the name of what follows them are shorter than this. */
const ENTRIES_BYTES_MAX = 1_024;

/** The reader then stands behind the name of `stderr`. */
async function entriesOf(reader: ByteReader): Promise<{ entries: Entries; hasFiles: boolean }> {
  // The name is not there before all of the entries are; there are few bytes of them.
  const held: number[] = [];
  while (held.length < ENTRIES_BYTES_MAX) {
    const [byte] = await reader.take(1);
    if (byte === undefined) break;
    held.push(byte);
    const begin = held.length - STDERR.length;
    if (begin < 0 || byte !== STDERR.at(-1) || !Buffer.from(held.slice(begin)).equals(STDERR)) continue;
    return smallEntries(Buffer.from(held.slice(0, begin)));
  }
  throw notOne();
}

async function outputFrom(reader: ByteReader, spool: Spool): Promise<Uint8Array | Spooled> {
  const gathering = new Gathering(spool);
  const bytes = await binaryLength(reader);
  let missing = bytes;
  for await (const piece of reader.part(bytes)) {
    missing -= piece.length;
    await gathering.append(piece);
  }
  if (missing > 0) throw notOne();
  return await gathering.take();
}

async function expectName(reader: ByteReader, name: string): Promise<void> {
  const [, ...letters] = await reader.take(1 + name.length);
  if (Buffer.from(letters).toString('latin1') !== name) throw notOne();
}

const notOne = () => new UsageError('A result is not that of a command: is the Drone newer than this hive?');
