/**
 * Tasks that depend on one another. A graph is built task by task, checked when it is submitted, and sent in an order in
 * which every parent stands before its children.
 *
 * On the Drone the input of each task is a list: its own input, then the results of its parents in the order of `after`.
 * One graph is one job, and a job has one kind, so all of its tasks are of one kind.
 */
import { LIMITS, UsageError } from '@hive/shared';
import { TaskError } from './errors.ts';
import type { Target } from './functions/functions.ts';
import { orderOf } from './graph-order.ts';
import type { ParentsOf } from './inputs.ts';
import type { JobHandle, TaskResult } from './job-handle.ts';
import type { JobSummary } from './job-stream.ts';
import type { JobOptions, SubmitOptions } from './options.ts';

export interface GraphOptions extends Omit<JobOptions, 'encoding'> {
  /**
   * What becomes of a task of which a parent did not succeed: it fails, too, and so do its children (default), or it runs,
   * with null in place of that parent's result.
   */
  readonly whenParentFails?: 'failChildren' | 'runChildren';
  readonly attached?: boolean;
  readonly id?: string;
  /** Cancels the job, and with it what runs. */
  readonly signal?: AbortSignal;
}
export interface GraphTaskOptions {
  /** A name, by which other tasks may be said to come after this one, and which errors mention. */
  readonly name?: string;
  /** Its parents: tasks of this graph, or their names; these may be added later. */
  readonly after?: readonly (GraphTask | string)[];
}

const TASKS_MAX = 1_000_000;
const EDGES_MAX = 10_000_000;
/** The parents of a task travel in one list, after their number. */
const PARENTS_MAX = LIMITS.listMax - 1;

/** One task of a graph; `T` is the type of its result, as the caller knows it. */
export class GraphTask<T = unknown> {
  readonly input: unknown;
  /** How errors call it: its name, or its place, counted from 0. */
  readonly label: string;
  readonly after: readonly (GraphTask | string)[];
  /** @internal */
  readonly graph: Graph;
  /** @internal Its place in the order in which tasks were added. */
  readonly position: number;
  declare protected readonly result: T;

  /** @internal Tasks are made by `graph.task`. */
  constructor(graph: Graph, position: number, input: unknown, { name, after = [] }: GraphTaskOptions) {
    this.graph = graph;
    this.position = position;
    this.input = input;
    this.label = name ?? `task ${position}`;
    this.after = after;
  }
}

/** @internal What a graph needs to become a job. */
export type SubmitGraph = (
  options: SubmitOptions & { readonly graph: 'failChildren' | 'runChildren' },
  parentsOf: ParentsOf,
) => Promise<JobHandle>;

export class Graph {
  readonly #kind: Target;
  readonly #options: GraphOptions;
  readonly #submit: SubmitGraph;
  readonly #tasks: GraphTask[] = [];
  readonly #named = new Map<string, GraphTask>();
  /** Positions of the tasks in the order in which they were sent, and where in it each of them stands. */
  #order: Uint32Array | null = null;
  #indices: Uint32Array | null = null;

  /** @internal Made by `hive.graph`. */
  constructor(kind: Target, options: GraphOptions, submit: SubmitGraph) {
    this.#kind = kind;
    this.#options = options;
    this.#submit = submit;
  }

  /** Tasks added so far. */
  get size(): number {
    return this.#tasks.length;
  }

