/** Lengths of time as people write them: milliseconds, or a text such as "1.5s". */
import { UsageError } from '@hive/shared';

/** Milliseconds, or a text: "500ms", "10s", "5m", "2h", "7d". */
export type Duration = number | string;

const UNIT_MILLIS = new Map([
  ['', 1],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const FORM = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/;

/**
 * Whole milliseconds; a length above zero never becomes zero.
 * @param what what it is for, as the caller knows it: the name of an option
 * @throws UsageError 'badDuration'
 */
export function millisOf(what: string, duration: Duration): number {
  const millis = typeof duration === 'number' ? duration : parse(duration);
  if (millis >= 0 && Number.isSafeInteger(Math.ceil(millis))) return Math.ceil(millis);
  throw new UsageError(
    `${what}: ${JSON.stringify(duration)} is not a length of time. Write milliseconds, or a number with ms, s, m, h or d: "500ms", "1.5s", "5m", "2h", "7d".`,
    'badDuration',
  );
}

/** NaN for what is no length of time. */
function parse(text: string): number {
  const [, number, unit] = FORM.exec(text.trim().toLowerCase()) ?? [];
  return Number(number) * (UNIT_MILLIS.get(unit ?? '?') ?? Number.NaN);
}
