/**
 * What a Drone says of a command that has ended, as GNU parallel's users know it. A result over 1 MiB is read once, piece
 * by piece: what the command printed goes into temporary files, where it may wait for its turn.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { OutputStream } from '@hive/client';
import { decodeMsgpack, UsageError } from '@hive/shared';
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
type Value = Entries & { readonly stdout: Uint8Array; readonly stderr: Uint8Array };

/** @param value of a task of the kind `command`: decoded, or as a stream */
export async function resultOf(
  value: Value | OutputStream,
  host: string,
  spool: Spool,
): Promise<CommandResult> {
  if (!isStream(value)) return withOutput(value, host, value.stdout, value.stderr);
  const reader = new ResultReader(value.chunks());
  const entries = await reader.entries();
  const stderr = await reader.output('stderr', spool);
  const stdout = await reader.output('stdout', spool);
  await reader.end();
  return withOutput(entries, host, stdout, stderr);
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
const LARGEST_HEADER_BYTES = 5;

/** A map in msgpack whose last two entries are byte strings, `stderr` and then `stdout`. */
class ResultReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #isAtEnd = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async entries(): Promise<Entries> {
    await this.#hold(ENTRIES_BYTES_MAX);
    const end = this.#held.indexOf(STDERR);
    if (end < 0) throw notOne();
    const small = Buffer.from(this.#held.subarray(0, end));
    // Two entries less than it says.
    small[0] = small[0]! - 2;
    this.#held = this.#held.subarray(end);
    return decodeMsgpack(small) as unknown as Entries;
  }

  async output(name: 'stdout' | 'stderr', spool: Spool): Promise<Uint8Array | Spooled> {
    await this.#hold(1 + name.length + LARGEST_HEADER_BYTES);
    if (this.#held.toString('latin1', 1, 1 + name.length) !== name) throw notOne();
    this.#held = this.#held.subarray(1 + name.length);
    const gathering = new Gathering(spool);
    for (let missing = this.#lengthOfBytes(); missing > 0; ) {
      await this.#hold(1);
      if (this.#held.length === 0) throw notOne();
      const piece = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(piece.length);
      missing -= piece.length;
      await gathering.append(piece);
    }
    return await gathering.take();
  }

  /** Read to the end, it is not wanted any more. */
  async end(): Promise<void> {
    while (!this.#isAtEnd) await this.#more();
  }

  #lengthOfBytes(): number {
    const [first, held] = [this.#held[0], this.#held];
    const sizes: Readonly<Record<number, number>> = { 196: 1, 197: 2, 198: 4 };
    const size = first === undefined ? undefined : sizes[first];
    if (size === undefined || held.length < 1 + size) throw notOne();
    this.#held = held.subarray(1 + size);
    return held.readUIntBE(1, size);
  }

  /** Until so many bytes are held, or there are no more. */
  async #hold(bytes: number): Promise<void> {
    while (this.#held.length < bytes && !this.#isAtEnd) await this.#more();
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#chunks.next();
    if (done === true) this.#isAtEnd = true;
    else this.#held = this.#held.length === 0 ? Buffer.from(value) : Buffer.concat([this.#held, value]);
  }
}

const notOne = () => new UsageError('A result is not that of a command: is the Drone newer than this hive?');
