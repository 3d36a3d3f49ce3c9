/**
 * Dependencies among the tasks of one job. A task is ready when all its parents have ended; parents have lower indices
 * than their children, so there is no cycle to find here.
 *
 * Memory: flat arrays, about 12 bytes a task and 12 an edge; at most 1,000,000 tasks and 10,000,000 edges.
 */
import { LIMITS, ProtocolError } from '@hive/shared';

/** An array of integers that grows. */
class Integers {
  #values = new Int32Array(64);
  length = 0;

  get(at: number): number {
    return this.#values[at]!;
  }
  set(at: number, value: number): void {
    this.#values[at] = value;
  }
  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }
}

const NONE = -1;

export class TaskGraph {
  /** Where a task's parents begin in `#parents`; one entry more than there are tasks. */
  readonly #starts = new Integers();
  readonly #parents = new Integers();
  /** The edges to a task's children, as lists: the first edge of each task, the next of each edge. */
  readonly #firstEdge = new Integers();
  readonly #nextEdge = new Integers();
  readonly #childOf = new Integers();
  /** Parents that have not ended. */
  readonly #missing = new Integers();
  /** Sequence number of the page that holds a task's result, or NONE. */
  readonly #seq = new Integers();
  /** Failures whose children have not been looked at yet. */
  readonly failing: number[] = [];
  isFailing = false;

  constructor() {
    this.#starts.push(0);
  }

  get tasks(): number {
    return this.#missing.length;
  }
  get edges(): number {
    return this.#parents.length;
  }

  /** Adds the next tasks; `lists` is, for each, the number of its parents and then those. Absent: none have any. */
  add(count: number, lists: readonly number[] | undefined): void {
    let at = 0;
    for (let i = 0; i < count; i++) {
      const task = this.tasks;
      const parents = lists?.[at++] ?? 0;
      this.#firstEdge.push(NONE);
      for (let k = 0; k < parents; k++) this.#connect(lists![at++]!, task);
      this.#starts.push(this.#parents.length);
      this.#missing.push(parents);
      this.#seq.push(NONE);
    }
  }

  #connect(parent: number, child: number): void {
    this.#parents.push(parent);
    this.#childOf.push(child);
    this.#nextEdge.push(this.#firstEdge.get(parent));
    this.#firstEdge.set(parent, this.#childOf.length - 1);
  }

  *parents(task: number): Generator<number, void, undefined> {
    for (let at = this.#starts.get(task); at < this.#starts.get(task + 1); at++) yield this.#parents.get(at);
  }
  *children(task: number): Generator<number, void, undefined> {
    for (let edge = this.#firstEdge.get(task); edge !== NONE; edge = this.#nextEdge.get(edge))
      yield this.#childOf.get(edge);
  }

  /** A parent of this task has ended. True when it was the last one. */
  parentEnded(task: number): boolean {
    const missing = this.#missing.get(task) - 1;
    this.#missing.set(task, missing);
    return missing === 0;
  }
  /** Counts a task's missing parents anew. */
  recount(task: number, hasEnded: (parent: number) => boolean): number {
    let missing = 0;
    for (const parent of this.parents(task)) if (!hasEnded(parent)) missing++;
    this.#missing.set(task, missing);
    return missing;
  }

  seqOf(task: number): number | null {
    const seq = this.#seq.get(task);
    return seq === NONE ? null : seq;
  }
  noteResults(first: number, count: number, seq: number): void {
    for (let task = first; task < first + count; task++) this.#seq.set(task, seq);
  }
}

/**
 * The lists of the tasks from `skip` on, checked: every parent has a lower index than its child and stands once.
 * @throws ProtocolError otherwise
 */
export function checkParents(
  lists: readonly number[] | undefined,
  page: { readonly first: number; readonly count: number },
  skip: number,
  edgesBefore: number,
): readonly number[] | undefined {
  if (page.first + page.count > LIMITS.graphTasksMax) {
    throw new ProtocolError(`a graph has at most ${LIMITS.graphTasksMax} tasks`, 'tooLarge');
  }
  if (lists === undefined) return undefined;
  let at = 0;
  let kept = 0;
  for (let task = page.first; task < page.first + page.count; task++) {
    if (task < page.first + skip) kept = at;
    const count = lists[at++];
    if (count === undefined || at + count > lists.length)
      throw new ProtocolError('Append has too few parents');
    const seen = new Set<number>();
    for (let k = 0; k < count; k++) {
      const parent = lists[at++]!;
      if (parent >= task)
        throw new ProtocolError(`task ${task} names ${parent} as its parent, which does not come before it`);
      if (seen.has(parent)) throw new ProtocolError(`task ${task} names its parent ${parent} twice`);
      seen.add(parent);
    }
    if (task < page.first + skip) kept = at;
  }
  if (at !== lists.length) throw new ProtocolError('Append has more parents than tasks');
  if (edgesBefore + lists.length > LIMITS.graphEdgesMax + page.count) {
    throw new ProtocolError(`a graph has at most ${LIMITS.graphEdgesMax} edges`, 'tooLarge');
  }
  return kept === 0 ? lists : lists.slice(kept);
}
