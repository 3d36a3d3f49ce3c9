/** Operators that keep lists: `concat`, `top` and `merge`. All of them keep the order of the tasks. */
import type { Operator } from './operator.ts';
import { compareKeys, keyOf, notReducible, typeName } from './order.ts';

/** Parts that are put end to end when they are needed, so that adding one costs no copy of what was there. */
interface Parts {
  readonly of: 'a text' | 'a list' | 'bytes';
  parts: unknown[];
}

/** Texts, lists or byte strings, end to end in the order of the tasks. */
export function concat(): Operator<Parts> {
  const of = (value: unknown): Parts => {
    const type = typeName(value);
    if (type !== 'a text' && type !== 'a list' && type !== 'bytes')
      throw notReducible(`concat joins texts, lists or bytes, and the task gave ${type}`);
    return { of: type, parts: [value] };
  };
  const merge = (to: Parts, next: Parts): Parts => {
    if (to.of !== next.of) throw notReducible(`concat cannot join ${to.of} and ${next.of}`);
    for (const part of next.parts) to.parts.push(part);
    return to;
  };
  return {
    isLooking: true,
    of,
    add: (to, value) => merge(to, of(value)),
    merge,
    pack: joined,
    unpack: of,
    result: (folded) => (folded === null ? [] : joined(folded)),
  };
}

function joined(folded: Parts): unknown {
  const { of, parts } = folded;
  if (parts.length > 1) folded.parts = [end(of, parts)];
  return folded.parts[0];
}
function end(of: Parts['of'], parts: readonly unknown[]): unknown {
  if (of === 'a text') return parts.join('');
  if (of === 'a list') return (parts as unknown[][]).flat(1);
  let length = 0;
  for (const part of parts as Uint8Array[]) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts as Uint8Array[]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The k largest, the largest first; of equal ones those of earlier tasks first. */
export function top(k: number, by?: string): Operator<unknown[]> {
  const add = (kept: unknown[], value: unknown): unknown[] => {
    const key = keyOf(value, by);
    let low = 0;
    let high = kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(keyOf(kept[middle], by), key) >= 0) low = middle + 1;
      else high = middle;
    }
    if (low < k) kept.splice(low, 0, value);
    if (kept.length > k) kept.length = k;
    return kept;
  };
  return {
    isLooking: true,
    of: (value) => add([], value),
    add,
    merge: (kept, next) => next.reduce(add, kept) as unknown[],
    pack: (kept) => kept,
    unpack: (packed) => listOf(packed, 'top'),
    result: (kept) => kept ?? [],
  };
}

/** Sorted lists become one sorted list, the smallest first; of equal ones those of earlier tasks first. */
export function merge(by?: string): Operator<unknown[][]> {
  const of = (value: unknown): unknown[][] => [sorted(listOf(value, 'merge'), by)];
  return {
    isLooking: true,
    of,
    add: (lists, value) => {
      lists.push(of(value)[0]!);
      return lists;
    },
    merge: (lists, next) => {
      for (const list of next) lists.push(list);
      return lists;
    },
    pack: (lists) => {
      const all = mergeAll(lists, by);
      lists.splice(0, lists.length, all);
      return all;
    },
    unpack: (packed) => [listOf(packed, 'merge')],
    result: (lists) => (lists === null ? [] : mergeAll(lists, by)),
  };
}

function listOf(value: unknown, op: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw notReducible(`${op} takes lists, and the task gave ${typeName(value)}`);
}
function sorted(list: unknown[], by: string | undefined): unknown[] {
  for (let i = 0; i < list.length; i++) {
    const key = keyOf(list[i], by);
    if (i > 0 && compareKeys(keyOf(list[i - 1], by), key) > 0)
      throw notReducible(`merge takes sorted lists, and of this one the values at ${i - 1} and ${i} are not`);
  }
  return list;
}

/** Neighbours by twos, so that every value is moved a few times only. */
function mergeAll(lists: readonly unknown[][], by: string | undefined): unknown[] {
  let round: readonly unknown[][] = lists;
  while (round.length > 1) {
    const next: unknown[][] = [];
    for (let i = 0; i < round.length; i += 2)
      next.push(i + 1 < round.length ? mergeTwo(round[i]!, round[i + 1]!, by) : round[i]!);
    round = next;
  }
  return round[0] ?? [];
}
function mergeTwo(a: readonly unknown[], b: readonly unknown[], by: string | undefined): unknown[] {
  const all: unknown[] = [];
  let i = 0;
  for (const value of b) {
    const key = keyOf(value, by);
    while (i < a.length && compareKeys(keyOf(a[i], by), key) <= 0) all.push(a[i++]);
    all.push(value);
  }
  while (i < a.length) all.push(a[i++]);
  return all;
}
