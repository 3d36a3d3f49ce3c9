/** Tasks whose results are folded by functions of the same file, good ones and bad ones. */
import { reducer } from '../../functions/reducer.ts';
import { type TaskContext, task } from '../../functions/task.ts';

type Counts = Map<string, number>;

export const words = task((text: string): Counts => {
  const counts: Counts = new Map();
  for (const word of text.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
});
/** Changes the left one, as a careful author would. */
export const merge = reducer((left: Counts, right: Counts) => {
  for (const [word, count] of right) left.set(word, (left.get(word) ?? 0) + count);
  return left;
});

export const listed = task((n: number) => [n]);
/** Not commutative. */
export const joined = reducer((left: number[], right: number[]) => {
  left.push(...right);
  return left;
});

export const same = task((value: unknown) => value);
export const texts = task((text: string) => text);
export const waits = task(
  async (n: number) => {
    await new Promise((resolve) => setTimeout(resolve, n % 3));
    return [n];
  },
  { concurrency: 20 },
);
export const big = task((n: number) => BigInt(n) ** 40n);
export const product = reducer((left: bigint, right: bigint) => left + right);
export const found = task((n: number, { finish }: TaskContext) => (n === 77 ? finish('found') : n));
export const smaller = reducer((left: number | undefined, right: number | undefined) =>
  left === undefined ? right : right === undefined ? left : Math.min(left, right),
);
export const maybe = task((n: number): number | undefined => (n % 10 === 7 ? n : undefined));

class MergeError extends RangeError {
  override name = 'MergeError';
  code = 'E_MERGE';
}
export const throws = reducer((left: unknown, right: unknown) => {
  if (right === 5) throw new MergeError('five is right out');
  return left;
});
function deep(value: unknown): never {
  throw new TypeError(`${value} went too deep`);
}
export const throwsDeep = reducer((left: unknown, right: unknown) => {
  if (right !== null) deep(right);
  return left;
});
export const promises = reducer(async (left: unknown) => left) as unknown as typeof throws;
export const forgets = reducer((left: unknown, right: unknown) => {
  [left, right];
}) as unknown as typeof throws;
export const exits = reducer((left: unknown): unknown => {
  if (left !== null) process.exit(7);
  return left;
});
export const blocks = reducer((left: unknown): unknown => {
  for (;;) if (left === Symbol.iterator) return left;
});
export const strange = reducer((): unknown => ({ on: () => 1 }));
export const doubles = reducer((left: string, right: string) => left + right);

/** Throws in folds only: in a slot, what comes from the right is the value of one task. */
export const throwsHigher = reducer((left: number[], right: number[]) => {
  if (right.length > 1) {
    const error = new MergeError('not these two', { cause: new TypeError('they are long') });
    throw Object.assign(error, { lengths: new Map([['right', right.length]]) });
  }
  left.push(...right);
  return left;
});

export const talks = reducer((left: number[], right: number[]) => {
  console.log(right.length > 1 ? 'higher' : 'in a slot');
  left.push(...right);
  return left;
});

function busy(millis: number): void {
  const until = performance.now() + millis;
  while (performance.now() < until);
}
export const slowly = task((n: number) => {
  busy(1);
  return [n];
});
export const slowWords = task((text: string) => {
  busy(1);
  return new Map(text.split(' ').map((word, _, all) => [word, all.filter((one) => one === word).length]));
});
