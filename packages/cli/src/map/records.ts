/**
 * The inputs in one file: a JSON document, a row or a text per task. Everything passes through in pieces, so a file may be
 * larger than memory; one line may not (1 MiB).
 */
import { UsageError } from '@hive/shared';
import { type CsvError, parse } from 'csv-parse';
import { splitLines } from '../hash/lines.ts';
import { isSpooled, type Spool } from '../hash/spool.ts';

export interface CsvOptions {
  /** One character. */
  readonly delimiter: string;
  /** The first row names the columns, and a record is an object; else it is a list. */
  readonly hasHeader: boolean;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = /^\uFEFF/;

/** One text per line, without its end. @throws UsageError for a line that is longer than an input may be */
export async function* textsOf(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  spool: Spool,
): AsyncGenerator<string> {
  let number = 0;
  for await (const line of splitLines(chunks, NEWLINE, spool)) {
    number++;
    if (isSpooled(line)) {
      throw new UsageError(`${name}:${number}: this line has more than 1 MiB; an input has at most that.`);
    }
    const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
    const text = Buffer.from(line.buffer, line.byteOffset, end).toString('utf8');
    yield number === 1 ? text.replace(BYTE_ORDER_MARK, '') : text;
  }
}

/** One JSON document per line; lines without one are left out. @throws UsageError 'badInput', with the line */
export async function* documentsOf(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  spool: Spool,
): AsyncGenerator<unknown> {
  let number = 0;
  for await (const text of textsOf(chunks, name, spool)) {
    number++;
    if (text.trim() !== '') yield documentOf(text, name, number);
  }
}

function documentOf(text: string, name: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      `${name}:${line}: this is not JSON (${(error as Error).message}). Use --format lines to take lines as they stand.`,
      'badInput',
    );
  }
}

/** One record per row, all values as texts. @throws UsageError 'badInput', with the line */
export async function* rowsOf(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  { delimiter, hasHeader }: CsvOptions,
): AsyncGenerator<unknown> {
  const parser = parse({ columns: hasHeader, delimiter, bom: true, skip_empty_lines: true });
  const fed = feed(chunks, parser);
  try {
    yield* parser as AsyncIterable<unknown>;
    await fed;
  } catch (error) {
    if ((error as CsvError).code?.startsWith('CSV_') !== true) throw error;
    throw new UsageError(`${name}: ${(error as Error).message}.`, 'badInput');
  } finally {
    parser.destroy();
    await fed;
  }
}

/** As fast as the parser takes it; an error of the source becomes the parser's. Never rejects. */
async function feed(chunks: AsyncIterable<Uint8Array>, parser: ReturnType<typeof parse>): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (parser.destroyed) return;
      if (!parser.write(chunk)) await drained(parser);
    }
    parser.end();
  } catch (error) {
    parser.destroy(error as Error);
  }
}

function drained(parser: ReturnType<typeof parse>): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      parser.off('drain', go);
      parser.off('close', go);
      resolve();
    };
    parser.once('drain', go);
    parser.once('close', go);
  });
}
