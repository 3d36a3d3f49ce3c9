/** A run of a reduced job as the main thread sees it: what its thread has folded, and what a dead thread has left to fold. */
import { type Operator, operatorOf } from '@hive/shared';
import type { LeaseOrder } from '../agent/events.ts';
import { type Folding, foldTaken, type Taken } from '../folds/fold-taken.ts';

const NO_BYTES = new Uint8Array(0);

export class FoldedRun {
  readonly #operator: Operator;
  readonly #order: Pick<LeaseOrder, 'spec' | 'ranges'>;
  /** What the agent has not been told yet. */
  #folded: Folding[] = [];

  constructor(operator: Operator, order: Pick<LeaseOrder, 'spec' | 'ranges'>) {
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
    this.#folded.push(foldTaken(this.#operator, spec.encoding, ranges, left));
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
  try {
    return new FoldedRun(operatorOf(reduce), order);
  } catch {
    // The thread says so, of every task.
    return null;
  }
}
