/**
 * Reduced jobs of the simulation: what a task gives, so that a sum leaves the 53 bits of a number after a few tasks, and
 * concatenated texts show their order.
 */
import { type Operator, operatorOf, type Reduce } from '@hive/shared';

/** The ways to fold that are drawn: the function is one that a Drone's operator has registered. */
export const REDUCES: readonly Reduce[] = [
  { op: 'sum' },
  { op: 'concat' },
  { op: 'function', name: 'joined' },
];

/** What Drones fold with. */
export const folderOf = (reduce: Reduce): Operator =>
  operatorOf(reduce, (left, right) => `${left as string}${right as string}`);

/** @param digest 32 bits of the input: it must have arrived for the value to be right */
export function foldable(op: Reduce['op'], digest: number): number | string {
  return op === 'sum' ? digest * 2 ** 20 + (digest % 1_000) : `${digest.toString(36)},`;
}
