/**
 * The folder of one command's results, named after its values: `1/a/2/b`, or `colour/red/size/L` with --header.
 *
 * Source: GNU parallel's manual under --results.
 */
import type { ByteText } from '../byte-text.ts';
import type { BatchRow } from '../input/batches.ts';

/** Longest name of a folder that every file system takes. */
const NAME_BYTES_MAX = 255;

/** @param names of the columns; a column without one is called by its number */
export function resultsFolder(rows: readonly BatchRow[], names: readonly ByteText[]): ByteText {
  const parts: ByteText[] = [];
  for (const row of rows) {
    const columns = row.map((value, at) => ({ name: names[at] ?? String(at + 1), value: value ?? '' }));
    columns.sort(
      (a, b) => numberIn(a.name) - numberIn(b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    );
    for (const { name, value } of columns) parts.push(name, escaped(value).slice(0, NAME_BYTES_MAX));
  }
  return parts.join('/');
}

/** What a name is worth as a number: its digits at the beginning. */
function numberIn(name: ByteText): number {
  return Number(/^\s*[-+]?\d+(\.\d+)?/.exec(name)?.[0] ?? 0);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\0': '\\0', '/': '\\_' };

function escaped(value: ByteText): ByteText {
  return value.replace(/[\\\t\0/]/g, (character) => ESCAPES[character]!);
}
