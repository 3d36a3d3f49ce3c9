/**
 * A source of values that can be gone through more than once, as combining several of them needs. Values of the command
 * line are there anyway and a regular file is read again; only what cannot be (a pipe, standard input) is remembered.
 *
 * So a source of a billion lines takes no memory, unless it comes through a pipe and is combined with others.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { UsageError } from '@hive/shared';
import { type ByteText, byteText } from '../byte-text.ts';
import { applyRules, type RecordRules, splitRecords, splitValues } from './records.ts';
import type { SourceKind } from './separators.ts';

export interface Replayable {
  /** All values from the first; to be read once at a time. */
  values(): AsyncGenerator<ByteText>;
  /** Says that it is gone through only once more, so that nothing has to be kept. */
  readOnce(): void;
}

export interface ReplayOptions {
  readonly rules: RecordRules;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly resolvePath: (path: string) => string;
  /** Leave out the first record (--skip-first-line), or take it as names (--header). */
  readonly skipped: number;
}

/** @throws UsageError for a file that cannot be read */
export async function replayable(from: SourceKind, options: ReplayOptions): Promise<Replayable> {
  const { rules, stdin, resolvePath, skipped } = options;
  if (from.type === 'values') {
    const values = from.values.map(byteText);
    return {
      values: () => skip(applyRules(splitValues(values, rules.delimiter), rules), skipped),
      readOnce() {},
    };
  }
  if (from.path === '-') return new Remembered(skip(read(stdin, rules), skipped));
  const path = resolvePath(from.path);
  const isRegular = await checkReadable(path, from.path);
  const values = () => skip(read(createReadStream(path), rules), skipped);
  return isRegular ? { values, readOnce() {} } : new Remembered(values());
}

const read = (chunks: AsyncIterable<Uint8Array>, rules: RecordRules) =>
  applyRules(splitRecords(chunks, rules.delimiter), rules);

async function* skip(values: AsyncGenerator<ByteText>, count: number): AsyncGenerator<ByteText> {
  let left = count;
  for await (const value of values) {
    if (left > 0) left--;
    else yield value;
  }
}

async function checkReadable(path: string, written: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) return found.isFile();
  } catch (error) {
    throw new UsageError(
      `${written} cannot be read: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message}.`,
      'badInput',
      { cause: error },
    );
  }
  throw new UsageError(`${written} is a folder; name a file that lists the values.`, 'badInput');
}

/** Reads on only as far as somebody has come, and keeps what was read if it may be asked for again. */
class Remembered implements Replayable {
  readonly #source: AsyncGenerator<ByteText>;
  readonly #known: ByteText[] = [];
  #isAllKnown = false;
  #isKept = true;

  constructor(source: AsyncGenerator<ByteText>) {
    this.#source = source;
  }

  async *values(): AsyncGenerator<ByteText> {
    for (let at = 0; ; at++) {
      if (at < this.#known.length) {
        yield this.#known[at]!;
        continue;
      }
      if (this.#isAllKnown) return;
      const next = await this.#source.next();
      if (next.done === true) {
        this.#isAllKnown = true;
        return;
      }
      if (this.#isKept) this.#known.push(next.value);
      else at--;
      yield next.value;
    }
  }

  readOnce(): void {
    this.#isKept = false;
  }
}
