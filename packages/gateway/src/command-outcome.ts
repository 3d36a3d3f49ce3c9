/** How the API tells of a command's end: the same fields in the lines of many results and in a job's only one. */
import type { CommandResult, CommandValue } from '@hive/client';

/** What a command's end is called in the API. Times are RFC 3339. */
export interface CommandOutcome {
  /** 128 and the signal's number where a signal ended it, as shells say it. */
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly timed_out?: true;
  /** Part of what was printed was left out. */
  readonly truncated?: true;
  /** With `truncated`: what was printed in all. */
  readonly stdout_bytes?: number;
  readonly stderr_bytes?: number;
}

/** One of its outputs, as far as it is told. */
export interface Told {
  readonly text: string;
  /** There was more of it. */
  readonly isCut: boolean;
  /** What was printed in all. */
  readonly bytes: number;
}

type End = Pick<CommandResult, 'exitCode' | 'signal' | 'isTimedOut' | 'startedAt' | 'endedAt'>;

const SIGNAL_EXIT = 128;

export function outcomeOf(
  { exitCode, signal, isTimedOut, startedAt, endedAt }: End,
  stdout: Told,
  stderr: Told,
): CommandOutcome {
  return {
    exit_code: exitCode ?? SIGNAL_EXIT + (signal ?? 0),
    stdout: stdout.text,
    stderr: stderr.text,
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(endedAt).toISOString(),
    ...(isTimedOut ? { timed_out: true } : {}),
    ...(stdout.isCut || stderr.isCut
      ? { truncated: true, stdout_bytes: stdout.bytes, stderr_bytes: stderr.bytes }
      : {}),
  };
}

/** A Drone may send anything. */
export function isCommandResult(value: unknown): value is CommandValue {
  const { stdout, stderr, startedAt, endedAt } = (value ?? {}) as Partial<CommandValue>;
  const hasOutput = stdout instanceof Uint8Array && stderr instanceof Uint8Array;
  return hasOutput && isTime(startedAt) && isTime(endedAt);
}
const isTime = (value: unknown): boolean =>
  typeof value === 'number' && !Number.isNaN(new Date(value).getTime());

export function outcomeOfWhole(entries: CommandValue): CommandOutcome {
  const { exitCode = null, signal = null, timedOut = false, startedAt, endedAt } = entries;
  return outcomeOf(
    { exitCode, signal, isTimedOut: timedOut, startedAt, endedAt },
    toldWhole(entries.stdout, entries.stdoutCut),
    toldWhole(entries.stderr, entries.stderrCut),
  );
}

function toldWhole(kept: Uint8Array, cut: CommandValue['stdoutCut']): Told {
  return { text: textOf(kept), isCut: cut !== undefined, bytes: kept.length + (cut?.bytes ?? 0) };
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
