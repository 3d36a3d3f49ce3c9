/**
 * Folding encoded values into one encoded value: a run of finished tasks (in the slots), or folded values of neighbours (in a
 * lease of their own). A value over 1 MiB is no value, so a run that would give one is folded in halves.
 */
import { UsageError } from '../errors.ts';
import { encodeHiveJs } from '../hive-js/index.ts';
import { LIMITS } from '../limits.ts';
import type { Encoding } from '../messages.ts';
import { type Page, PageCutter, sizeAt } from '../page.ts';
import { encodeMsgpack, readValue } from '../values.ts';
import type { Operator } from './operator.ts';

/** The next `count` tasks of a run: their one value, or (of one task) why it cannot be folded. */
export type Folded =
  | { readonly count: number; readonly data: Uint8Array }
  | { readonly count: 1; readonly data: null; readonly message: string; readonly code: string };

/** Folds positions [from, to) of a page, counted from its first value, in order. */
export function foldValues(
  operator: Operator,
  encoding: Encoding,
  page: Page,
  from: number,
  to: number,
): Folded[] {
  const cutter = new PageCutter(page);
  const folds: Folded[] = [];
  let start = from;
  let folded: unknown = null;
  const flush = (end: number) => {
    if (end > start) folds.push(...encoded(operator, encoding, page, start, end, folded));
    start = end + 1;
  };
  for (let position = from; position < to; position++) {
    try {
      const value = operator.isLooking
        ? readValue(page.data, cutter.offsetOf(position), sizeAt(page, position), encoding)
        : undefined;
      folded = position === start ? operator.of(value) : operator.add(folded, value);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      flush(position);
      folds.push({ count: 1, data: null, message: error.message, code: error.code });
    }
  }
  flush(to);
  return folds;
}

function encoded(
  operator: Operator,
  encoding: Encoding,
  page: Page,
  from: number,
  to: number,
  folded: unknown,
): Folded[] {
  try {
    return [{ count: to - from, data: encodeFolded(encoding, operator.pack(folded)) }];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (to - from === 1) return [{ count: 1, data: null, message: error.message, code: error.code }];
  }
  const middle = from + Math.ceil((to - from) / 2);
  return [
    ...foldValues(operator, encoding, page, from, middle),
    ...foldValues(operator, encoding, page, middle, to),
  ];
}

/**
 * Merges the folded values of neighbours, given as one list.
 * @throws UsageError ('notReducible', 'tooLarge') when they make no value
 */
export function foldedInput(operator: Operator, encoding: Encoding, list: unknown): Uint8Array {
  if (!Array.isArray(list) || list.length === 0) throw new UsageError('a fold of nothing', 'notReducible');
  let folded = operator.unpack(list[0]);
  for (let i = 1; i < list.length; i++) folded = operator.merge(folded, operator.unpack(list[i]));
  return encodeFolded(encoding, operator.pack(folded));
}

/** A folded value as it travels. @throws UsageError ('notReducible', 'tooLarge', 'badValue') when it cannot */
export function encodeFolded(encoding: Encoding, value: unknown): Uint8Array {
  if (encoding === 'raw') throw new UsageError('raw bytes cannot be folded', 'notReducible');
  const bytes = encoding === 'hive-js' ? encodeHiveJs(value) : encodeMsgpack(value);
  if (bytes.length <= LIMITS.valueBytesMax) return bytes;
  throw new UsageError(
    `the folded value has ${bytes.length} bytes, and at most ${LIMITS.valueBytesMax} are allowed. ${FOLD_INTO_LESS}`,
    'tooLarge',
  );
}
/** What to do about a value that is too large to be folded. */
export const FOLD_INTO_LESS =
  'Fold into less (the largest only, counts by group), or leave "reduce" out: results that are not folded may have any size, and are read one by one';
