/** Tables for people: aligned columns, no frames, so that they can be read, copied and cut with standard tools. */
import Table from 'cli-table3';
import { oneLine } from './printable.ts';

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** A column: its heading, and on which side its cells are aligned. */
export interface Column {
  readonly head: string;
  readonly align?: 'left' | 'right';
}

export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: NO_FRAME,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => row.map(oneLine)));
  return withoutTrailingSpace(table.toString());
}

/** Pairs of a heading and what belongs to it, one a line. */
export function formatPairs(pairs: readonly (readonly [head: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([head]) => head.length)) + 2;
  return pairs.map(([head, value]) => `${head.padEnd(width)}${value}`).join('\n');
}

function withoutTrailingSpace(text: string): string {
  return text.replace(/[ \t]+$/gm, '');
}
