/**
 * Results of a job on standard output, one a line; what failed goes to standard error. As text, a text is printed as it
 * is, bytes are bytes, of a command what it printed (each on its own stream), and everything else is JSON; with `--json`
 * every task is one JSON object, whatever became of it. A job's own value, if it has one, comes last.
 */
import type { TaskResult } from '@hive/client';
import type { Output } from '../output.ts';
import { jsonLine } from './json-value.ts';

const NEWLINE = Buffer.from('\n');

export class ResultLines {
  readonly #output: Output;
  readonly #isJson: boolean;
  readonly #kind: string;
  readonly #complain: (text: string) => void;

  constructor(output: Output, isJson: boolean, kind: string, complain: (text: string) => void) {
    this.#output = output;
    this.#kind = kind;
    this.#isJson = isJson;
    this.#complain = complain;
  }

  /** Null when more may be printed at once, else what to wait for. */
  print(result: TaskResult): Promise<void> | null {
    if (this.#isJson) return this.#output.write(Buffer.from(jsonLine(jsonOf(result))));
    if (result.outcome === 'succeeded') return this.#printValue(result.value);
    // A command may have printed something although it failed.
    if (result.value !== undefined) this.#printValue(result.value);
    // What was cancelled is no surprise to whoever cancelled it.
    if (result.outcome === 'cancelled') return null;
    this.#output.flush();
    this.#complain(`task ${result.index} ${wordsOf(result.outcome)}: ${result.error.message}`);
    return null;
  }

  /** What all results were folded into, or what a task has ended the job with. Like `print`. */
  printJobValue(value: unknown): Promise<void> | null {
    if (!this.#isJson) return this.#printValue(value);
    return this.#output.write(Buffer.from(jsonLine({ value: value ?? null })));
  }

  #printValue(value: unknown): Promise<void> | null {
    const printed = this.#kind === 'command' ? printedOf(value) : null;
    if (printed === null) return this.#output.write(lineOf(value));
    if (printed.stderr.length > 0) {
      this.#output.flush();
      process.stderr.write(printed.stderr);
    }
    return this.#output.write(printed.stdout);
  }
}

/** What a command printed; null: this is no command's result. */
function printedOf(value: unknown): { readonly stdout: Uint8Array; readonly stderr: Uint8Array } | null {
  const { stdout, stderr } = (value ?? {}) as { stdout?: unknown; stderr?: unknown };
  return stdout instanceof Uint8Array && stderr instanceof Uint8Array ? { stdout, stderr } : null;
}

function jsonOf({ index, outcome, value, error }: TaskResult): object {
  const hasValue = value !== undefined || outcome === 'succeeded';
  return { index, outcome, ...(hasValue ? { value: value ?? null } : {}), ...error };
}

function lineOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return Buffer.concat([value, NEWLINE]);
  return Buffer.from(typeof value === 'string' ? `${value}\n` : jsonLine(value));
}

const OUTCOMES: Readonly<Record<string, string>> = { timedOut: 'timed out', crashed: 'crashed' };

/** An outcome as people say it. */
export const wordsOf = (outcome: string): string => OUTCOMES[outcome] ?? outcome;
