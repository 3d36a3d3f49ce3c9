/** How the files of `hive map --input` are read, and how that is guessed from their names. */
import { extname } from 'node:path';
import { UsageError } from '@hive/shared';

/**
 * `ndjson`: a JSON document per line; `csv`, `tsv`: a record per row; `lines`: a text per line; `paths`: the absolute path of
 * each file; `contents`: the bytes of each file.
 */
export type Format = 'ndjson' | 'csv' | 'tsv' | 'lines' | 'paths' | 'contents';
export const FORMATS: readonly (Format | 'auto')[] = [
  'auto',
  'ndjson',
  'csv',
  'tsv',
  'lines',
  'paths',
  'contents',
];

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.txt': 'lines',
  '.list': 'lines',
  '.log': 'lines',
  '': 'lines',
};

export const STANDARD_INPUT = '-';

/** @throws UsageError 'noFormat' when the name tells nothing */
export function formatOf(path: string, asked: Format | 'auto'): Format {
  if (asked !== 'auto') return asked;
  // What `hive map` prints is what another one reads.
  if (path === STANDARD_INPUT) return 'ndjson';
  const format = BY_EXTENSION[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  throw new UsageError(
    `How is ${path} to be read? Say --format ${FORMATS.slice(1).join(', ')}: "contents" gives each task the bytes of a file, "paths" its name.`,
    'noFormat',
  );
}
