/**
 * Operators that keep one number, or one value.
 *
 * `sum` is exact for integers of any size: what leaves the 53 bits of a number goes on as a BigInt, and travels as a text of
 * decimal digits. Floats are summed with Neumaier's compensation (Neumaier 1974, an improved Kahan-Babuška), so the error does not
 * grow with the number of tasks; but where intervals are cut depends on the run, and so may the last bit.
 */
import type { Operator } from './operator.ts';
import { compareKeys, type Key, keyOf, notReducible, typeName } from './order.ts';

/** A sum of integers (`big` + `small`) and one of floats (`float` + `carry`), kept apart. */
interface Sum {
  big: bigint;
  /** Always a safe integer. */
  small: number;
  hasFloats: boolean;
  float: number;
  carry: number;
}

export function sum(): Operator<Sum> {
  const nothing = (): Sum => ({ big: 0n, small: 0, hasFloats: false, float: 0, carry: 0 });
  return {
    isLooking: true,
    of: (value) => addValue(nothing(), value),
    add: addValue,
    merge: (to, other) => {
      to.big += other.big;
      addWhole(to, other.small);
      if (!other.hasFloats) return to;
      addFloat(to, other.float);
      to.carry += other.carry;
      return to;
    },
    pack: (folded) => {
      const whole = plainWhole(wholeOf(folded));
      return folded.hasFloats ? [whole, folded.float, folded.carry] : whole;
    },
    unpack: (packed) => {
      const [whole, float, carry] = Array.isArray(packed) ? packed : [packed, null, null];
      const folded = nothing();
      if (typeof whole === 'string' && /^-?\d+$/.test(whole)) folded.big = BigInt(whole);
      else if (Number.isSafeInteger(whole)) folded.small = whole as number;
      else throw notReducible('a sum that is none');
      if (float === null) return folded;
      if (typeof float !== 'number' || typeof carry !== 'number') throw notReducible('a sum that is none');
      return { ...folded, hasFloats: true, float, carry };
    },
    result: (folded) => (folded === null ? 0 : sumOf(folded)),
  };
}

function addValue(to: Sum, value: unknown): Sum {
  if (typeof value === 'bigint') to.big += value;
  else if (typeof value !== 'number')
    throw notReducible(`sum adds numbers, and the task gave ${typeName(value)}`);
  else if (Number.isSafeInteger(value)) addWhole(to, value);
  else addFloat(to, value);
  return to;
}
function addWhole(to: Sum, value: number): void {
  const next = to.small + value;
  if (Number.isSafeInteger(next)) to.small = next;
  else {
    to.big += BigInt(to.small) + BigInt(value);
    to.small = 0;
  }
}
function addFloat(to: Sum, value: number): void {
  const next = to.float + value;
  const isLarger = Math.abs(to.float) >= Math.abs(value);
  to.carry += isLarger ? to.float - next + value : value - next + to.float;
  to.float = next;
  to.hasFloats = true;
}
const wholeOf = ({ big, small }: Sum): bigint => big + BigInt(small);
const isSafe = (whole: bigint): boolean => Number.isSafeInteger(Number(whole));
const plainWhole = (whole: bigint): number | string => (isSafe(whole) ? Number(whole) : String(whole));

/** A number where that is exact, or where there were floats; else a BigInt. */
function sumOf(folded: Sum): number | bigint {
  const whole = wholeOf(folded);
  if (!folded.hasFloats) return isSafe(whole) ? Number(whole) : whole;
  const all = { ...folded };
  addFloat(all, Number(whole));
  // Infinities have no remainder.
  return Number.isFinite(all.float) ? all.float + all.carry : all.float;
}

export function count(): Operator<number> {
  return {
    isLooking: false,
    of: () => 1,
    add: (folded) => folded + 1,
    merge: (folded, next) => folded + next,
    pack: (folded) => folded,
    unpack: (packed) => {
      if (!Number.isSafeInteger(packed)) throw notReducible('a count that is none');
      return packed as number;
    },
    result: (folded) => folded ?? 0,
  };
}

/** A value, and what it is ordered by. */
interface Extreme {
  readonly key: Key;
  readonly value: unknown;
}

/** The smallest, the first of several. */
export const min = (by?: string): Operator<Extreme> =>
  extreme(by, (other, kept) => compareKeys(other, kept) < 0);
/** The largest, the first of several. */
export const max = (by?: string): Operator<Extreme> =>
  extreme(by, (other, kept) => compareKeys(other, kept) > 0);

function extreme(by: string | undefined, isBetter: (other: Key, kept: Key) => boolean): Operator<Extreme> {
  const of = (value: unknown): Extreme => ({ key: keyOf(value, by), value });
  const merge = (kept: Extreme, other: Extreme) => (isBetter(other.key, kept.key) ? other : kept);
  return {
    isLooking: true,
    of,
    add: (kept, value) => merge(kept, of(value)),
    merge,
    pack: ({ value }) => value,
    unpack: of,
    result: (kept) => kept?.value,
  };
}
