/** Why a slot's thread has ended, in words and as a code, with the end of what its task had printed. */
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { type OutputName, printedFile } from '../commands/printed-files.ts';
import { RENEWED } from './control-block.ts';
import { TooMuchInBuffers } from './memory.ts';

export interface Death {
  readonly message: string;
  /** `outOfMemory`, `exit` or `uncaught`, of a function; else absent. */
  readonly code?: string;
}
/** Where the task that ran has printed to; run 0: nowhere. */
export interface LastWords {
  readonly folder: string;
  readonly run: number;
  readonly position: number;
  /** It was in the reducer. */
  readonly isFolding: boolean;
}

/** Bytes of what was printed that are worth telling. */
const PRINTED_BYTES = 1_200;
const NAMES: readonly OutputName[] = ['stderr', 'stdout', 'events'];

/** @param thrown what the thread has thrown, null if nothing */
export function deathOf(
  thrown: unknown,
  exitCode: number,
  heapMiB: number | undefined,
  words: LastWords,
): Death {
  if (thrown === null && exitCode === RENEWED) return { message: 'its thread was to be replaced' };
  if (words.run === 0) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { message: thrown === null ? `the thread ended with exit code ${exitCode}` : message };
  }
  const who = words.isFolding ? 'The reducer' : 'The task';
  const { code, text } = reasonOf(who, thrown, exitCode, heapMiB);
  const printed = lastPrinted(words);
  return { code, message: printed === '' ? text : `${text}\nIt had printed:\n${printed}` };
}

function reasonOf(who: string, thrown: unknown, exitCode: number, heapMiB: number | undefined) {
  if (thrown === null) {
    return { code: 'exit', text: `${who} has ended its thread: process.exit(${exitCode}).` };
  }
  if ((thrown as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const limit = heapMiB === undefined ? 'the memory of its thread' : `the ${heapMiB} MiB of its thread`;
    return { code: 'outOfMemory', text: `${who} needed more than ${limit}.` };
  }
  if (thrown instanceof TooMuchInBuffers) {
    return { code: 'outOfMemory', text: `${who} had more than ${thrown.limitMiB} MiB in buffers.` };
  }
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { code: 'uncaught', text: `An error was thrown outside of the task's promise: ${userPart(text)}` };
}

const userPart = (stack: string): string => {
  const lines = stack.split('\n');
  const end = lines.findIndex((line) =>
    /^\s+at .*(?:node:internal|[/\\]drone[/\\](?:src|dist)[/\\])/.test(line),
  );
  return lines.slice(0, end < 0 ? 6 : Math.min(end, 6)).join('\n');
};

/** The end of what a task printed, from files that are nobody's any more; empty if there is nothing. */
export function lastPrinted({ folder, run, position }: Omit<LastWords, 'isFolding'>): string {
  const parts: string[] = [];
  for (const name of NAMES) {
    const path = printedFile(folder, run, position, name);
    const text = endOf(path);
    if (text === null) continue;
    unlinkSync(path);
    if (name !== 'events' && text.trim() !== '') parts.push(text.trimEnd());
  }
  return parts.join('\n');
}

/** Null if there is no such file. */
function endOf(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, PRINTED_BYTES));
    const count = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, count);
  } finally {
    closeSync(file);
  }
}
