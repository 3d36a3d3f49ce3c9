/** Stretches of integers as a person writes them. Both ends belong to them, as in the shell's `{0..9}` and in `seq`. */
import { UsageError } from '@hive/shared';

export interface Range {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** `0..9`, `10..1`, `0..100..10`. @throws UsageError 'badRange' */
export function parseRange(text: string): Range {
  const [, from, to, by] = /^(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?$/.exec(text.trim()) ?? [];
  const start = Number(from);
  const end = Number(to);
  const length = Math.abs(Number(by ?? 1));
  const isSound = [start, end, length].every(Number.isSafeInteger) && length > 0;
  if (!isSound) {
    throw new UsageError(
      `"${text}" is not a range. Write START..END or START..END..STEP in integers, for instance 0..9; both ends belong to it.`,
      'badRange',
    );
  }
  const count = Math.floor(Math.abs(end - start) / length) + 1;
  return { start, step: end < start ? -length : length, count };
}

/** More tasks are better ended with their job. */
const INDICES_MAX = 1_000_000;

/** `7`, `5-9`, `5..9`: the indices of tasks, sorted, each once. @throws UsageError 'badIndex' */
export function parseIndices(texts: readonly string[]): number[] {
  const found = new Set<number>();
  for (const text of texts.flatMap((some) => some.split(','))) {
    const [, from, to] = /^(\d+)(?:(?:-|\.\.)(\d+))?$/.exec(text) ?? [];
    const first = Number(from);
    const last = Number(to ?? from);
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || last < first) {
      throw new UsageError(`"${text}" is no index. Write one such as 7, or a range such as 5-9.`, 'badIndex');
    }
    if (found.size + last - first >= INDICES_MAX) {
      throw new UsageError(`At most ${INDICES_MAX} tasks can be named at once.`, 'badIndex');
    }
    for (let index = first; index <= last; index++) found.add(index);
  }
  return [...found].sort((a, b) => a - b);
}
