/** Rows cut into columns (--colsep), trimmed (--trim), and named by their first row (--header). */
import { UsageError } from '@hive/shared';
import { type ByteText, byteText, SPACES } from '../byte-text.ts';
import type { Row } from './combine.ts';

export type Trim = 'n' | 'l' | 'r' | 'lr';

/** @throws UsageError for a separator that is no regular expression */
export function columnPattern(source: string): RegExp {
  try {
    return new RegExp(byteText(source));
  } catch (error) {
    throw new UsageError(`--colsep "${source}" is not a regular expression: ${(error as Error).message}.`);
  }
}

export function splitColumns(row: Row, separator: RegExp): Row {
  return row.flatMap((value) => (value === '' ? [''] : value.split(separator).map((column) => column ?? '')));
}

const LEADING = new RegExp(`^[${SPACES}]+`);
const TRAILING = new RegExp(`[${SPACES}]+$`);

export function trimmed(value: ByteText, trim: Trim): ByteText {
  const from = trim === 'l' || trim === 'lr' ? value.replace(LEADING, '') : value;
  return trim === 'r' || trim === 'lr' ? from.replace(TRAILING, '') : from;
}

/** The names in a source's first row. */
export function namesIn(line: ByteText, separator: RegExp): ByteText[] {
  const names = line.replace(/\r$/, '').split(separator);
  // Nothing after the last separator is no name.
  while (names.at(-1) === '') names.pop();
  return names;
}

/** `{name}`, `{name.}` and the like become `{3}`, `{3.}`: the column's number. */
export function numberNames(text: ByteText, names: readonly ByteText[]): ByteText {
  let numbered = text;
  names.forEach((name, at) => {
    for (const ending of ['}', '/}', '//}', '.}', '/.}'])
      numbered = numbered.replaceAll(`{${name}${ending}`, `{${at + 1}${ending}`);
  });
  return numbered;
}
