/**
 * What a Queen or a Drone says while it runs: a line for people on standard output and, with `--log-file`, the same as
 * one JSON object a line. A reader of standard output that goes away ends nothing here: the process has work to do.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { UsageError } from '@hive/shared';

export class Journal {
  readonly #file: number | null;

  /** @throws UsageError when the log file cannot be written */
  constructor(logFile: string | undefined) {
    this.#file = logFile === undefined ? null : openLog(logFile);
  }

  /** `text` is for people; `event` and its fields are what a program would want to know. */
  say(text: string, event: string, fields: object = {}): void {
    process.stdout.write(`${text}\n`);
    this.log(text, event, fields);
  }

  /** Only for the log file. */
  log(text: string, event: string, fields: object = {}): void {
    if (this.#file === null) return;
    const entry = { time: new Date().toISOString(), event, ...fields, text };
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new UsageError(
      `The log file ${path} cannot be written: ${(error as Error).message}`,
      'badLogFile',
      { cause: error },
    );
  }
}

/** Lines about single tasks and jobs that are printed in one second; the rest is only counted. */
const LINES_PER_SECOND_MAX = 20;

/** Keeps a terminal readable: of what may come a thousand times a second, a few lines, and the rest as a number. */
export class Chatter {
  readonly #journal: Journal;
  #windowEndsAt = 0;
  #said = 0;
  #tasks = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  say(text: string, event: string, fields: object = {}): void {
    this.#journal.say(text, event, fields);
  }

  /** Prints it, unless too much was printed in this second. `tasks`: how many finished tasks the line stands for. */
  maybeSay(text: string, event: string, fields: object = {}, tasks = 0): void {
    const now = performance.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + 1_000;
      this.#said = 0;
    }
    if (this.#said >= LINES_PER_SECOND_MAX) return;
    this.#said++;
    this.#tasks += tasks;
    this.#journal.say(text, event, fields);
  }

  /** Finished tasks that got a line since this was last asked. */
  takeTasks(): number {
    const tasks = this.#tasks;
    this.#tasks = 0;
    return tasks;
  }
}
