/**
 * What a Drone says of a command that has ended, as GNU parallel's users know it. A result over 1 MiB is read piece by
 * piece: what the command printed goes into temporary files, where it may wait for its turn.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import {
  type OutputStream,
  type CommandOutput as Printed,
  type CommandResult as Reported,
  readCommandResult,
} from '@hive/client';
import { Gathering, isSpooled, type Spool, type Spooled } from '../../hash/spool.ts';
import type { CommandOutput, CommandResult } from '../command-task.ts';

/** Writes the files that come back. */
export type SaveFiles = NonNullable<Reported['saveFiles']>;

/**
 * @param value of a task of the kind `command`: decoded, or as a stream
 * @param save has the files written that come back, and says how many bytes those are
 * @throws UsageError when it is no command's result
 */
export async function resultOf(
  value: unknown,
  host: string,
  spool: Spool,
  save: (files: SaveFiles) => Promise<number>,
): Promise<CommandResult> {
  const reported = await readCommandResult(value);
  const { exitCode, signal, isTimedOut, startedAt, endedAt, saveFiles } = reported;
  const stderr = await gathered(reported.stderr, spool);
  const stdout = await gathered(reported.stdout, spool);
  const receivedBytes = saveFiles === null ? 0 : await save(saveFiles);
  if (isStream(value)) value.close();
  return {
    ...{ exitCode, signal, isTimedOut, startedAt, endedAt, host },
    ...{ stdout, stderr, sentBytes: 0, receivedBytes },
  };
}

const isStream = (value: unknown): value is OutputStream =>
  typeof (value as OutputStream | null)?.close === 'function';

async function gathered({ chunks, cut }: Printed, spool: Spool): Promise<CommandOutput> {
  const gathering = new Gathering(spool);
  for await (const chunk of chunks()) await gathering.append(chunk);
  return outputOf(await gathering.take(), cut?.bytes ?? 0);
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
