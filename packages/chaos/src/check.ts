/** One reader's look at one job: every result is right, comes once, and in the end none is missing. */
import type { JobSummary, TaskResult } from '@hive/client';
import type { Plan } from './plan.ts';
import { haltsAfter, problemOf, problemOfValue, successesOf } from './work.ts';

/** Wrong results may be many; a few are enough to look into. */
const PROBLEMS_MAX = 5;

export class Check {
  readonly problems: string[] = [];
  readonly #plan: Plan;
  readonly #isSeen: Uint8Array;
  #seen = 0;
  #lastIndex = -1;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#isSeen = new Uint8Array(plan.count);
  }

  /** Tasks whose results were looked at. */
  get seen(): number {
    return this.#seen;
  }

  take(result: TaskResult, isOrdered: boolean): void {
    const { index } = result;
    const problem = problemOf(this.#plan, result);
    if (problem !== null && !this.#isOfCancelled(result)) this.problem(problem);
    if (this.#isSeen[index] === 1) this.problem(`task ${index} came twice`);
    if (isOrdered && index <= this.#lastIndex) this.problem(`task ${index} came after ${this.#lastIndex}`);
    this.#isSeen[index] = 1;
    this.#lastIndex = index;
    this.#seen++;
  }

  /** The one value of a job that is folded. */
  takeValue(value: unknown): void {
    const problem = problemOfValue(this.#plan, value);
    if (problem !== null) this.problem(problem);
    this.#seen = this.#plan.count;
  }

  /** @param isWhole this reader was promised every result, not only those that another had not taken before */
  end({ state, counts }: JobSummary, isWhole: boolean): void {
    const { count, cancelAfterMillis } = this.#plan;
    if (state === 'cancelled') {
      // Whoever planned no cancellation must not find one.
      if (cancelAfterMillis === null) this.problem('it was cancelled, and nobody had asked for that');
      return;
    }
    const succeeded = successesOf(this.#plan);
    const halted = haltsAfter(this.#plan);
    if (halted !== null) {
      this.#endHalted({ state, counts }, halted);
      return;
    }
    const expected = succeeded === count ? 'succeeded' : 'failed';
    if (state !== expected) this.problem(`it ended as ${state}, not ${expected}`);
    if (counts.appended !== count) this.problem(`it has ${counts.appended} tasks, not ${count}`);
    if (counts.succeeded !== succeeded) this.problem(`${counts.succeeded} tasks succeeded, not ${succeeded}`);
    if (counts.failed !== count - succeeded) {
      this.problem(`${counts.failed} tasks failed, not ${count - succeeded}`);
    }
    if (isWhole && this.#seen !== count) {
      this.problem(`${this.#seen} of ${count} results came; task ${this.#isSeen.indexOf(0)} is missing`);
    }
  }

  /** It was given up as soon as so many tasks had failed; who ran before that is up to chance. */
  #endHalted({ state, counts }: Pick<JobSummary, 'state' | 'counts'>, failures: number): void {
    if (state !== 'failed') this.problem(`it ended as ${state}, and should have been halted`);
    if (counts.failed < failures)
      this.problem(`it was halted after ${counts.failed} failures, not ${failures}`);
    if (counts.succeeded > successesOf(this.#plan)) this.problem(`${counts.succeeded} tasks succeeded`);
  }

  problem(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text);
  }

  #isOfCancelled({ outcome }: TaskResult): boolean {
    return outcome === 'cancelled' && this.#plan.cancelAfterMillis !== null;
  }
}
