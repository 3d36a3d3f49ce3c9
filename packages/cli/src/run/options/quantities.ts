/** Numbers as GNU parallel writes them: sizes with prefixes, times with units, numbers of jobs, when to halt. */
import { UsageError } from '@hive/shared';

const BINARY = 'KMGTPEZYX';
const DECIMAL = 'kmgtpezyx';

/** `2M`, `10ki`, `1k`: bytes, or whatever is counted. @throws UsageError */
export function parseSize(option: string, text: string): number {
  const found = /^(\d+(?:\.\d+)?)(?:([kmgtpezyx])i|([KMGTPEZYX])|([kmgtpezyx]))?$/.exec(
    text.replace(/[KMGTPEZYX](?=i$)/, (letter) => letter.toLowerCase()),
  );
  if (found === null)
    throw new UsageError(`${option} takes a number, such as 100, 10k or 2M, not "${text}".`);
  const [, number, mebi, upper, lower] = found;
  if (mebi !== undefined) return Math.floor(Number(number) * 1024 ** (DECIMAL.indexOf(mebi) + 1));
  if (upper !== undefined) return Math.floor(Number(number) * 1024 ** (BINARY.indexOf(upper) + 1));
  if (lower !== undefined) return Math.floor(Number(number) * 1000 ** (DECIMAL.indexOf(lower) + 1));
  return Math.floor(Number(number));
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90`, `1.5`, `1m30s`: milliseconds. @throws UsageError */
export function parseDuration(option: string, text: string): number {
  const plain = /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : null;
  if (plain !== null) return plain * 1_000;
  if (text.endsWith('%'))
    throw new UsageError(`${option} as a percentage is not supported: write it in seconds.`, 'notSupported');
  if (text.endsWith('auto'))
    throw new UsageError(`${option} with "auto" is not supported: write it in seconds.`, 'notSupported');
  const parts = /^(?:\d+(?:\.\d+)?[dhms])+$/i.test(text) ? text.matchAll(/(\d+(?:\.\d+)?)([dhms])/gi) : null;
  if (parts === null)
    throw new UsageError(`${option} takes seconds, such as 10 or 1.5, or 1h30m; not "${text}".`);
  let seconds = 0;
  for (const [, number, unit] of parts) seconds += Number(number) * UNIT_SECONDS[unit!.toLowerCase()]!;
  return seconds * 1_000;
}

/**
 * `4`, `+2`, `-1`, `150%`, and `0` for as many as possible.
 * @param cpus how many slots 100 % are
 * @throws UsageError
 */
export function parseSlots(text: string, cpus: number): number {
  const found = /^([+-]?)(\d+)$/.exec(text);
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent !== null) return Math.max(1, Math.ceil((cpus * Number(percent[1])) / 100));
  if (found === null) {
    throw new UsageError(
      `-j takes a number: 4, +2, -1, 150% or 0; a file with the number in it is not supported ("${text}").`,
      'notSupported',
    );
  }
  const [, sign, digits] = found;
  const number = Number(digits);
  if (sign === '+') return cpus + number;
  if (sign === '-') return Math.max(1, cpus - number);
  return number === 0 ? Number.POSITIVE_INFINITY : number;
}

export interface Halt {
  readonly when: 'soon' | 'now';
  readonly on: 'fail' | 'success' | 'done';
  /** So many; or, if `isPercent`, so many of a hundred. */
  readonly count: number;
  readonly isPercent: boolean;
}

const OLD_FORMS: Readonly<Record<string, string>> = {
  '0': 'never',
  '1': 'soon,fail=1',
  '2': 'now,fail=1',
  '-1': 'soon,success=1',
  '-2': 'now,success=1',
};

/** Null is never. @throws UsageError */
export function parseHalt(text: string): Halt | null {
  const written = (OLD_FORMS[text] ?? text).replace(/^(\d+)%$/, 'soon,fail=$1%');
  if (written === 'never') return null;
  const found = /^(now|soon),(fail|success|done)[=,](\d+)(%?)$/.exec(written);
  if (found === null)
    throw new UsageError(
      `--halt takes never, or when and why, such as now,fail=1, soon,success=3 or soon,fail=10%; not "${text}".`,
    );
  const [, when, on, count, percent] = found;
  return {
    when: when as Halt['when'],
    on: on as Halt['on'],
    count: Number(count),
    isPercent: percent === '%',
  };
}

/** `\t`, `\n`, `\r`, `\0`, `\012` as printf reads them. */
export function unescaped(text: string): string {
  return text
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n')
    .replaceAll('\\r', '\r')
    .replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8) & 0xff))
    .replace(/\\([0-7])/g, (_, digit: string) => String.fromCharCode(Number.parseInt(digit, 8)));
}

/** As `unescaped`, for the separators of --pipe, where quotes and backslashes may be escaped too. */
export function unescapedSeparator(text: string): string {
  const letters: Readonly<Record<string, string>> = { '0': '\0', r: '\r', n: '\n', t: '\t' };
  return text.replace(/\\([0rnt'"\\])/g, (_, letter: string) => letters[letter] ?? letter);
}