  /** Adds a task. @throws UsageError 'badGraph' if another one has its name, or the graph was submitted */
  task<T = unknown>(input: unknown, options: GraphTaskOptions = {}): GraphTask<T> {
    if (this.#order !== null) throw badGraph('This graph was submitted already; make another one.');
    if (this.#tasks.length === TASKS_MAX) throw badGraph(`A graph has at most ${TASKS_MAX} tasks.`);
    const task = new GraphTask<T>(this, this.#tasks.length, input, options);
    if (options.name !== undefined) {
      if (this.#named.has(options.name)) throw badGraph(`Two tasks have the name "${options.name}".`);
      this.#named.set(options.name, task);
    }
    this.#tasks.push(task);
    return task;
  }

  /**
   * Submits it as a job, of which the results are by index: `indexOf` says whose. Rejects with UsageError 'badGraph' for a
   * cycle, a parent that is no task of it, or one that is named twice; nothing was submitted then.
   */
  submit(): Promise<JobHandle> {
    try {
      if (this.#order !== null) throw badGraph('This graph was submitted already; make another one.');
      return this.#send(this.#parents());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Runs it, and resolves with all results. Rejects like `submit`; with the TaskError of the first task that did not
   * succeed, unless children run all the same; or with UsageError if the job was ended before its time.
   */
  async run(): Promise<GraphResults> {
    const job = await this.submit();
    const results = new Array<TaskResult | undefined>(this.#tasks.length).fill(undefined);
    for await (const result of job.results({ ordered: false })) {
      results[this.#order![result.index]!] = result;
    }
    const found = new GraphResults(this, job, this.#tasks, results);
    this.#mustHaveRun(await job.done, found);
    return found;
  }

  /** Index of a task in the job, once it was submitted. */
  indexOf(task: GraphTask): number {
    const index = task.graph === this ? this.#indices?.[task.position] : undefined;
    if (index === undefined) throw badGraph(`"${task.label}" was not submitted with this graph.`);
    return index;
  }

  #send(parents: readonly (readonly number[])[]): Promise<JobHandle> {
    const ordered = orderOf(parents);
    if ('cycle' in ordered) throw this.#cyclic(ordered.cycle);
    const { order } = ordered;
    this.#order = order;
    const indices = new Uint32Array(order.length);
    for (let index = 0; index < order.length; index++) indices[order[index]!] = index;
    this.#indices = indices;
    const { whenParentFails, ...options } = this.#options;
    return this.#submit(
      {
        ...options,
        kind: this.#kind,
        inputs: this.#inputs(order),
        graph: whenParentFails ?? 'failChildren',
      },
      (index) => (order[index] === undefined ? [] : parents[order[index]]!.map((parent) => indices[parent]!)),
    );
  }

  *#inputs(order: Uint32Array): Generator<unknown> {
    for (const position of order) yield this.#tasks[position]!.input;
  }

  /** For every task, in the order in which they were added, the positions of its parents. */
  #parents(): number[][] {
    let edges = 0;
    return this.#tasks.map((task) => {
      const parents = task.after.map((parent) => this.#find(task, parent).position);
      edges += parents.length;
      if (parents.length > PARENTS_MAX) {
        throw badGraph(
          `"${task.label}" comes after ${parents.length} tasks; at most ${PARENTS_MAX} are possible. Put tasks in between that gather some of them.`,
        );
      }
      if (edges > EDGES_MAX) throw badGraph(`A graph has at most ${EDGES_MAX} dependencies.`);
      if (parents.length > 1) this.#mustDiffer(task, parents);
      return parents;
    });
  }

  #find(task: GraphTask, parent: GraphTask | string): GraphTask {
    const found = typeof parent === 'string' ? this.#named.get(parent) : parent;
    if (found?.graph === this) return found;
    const label = typeof parent === 'string' ? parent : parent.label;
    throw badGraph(`"${task.label}" comes after "${label}", which is no task of this graph.`);
  }

  #mustDiffer(task: GraphTask, parents: readonly number[]): void {
    const seen = new Set<number>();
    for (const parent of parents) {
      if (seen.has(parent)) {
        throw badGraph(`"${task.label}" comes after "${this.#tasks[parent]!.label}" twice.`);
      }
      seen.add(parent);
    }
  }

  #cyclic(cycle: readonly number[]): UsageError {
    const labels = cycle.map((position) => `"${this.#tasks[position]!.label}"`);
    const shown = labels.length <= 12 ? labels : [...labels.slice(0, 6), '…', ...labels.slice(-5)];
    return badGraph(`These tasks wait for one another: ${shown.join(' after ')}.`);
  }

  #mustHaveRun({ state, message }: JobSummary, results: GraphResults): void {
    if (state === 'succeeded') return;
    const isWhole = state === 'failed' && message === undefined;
    if (!isWhole) throw new UsageError(message ?? `The graph's job was ${state}.`, state);
    if (this.#options.whenParentFails === 'runChildren') return;
    // A parent stands before its children, so the first in this order is where it began.
    for (const position of this.#order!) results.get(this.#tasks[position]!);
  }
}

/** What became of the tasks of a graph that has run. */
export class GraphResults implements Iterable<readonly [GraphTask, TaskResult | undefined]> {
  readonly #graph: Graph;
  readonly #job: JobHandle;
  readonly #tasks: readonly GraphTask[];
  readonly #results: readonly (TaskResult | undefined)[];

  /** @internal Made by `graph.run`. @param results in the order in which the tasks were added */
  constructor(
    graph: Graph,
    job: JobHandle,
    tasks: readonly GraphTask[],
    results: readonly (TaskResult | undefined)[],
  ) {
    this.#graph = graph;
    this.#job = job;
    this.#tasks = tasks;
    this.#results = results;
  }

  /** A task's result. @throws TaskError if it did not succeed */
  get<T>(task: GraphTask<T>): T {
    const result = this.outcome(task);
    if (result.outcome === 'succeeded') return result.value as T;
    const { index, outcome, error } = result;
    throw new TaskError(this.#job.id, { index, outcome, ...error }, task.label);
  }

  /** What became of a task. @throws UsageError 'badGraph' if it is not one of these */
  outcome(task: GraphTask): TaskResult {
    const result = task.graph === this.#graph ? this.#results[task.position] : undefined;
    if (result !== undefined) return result;
    throw badGraph(`There is no result of "${task.label}".`);
  }

  /** All tasks, in the order in which they were added, and what became of each. */
  *[Symbol.iterator](): Generator<readonly [GraphTask, TaskResult | undefined]> {
    for (const task of this.#tasks) yield [task, this.#results[task.position]];
  }
}

const badGraph = (message: string): UsageError => new UsageError(message, 'badGraph');
