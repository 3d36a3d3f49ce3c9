/** For tests: how the fake Queen runs a job of which the tasks depend on one another. */
import type { Spec } from '@hive/shared';

const FAILED = Symbol('failed');

export class FakeGraph {
  readonly #policy: Spec['graph'];
  /** For every task, the indices of its parents. */
  readonly parents: number[][] = [];
  readonly #results: unknown[] = [];

  constructor({ graph }: Spec) {
    this.#policy = graph;
  }

  /** What an Append says of the tasks from `first` on. */
  append(first: number, flat: readonly number[]): void {
    for (let at = 0, index = first; at < flat.length; index++) {
      const count = flat[at]!;
      const parents = flat.slice(at + 1, at + 1 + count);
      if (parents.some((parent) => parent >= index)) throw new Error(`task ${index} has a parent behind it`);
      this.parents[index] = parents;
      at += 1 + count;
    }
  }

  /** What a task gets. @throws Error when it fails with a parent */
  inputOf(index: number, own: unknown): unknown[] {
    const results = this.parents[index]!.map((parent) => this.#results[parent]);
    const failed = results.indexOf(FAILED);
    if (failed !== -1 && this.#policy === 'failChildren') {
      this.#results[index] = FAILED;
      throw new Error(`its parent ${this.parents[index]![failed]} failed`);
    }
    return [own, ...results.map((result) => (result === FAILED ? null : result))];
  }

  succeeded(index: number, value: unknown): void {
    this.#results[index] = value;
  }
  failed(index: number): void {
    this.#results[index] = FAILED;
  }
}
