/** From what a person typed to the values that tasks get. */
import { createReadStream } from 'node:fs';
import { UsageError } from '@hive/shared';
import { splitLines } from '../hash/lines.ts';
import { isSpooled, Spool } from '../hash/spool.ts';

/**
 * How words become values. `text`: as they stand. `json`: each is a JSON document. `auto`: whole numbers and what looks
 * like a JSON list or object are values, everything else is text; so nothing that reads as text is changed by it.
 */
export type Reading = 'auto' | 'text' | 'json';
export const READINGS: readonly Reading[] = ['auto', 'text', 'json'];

const WHOLE_NUMBER = /^(?:0|-?[1-9]\d*)$/;
const LIST_OR_OBJECT = /^\s*[[{]/;

/** @param isRaw whether the job takes bytes */
export function readWord(word: string, reading: Reading, isRaw: boolean): unknown {
  if (isRaw) return Buffer.from(word);
  if (reading === 'text') return word;
  if (reading === 'json') return parse(word);
  if (WHOLE_NUMBER.test(word) && Number.isSafeInteger(Number(word))) return Number(word);
  return LIST_OR_OBJECT.test(word) ? parse(word) : word;
}

function parse(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch (error) {
    const shown = word.length <= 40 ? word : `${word.slice(0, 40)}…`;
    throw new UsageError(
      `This input is not JSON: ${shown} (${(error as Error).message}). Use --as text to take inputs as they stand.`,
      'badInput',
    );
  }
}

/** The lines of a file, or of standard input for `-`, each as a value. @throws what the file cannot be read for */
export async function* valuesOfLines(
  path: string,
  reading: Reading,
  isRaw: boolean,
): AsyncGenerator<unknown> {
  const chunks = path === '-' ? process.stdin : createReadStream(path);
  for await (const line of splitLines(chunks, '\n'.charCodeAt(0), new Spool())) {
    if (isSpooled(line)) throw new UsageError('A line has more than 1 MiB; an input has at most that.');
    yield isRaw ? line : readWord(Buffer.from(line).toString('utf8'), reading, false);
  }
}
