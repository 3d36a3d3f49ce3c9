/** All of a run's values as a lazy stream of rows, with the names of their columns: from sources to what commands take. */
import { UsageError } from '@hive/shared';
import { type ByteText, byteText } from '../byte-text.ts';
import type { InputSettings } from '../options/settings.ts';
import type { BatchRow } from './batches.ts';
import { namesIn, splitColumns } from './columns.ts';
import { combine, type LinkedSource } from './combine.ts';
import { type Replayable, replayable } from './replayable.ts';
import type { Source } from './separators.ts';

export interface RowInput {
  /** Of the columns; empty without --header. */
  readonly names: readonly ByteText[];
  /** @param isLast nobody will go through them again, so that what comes through a pipe need not be kept */
  rows(isLast: boolean): AsyncGenerator<BatchRow>;
}

export interface InputPlace {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly resolvePath: (path: string) => string;
  /** Something that a person should know, but that stops nothing. */
  readonly warn: (text: string) => void;
}

/**
 * @param sources of the command line; standard input if there are none
 * @throws UsageError for what cannot be read
 */
export async function openRows(
  sources: readonly Source[],
  settings: InputSettings,
  place: InputPlace,
): Promise<RowInput> {
  const files = settings.files.map((path): Source => ({ from: { type: 'file', path }, isLinked: false }));
  const all = [...files, ...sources];
  if (all.length === 0) all.push({ from: { type: 'file', path: '-' }, isLinked: false });
  checkStdinOnce(all);
  const open: LinkedSource[] = [];
  const names: ByteText[] = [];
  for (const [at, { from, isLinked }] of all.entries()) {
    const skipped = at === 0 && settings.skipsFirstLine ? 1 : 0;
    let source = await replayable(from, { ...place, rules: settings.records, skipped });
    if (settings.header === 'names') {
      names.push(...namesIn(await firstOf(source), settings.columns!));
      source = withoutFirst(source);
    }
    if (settings.header === 'files') names.push(from.type === 'file' ? byteText(from.path) : String(at + 1));
    open.push({ source, isLinked });
  }
  return { names, rows: (isLast) => rowsOf(open, settings, place, isLast) };
}

function checkStdinOnce(sources: readonly Source[]): void {
  const readers = sources.filter(({ from }) => from.type === 'file' && from.path === '-');
  if (readers.length > 1)
    throw new UsageError('Standard input can be only one of the sources: name "-" once.', 'badInput');
}

async function* rowsOf(
  sources: readonly LinkedSource[],
  { isAllLinked, columns, isDiscarding }: InputSettings,
  { warn }: InputPlace,
  isLast: boolean,
): AsyncGenerator<BatchRow> {
  let isWarned = false;
  for await (const row of combine(sources, isAllLinked, isLast)) {
    let values = columns === null ? row : splitColumns(row, columns);
    if (values.some((value) => value.includes('\0'))) {
      if (!isWarned)
        warn('A NUL in the input was replaced with \\0: no command can be given one. Was -0 meant?');
      isWarned = true;
      values = values.map((value) => value.replaceAll('\0', '\\0'));
    }
    yield isDiscarding ? values.map(() => null) : values;
  }
}

async function firstOf(source: Replayable): Promise<ByteText> {
  const reader = source.values();
  const first = await reader.next();
  await reader.return(undefined);
  return first.done === true ? '' : first.value;
}

function withoutFirst(source: Replayable): Replayable {
  return {
    async *values() {
      let isFirst = true;
      for await (const value of source.values()) {
        if (!isFirst) yield value;
        isFirst = false;
      }
    },
    readOnce: () => source.readOnce(),
  };
}
