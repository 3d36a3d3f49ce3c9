/** The job log, line for line as GNU parallel writes it, so that its readers and --resume of either understand it. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { UsageError } from '@hive/shared';
import { type ByteText, bytesOf, byteText } from '../byte-text.ts';
import type { CommandResult } from '../command-task.ts';
import type { Sink } from './sink.ts';

const HEADER = 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n';
/** What a command that ran out of time ended with, in GNU parallel's book. */
const TIMED_OUT = -1;

export interface LoggedCommand {
  readonly seq: number;
  readonly line: ByteText;
  readonly result: CommandResult;
  /** Bytes of standard input and files. */
  readonly sentBytes: number;
  /** Bytes of standard output and files. */
  readonly receivedBytes: number;
}

export function joblogLine({ seq, line, result, sentBytes, receivedBytes }: LoggedCommand): ByteText {
  const { host, startedAt, endedAt, exitCode, signal, isTimedOut } = result;
  const columns = [
    seq,
    byteText(host),
    (startedAt / 1_000).toFixed(3),
    ((endedAt - startedAt) / 1_000).toFixed(3).padStart(10),
    sentBytes,
    receivedBytes,
    isTimedOut ? TIMED_OUT : (exitCode ?? 0),
    signal ?? 0,
    // A line of the log is a line.
    line.replaceAll('\n', '\0'),
  ];
  return `${columns.join('\t')}\n`;
}

export class Joblog implements Disposable {
  readonly #sink: Sink | null;
  readonly #file: number | null;

  /**
   * @param path resolved; null for standard output
   * @throws UsageError if it cannot be written
   */
  constructor(path: string | null, stdout: Sink, appends: boolean) {
    this.#sink = path === null ? stdout : null;
    try {
      this.#file = path === null ? null : openSync(path, appends ? 'a' : 'w');
    } catch (error) {
      throw new UsageError(`The job log cannot be written: ${(error as Error).message}.`, 'badJoblog', {
        cause: error,
      });
    }
  }

  /** Must come first, unless an earlier log goes on. */
  writeHeader(): Promise<void> {
    return this.#write(HEADER);
  }
  add(command: LoggedCommand): Promise<void> {
    return this.#write(joblogLine(command));
  }

  async #write(text: ByteText): Promise<void> {
    if (this.#file !== null) writeSync(this.#file, bytesOf(text));
    else await this.#sink!.write(bytesOf(text));
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}
