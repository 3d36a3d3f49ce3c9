/** For tests of what prints results: a value of each sort that JSON has no word for, and a search that ends its job. */
import { task } from '@hive/client';

const VALUES: readonly unknown[] = [
  new Map<unknown, unknown>([['a', new Set([1])]]),
  new Date(0),
  2n ** 64n,
  new Float64Array([0.5, 1]),
  new RangeError('no'),
  undefined,
  'text',
];

export const strange = task((which: number) => VALUES[which]);

export const double = task((n: number) => n * 2);
export const submits = task((n: number, { hive }) => hive.range(0, n, double, { reduce: 'sum' }));

export const search = task((n: number, { finish }) => (n === 3 ? finish({ found: 3n }) : n));
