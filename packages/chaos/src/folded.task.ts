/**
 * Work that is folded by functions: each task gives a step, and steps are composed in the order of their inputs. Composing is
 * not commutative, and says so itself when it is given what are no neighbours.
 */
import { reducer, task } from '@hive/client';

/** A prime below 2^61. */
export const MODULUS = 2_305_843_009_213_693_951n;
/** Inputs by their remainder, which are counted. */
export const CLASSES = 13;
/** Every so many inputs one takes a while. */
const SLOW_EVERY = 97;
const SLOW_MILLIS = 3;

/** What inputs `from` to `to` do to a number x: it becomes a x + b. */
export interface Steps {
  readonly from: number;
  readonly to: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly counts: Map<number, number>;
}

export const steps = task((input: number, { index }): Steps => {
  const until = input % SLOW_EVERY === 0 ? performance.now() + SLOW_MILLIS : 0;
  while (performance.now() < until);
  return stepsOf(input, index);
});
export function stepsOf(input: number, index: number): Steps {
  return { from: index, to: index, ...stepOf(input), counts: new Map([[input % CLASSES, 1]]) };
}

export const composed = reducer((left: Steps, right: Steps): Steps => {
  if (left.to + 1 !== right.from)
    throw new RangeError(`${left.from} to ${left.to} are no neighbours of ${right.from} to ${right.to}`);
  for (const [remainder, count] of right.counts)
    left.counts.set(remainder, (left.counts.get(remainder) ?? 0) + count);
  return {
    from: left.from,
    to: right.to,
    a: (left.a * right.a) % MODULUS,
    b: (left.b * right.a + right.b) % MODULUS,
    counts: left.counts,
  };
});

export function stepOf(input: number): { readonly a: bigint; readonly b: bigint } {
  const n = BigInt(input);
  return {
    a: (n * 6_364_136_223_846_793_005n + 1n) % MODULUS,
    b: (n * n + 1_442_695_040_888_963_407n) % MODULUS,
  };
}
