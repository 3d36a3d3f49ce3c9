/**
 * How results are folded into one: what every operator must do, and the list of those that are built in. The same code
 * runs in the slots (a prefix of a lease), on the Drones (adjacent folded values) and in the client (the value for people).
 *
 * Invariant: folding is associative and keeps the order of the tasks; nothing here relies on anything being commutative.
 */
import { assertNever, UsageError } from '../errors.ts';
import type { Reduce } from '../messages.ts';
import { concat, merge, top } from './lists.ts';
import { count, max, min, sum } from './numbers.ts';

/**
 * Folds values. `A` is what it keeps while it folds; on the wire it travels as `pack` gives it, in the job's encoding.
 * What cannot be folded is refused with a UsageError ('notReducible'), and what was kept before is as it was.
 */
export interface Operator<A = unknown> {
  /** Whether it looks at the values; else they need not be decoded. */
  readonly isLooking: boolean;
  /** Of one task. @throws UsageError */
  of(value: unknown): A;
  /** One more task, behind those folded so far; may change what it is given. @throws UsageError */
  add(folded: A, value: unknown): A;
  /** Two neighbours, in the order of their tasks; may change both. @throws UsageError */
  merge(folded: A, next: A): A;
  /** As a value that can be encoded. */
  pack(folded: A): unknown;
  /** @throws UsageError when it was not made by `pack` */
  unpack(packed: unknown): A;
  /** What the caller gets; null: there were no tasks. */
  result(folded: A | null): unknown;
}

/** What a user's function does: makes one value of two neighbours, in their order; may change the left one and give it back. */
export type FoldFunction = (left: unknown, right: unknown) => unknown;

/**
 * The operator of a job.
 * @param fold of an operator that is a function: that function
 * @throws UsageError 'badSpec' when it makes no sense
 */
export function operatorOf(reduce: Reduce, fold?: FoldFunction): Operator {
  const problem = reduceProblem(reduce);
  if (problem !== null) throw new UsageError(problem, 'badSpec');
  const { op, k = 0, by } = reduce;
  switch (op) {
    case 'sum':
      return sum() as Operator;
    case 'count':
      return count() as Operator;
    case 'min':
      return min(by) as Operator;
    case 'max':
      return max(by) as Operator;
    case 'concat':
      return concat() as Operator;
    case 'top':
      return top(k, by) as Operator;
    case 'merge':
      return merge(by) as Operator;
    case 'function':
      if (fold === undefined)
        throw new UsageError('The function that folds is not known here.', 'unsupported');
      return folding(fold);
    default:
      return assertNever(op);
  }
}

const WITH_BY: ReadonlySet<Reduce['op']> = new Set(['min', 'max', 'top', 'merge']);

/** The value of a task is a folded value already: that of one task. */
const folding = (fold: FoldFunction): Operator => ({
  isLooking: true,
  of: (value) => value,
  add: fold,
  merge: fold,
  pack: (folded) => folded,
  unpack: (packed) => packed,
  result: (folded) => (folded === null ? undefined : folded),
});

/** Why a `reduce` makes no sense, as a sentence, or null. */
export function reduceProblem({ op, k, by, module, name, export: own, file }: Reduce): string | null {
  if ((op === 'top') !== (k !== undefined))
    return op === 'top' ? 'reduce: "top" needs k.' : `reduce: "${op}" has no k.`;
  if (by !== undefined && !WITH_BY.has(op)) return `reduce: "${op}" has no "by".`;
  if (op !== 'function') {
    const isAny = [module, name, own, file].some((entry) => entry !== undefined);
    return isAny ? `reduce: "${op}" is built in, and has no module.` : null;
  }
  if ((module === undefined) === (name === undefined))
    return 'reduce: a function needs its module, or the name of a registered one.';
  return null;
}
