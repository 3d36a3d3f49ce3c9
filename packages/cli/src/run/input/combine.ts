/**
 * Several sources made one stream of rows: every combination (the last source changes fastest), in step where they are
 * linked with `+` (as long as the shortest), or all in step with --link (as long as the longest, shorter ones again).
 */
import type { ByteText } from '../byte-text.ts';
import type { Replayable } from './replayable.ts';

export type Row = readonly ByteText[];

export interface LinkedSource {
  readonly source: Replayable;
  readonly isLinked: boolean;
}

/** @param isLast nobody will go through the sources again */
export async function* combine(
  sources: readonly LinkedSource[],
  isAllLinked: boolean,
  isLast: boolean,
): AsyncGenerator<Row> {
  if (sources.length === 1) {
    const { source } = sources[0]!;
    if (isLast) source.readOnce();
    for await (const value of source.values()) yield [value];
    return;
  }
  if (isAllLinked) {
    yield* inStep(sources.map(({ source }) => source));
    return;
  }
  const groups = groupsOf(sources);
  if (isLast) for (const { source } of groups[0]!) source.readOnce();
  yield* combinations(groups, 0, []);
}

/** Consecutive sources that go in step. */
function groupsOf(sources: readonly LinkedSource[]): LinkedSource[][] {
  const groups: LinkedSource[][] = [];
  for (const source of sources) {
    if (source.isLinked && groups.length > 0) groups.at(-1)!.push(source);
    else groups.push([source]);
  }
  return groups;
}

async function haveValue(sources: readonly LinkedSource[]): Promise<boolean> {
  for (const { source } of sources) {
    const reader = source.values();
    const first = await reader.next();
    await reader.return(undefined);
    if (first.done !== true) return true;
  }
  return false;
}

async function* combinations(groups: LinkedSource[][], at: number, before: Row[]): AsyncGenerator<Row> {
  const group = groups[at];
  if (group === undefined) {
    yield before.flat();
    return;
  }
  let isEmpty = true;
  for await (const row of shortest(group.map(({ source }) => source))) {
    isEmpty = false;
    yield* combinations(groups, at + 1, [...before, row]);
  }
  // A source without any value counts as one empty value, unless there is none in any other either.
  if (!isEmpty || (at === 0 && !(await haveValue(groups.slice(1).flat())))) return;
  yield* combinations(groups, at + 1, [...before, group.map(() => '')]);
}

async function* shortest(sources: readonly Replayable[]): AsyncGenerator<Row> {
  const readers = sources.map((source) => source.values());
  try {
    for (;;) {
      const row: ByteText[] = [];
      for (const reader of readers) {
        const next = await reader.next();
        if (next.done === true) return;
        row.push(next.value);
      }
      yield row;
    }
  } finally {
    for (const reader of readers) await reader.return(undefined);
  }
}

async function* inStep(sources: readonly Replayable[]): AsyncGenerator<Row> {
  const readers = sources.map((source) => ({
    source,
    values: source.values(),
    isOver: false,
    isEmpty: true,
  }));
  for (;;) {
    const row: ByteText[] = [];
    for (const reader of readers) {
      let next = await reader.values.next();
      if (next.done === true) {
        reader.isOver = true;
        if (!reader.isEmpty) reader.values = reader.source.values();
        next = await reader.values.next();
      }
      if (next.done !== true) reader.isEmpty = false;
      row.push(next.done === true ? '' : next.value);
    }
    if (readers.every(({ isOver }) => isOver)) return;
    yield row;
  }
}
