/**
 * The inputs of `hive map`, one per task, pulled only as fast as the Queen takes them, and for every task the place in the
 * files where its input came from.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileStream } from '@hive/client';
import { UsageError } from '@hive/shared';
import { readChunks, readContents, StandardInput } from '../hash/contents.ts';
import { isSpooled, Spool } from '../hash/spool.ts';
import { describeSystemError, isSystemError } from '../hash/system-error.ts';
import { filesOf } from './files.ts';
import { type Format, formatOf, STANDARD_INPUT } from './format.ts';
import { type CsvOptions, documentsOf, rowsOf, textsOf } from './records.ts';

export interface Sources {
  /** Names of files, patterns, and `-`. */
  readonly named: readonly string[];
  readonly format: Format | 'auto';
  /** Default: a comma, of `tsv` a tab. */
  readonly delimiter: string | undefined;
  readonly hasHeader: boolean;
}

/** A file with records, and the task of the first one. */
interface Begun {
  readonly name: string;
  readonly first: number;
  /** The whole file is one input. */
  readonly isWhole: boolean;
}

export class MapInputs {
  readonly #sources: Sources;
  readonly #input = new StandardInput();
  readonly #spool = new Spool();
  readonly #begun: Begun[] = [];
  #count = 0;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** @param found is called for each. @throws UsageError for what cannot be read or understood, with the place */
  async *values(found: () => void): AsyncGenerator<unknown> {
    for await (const path of filesOf(this.#sources.named)) {
      const format = formatOf(path, this.#sources.format);
      const name = path === STANDARD_INPUT ? 'standard input' : path;
      this.#begun.push({ name, first: this.#count, isWhole: format === 'paths' || format === 'contents' });
      try {
        for await (const value of this.#valuesOf(path, name, format)) {
          this.#count++;
          found();
          yield value;
        }
      } catch (error) {
        if (!isSystemError(error)) throw error;
        throw new UsageError(`${name}: ${describeSystemError(error)}.`, 'badInput');
      }
    }
  }

  /** `data.csv, record 4`, or the name of a file that is one input; null for a task that there is not. */
  originOf(index: number): string | null {
    let [low, high] = [0, this.#begun.length];
    // The last one that begins at the index or before; files without records begin where the next one does.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#begun[middle]!.first <= index) low = middle + 1;
      else high = middle;
    }
    const begun = this.#begun[low - 1];
    if (begun === undefined) return null;
    return begun.isWhole ? begun.name : `${begun.name}, record ${index - begun.first + 1}`;
  }

  #valuesOf(path: string, name: string, format: Format): AsyncIterable<unknown> | Iterable<unknown> {
    if (format === 'paths') return [resolve(path)];
    if (format === 'contents') return this.#contentsOf(path);
    const chunks = readChunks(Buffer.from(path), this.#input);
    if (format === 'lines') return textsOf(chunks, name, this.#spool);
    if (format === 'ndjson') return documentsOf(chunks, name, this.#spool);
    const { delimiter = format === 'tsv' ? '\t' : ',', hasHeader } = this.#sources;
    return rowsOf(chunks, name, { delimiter, hasHeader } satisfies CsvOptions);
  }

  /** Whole, or as a stream when it is large. */
  async *#contentsOf(path: string): AsyncGenerator<unknown> {
    const contents = await readContents(Buffer.from(path), this.#input, this.#spool);
    if ('named' in contents) yield fileStream(path);
    else if (contents instanceof Uint8Array) yield contents;
    else if (isSpooled(contents)) yield fileStream(contents.path);
  }
}

/** Whether all of these are there, before a job is made of them. @throws UsageError 'badInput' */
export async function mustExist(named: readonly string[]): Promise<void> {
  for await (const path of filesOf(named)) {
    if (path === STANDARD_INPUT) continue;
    try {
      await stat(path);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new UsageError(`${path}: ${describeSystemError(error)}.`, 'badInput');
    }
  }
}
