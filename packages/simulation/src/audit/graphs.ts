/**
 * Dependencies within a job: a task is given out only when all its parents have outcomes (and have succeeded, where the
 * job fails their children else), with their results as they were recorded; a failed parent's children fail, or not.
 */
import type { Fail } from '../auditor.ts';
import { composed } from '../graph-plan.ts';
import { inputOf, type JobPlan, parentsOf, transform } from '../plan.ts';
import type { JobBook } from './book.ts';

export class GraphAudit {
  readonly #fail: Fail;

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  /** A task is given out: notes what it must be given. */
  assigned(book: JobBook, index: number): void {
    const { plan, outcomes, values, inputs } = book;
    const results: (Uint8Array | null)[] = [];
    for (const parent of parentsOf(plan, index)) {
      const outcome = outcomes.get(parent);
      if (outcome === undefined)
        this.#fail(`task ${index} of ${plan.name} was given out before its parent ${parent} had ended`);
      if (outcome !== 'succeeded' && plan.spec.graph === 'failChildren')
        this.#fail(`task ${index} of ${plan.name} was given out though its parent ${parent} has ${outcome}`);
      results.push(outcome === 'succeeded' ? (values.get(parent) ?? null) : null);
    }
    const input = composed(inputOf(plan, index), results);
    const known = inputs.get(index);
    if (known === undefined) inputs.set(index, [input]);
    else if (!known.some((each) => Buffer.compare(each, input) === 0)) known.push(input);
  }

  /** What a task gets on its Drone. */
  given({ plan, inputs }: JobBook, who: string, index: number, input: Uint8Array): void {
    const isRight = inputs.get(index)?.some((each) => Buffer.compare(each, input) === 0) === true;
    if (!isRight) this.#fail(`task ${index} of ${plan.name} starts on ${who} with the wrong input`);
  }

  /** A success: it must come of an input that the task was given. */
  succeeded({ plan, inputs, values }: JobBook, index: number, value: Uint8Array): void {
    const isRight =
      inputs.get(index)?.some((each) => Buffer.compare(transform(plan, each), value) === 0) === true;
    if (!isRight) this.#fail(`G2: task ${index} of ${plan.name} has the wrong result`);
    values.set(index, value);
  }

  /** A task that fails because of a parent has one that did not succeed. */
  parentFailed({ plan, outcomes }: JobBook, index: number): void {
    const isRight = parentsOf(plan, index).some((parent) => {
      const outcome = outcomes.get(parent);
      return outcome === 'failed' || outcome === 'cancelled';
    });
    if (!isRight || plan.spec.graph !== 'failChildren')
      this.#fail(`task ${index} of ${plan.name} failed for a parent, and none of them had`);
  }

  /** After a turn: no child of a failed task is left without an outcome, if the job says so. */
  settled({ plan, outcomes, appended }: JobBook): void {
    if (plan.spec.graph !== 'failChildren') return;
    for (let index = 0; index < appended; index++) {
      if (outcomes.has(index)) continue;
      const failed = failedParent(plan, outcomes, index);
      if (failed !== null)
        this.#fail(`task ${index} of ${plan.name} has no outcome though its parent ${failed} has failed`);
    }
  }
}

function failedParent(plan: JobPlan, outcomes: JobBook['outcomes'], index: number): number | null {
  for (const parent of parentsOf(plan, index)) {
    const outcome = outcomes.get(parent);
    if (outcome !== undefined && outcome !== 'succeeded') return parent;
  }
  return null;
}
