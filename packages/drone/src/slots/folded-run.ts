/** A run of a reduced job as the main thread sees it: what its thread has folded, and what a dead thread has left. */
import { type Operator, operatorOf } from '@hive/shared';
import type { LeaseOrder } from '../agent/events.ts';
import { type Folding, foldTaken, type Taken, takenOneByOne } from '../folds/fold-taken.ts';

const NO_BYTES = new Uint8Array(0);

export class FoldedRun {
  /** Null: a user's function folds, and never on this thread. */
  readonly #operator: Operator | null;
  readonly #order: Pick<LeaseOrder, 'spec' | 'ranges'>;
  /** What the agent has not been told yet. */
  #folded: Folding[] = [];

  constructor(operator: Operator | null, order: Pick<LeaseOrder, 'spec' | 'ranges'>) {
    this.#operator = operator;
    this.#order = order;
  }

  add(folding: Folding): void {
    this.#folded.push(folding);
  }

  /** Its thread has ended, and left these as they were. */
  addRest(left: Taken): void {
    if (left.count === 0) return;
    const { spec, ranges } = this.#order;
    const operator = this.#operator;
    this.#folded.push(
      operator === null ? takenOneByOne(left) : foldTaken(operator, spec.encoding, ranges, left),
    );
  }

  /** All that was folded since the last time. `position`: where the next begins, if it is nothing. */
  take(position: number) {
    const folded = this.#folded;
    this.#folded = [];
    const finish = folded.find((folding) => folding.finish !== undefined)?.finish;
    return {
      at: folded[0]?.at ?? position,
      count: folded.reduce((sum, folding) => sum + folding.count, 0),
      sizes: 0,
      data: NO_BYTES,
      failures: folded.flatMap((folding) => folding.failures),
      folds: folded.flatMap((folding) => folding.folds),
      ...(finish === undefined ? {} : { finish }),
    };
  }
}

/** Null when the results of a lease are not folded. */
export function foldedRunOf(order: LeaseOrder): FoldedRun | null {
  const { reduce } = order.spec;
  if (reduce === undefined || order.isFold) return null;
  if (reduce.op === 'function') return new FoldedRun(null, order);
  try {
    return new FoldedRun(operatorOf(reduce), order);
  } catch {
    // The thread says so, of every task.
    return null;
  }
}

/** Whether a user's function runs in it: its tasks, or what folds them. */
export const runsFunction = ({ spec, isFold }: LeaseOrder): boolean =>
  isFold ? spec.reduce?.op === 'function' : spec.kind === 'function';
