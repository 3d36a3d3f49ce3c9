/** Reading what was typed. */
import { UsageError } from '@hive/shared';

export function positive(name: string): (value: unknown) => number | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    const n = Number(value);
    if (!Number.isInteger(n) || n < 1) throw new UsageError(`--${name} takes a whole number above 0.`);
    return n;
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
/** "1KiB", "64 KiB", "1GiB", "100". Null if it is none. */
export function parseBytes(text: string): number | null {
  const match = /^(\d+)\s*(|B|KiB|MiB|GiB)$/.exec(text.trim());
  return match === null ? null : Number(match[1]) * UNITS[match[2]!]!;
}

/** A size that fits a page. @throws UsageError */
export function parseSize(text: string): number {
  const size = parseBytes(text);
  if (size === null || size < 1 || size > 1024 ** 2) {
    throw new UsageError(`"${text}" is not a size that fits a page. Write 1KiB, 64KiB or 1MiB.`);
  }
  return size;
}
