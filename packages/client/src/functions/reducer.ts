/**
 * How results are folded with a function of the user's: what a task file exports beside its tasks. `reducer()` marks it and
 * remembers its file, as `task()` does, so that it travels in the same bundle.
 */
import { type Reduce, UsageError } from '@hive/shared';
import { callerFile } from './caller.ts';

/** The same text in the Drone (functions/task-module.ts), and in what bundles have in the place of this package. */
const REDUCER_MARK: unique symbol = Symbol.for('hive.reducer') as never;

/** A function that folds. Made by `reducer()`. */
export interface Reducer<T = unknown> {
  /** Call it here, as in a test. */
  readonly run: (left: T, right: T) => T;
  /** URL of the file in which it was made; null for a registered one. */
  readonly file: string | null;
  /** Of a registered one: the name of its file, and which of its exports it is, if it is not the only one. */
  readonly registered: string | null;
  readonly export: string | null;
  readonly [REDUCER_MARK]: { readonly run: unknown };
}

/** A reducer by its file: `./words.task.ts#merge`; `#merge`: of the task's own file. */
export type ReducerFile =
  | `${string}#${string}`
  | `${string}.${'ts' | 'mts' | 'cts' | 'js' | 'mjs' | 'cjs' | 'tsx' | 'jsx'}`;

/**
 * Marks a function as one that folds two neighbouring results into one; to be exported by its file, usually beside a task:
 * `export const merge = reducer((left: Counts, right: Counts) => …)`. What it gives is a result like those that it takes.
 * It must be associative (how results are grouped depends on the run), and need not be commutative: `left` comes before
 * `right` in the order of the inputs. It may change both and give one of them back. It cannot wait: no promises.
 */
export function reducer<T>(run: (left: T, right: T) => T): Reducer<T> {
  if (typeof run !== 'function') {
    throw new UsageError('reducer() takes a function: reducer((left, right) => …).', 'badTask');
  }
  return { run, file: callerFile(), registered: null, export: null, [REDUCER_MARK]: { run } };
}

/**
 * A reducer in a file that the operators of Drones have registered (`hive drone --tasks DIR`), by the file's name; and by its
 * export, if there are several.
 */
export function registeredReducer<T = unknown>(name: string, own: string | null = null): Reducer<T> {
  const run = (): never => {
    throw new UsageError(`The reducer of "${name}" is on Drones only.`, 'badTask');
  };
  return { run, file: null, registered: name, export: own, [REDUCER_MARK]: { run } };
}

export const isReducer = (value: unknown): value is Reducer =>
  typeof value === 'object' && value !== null && REDUCER_MARK in value;

/** Whether results are folded with a function, and not as a built-in operator does. */
export const isFolding = (reduce: unknown): reduce is Reducer | ReducerFile =>
  isReducer(reduce) || (typeof reduce === 'string' && /#|\.[cm]?[jt]sx?$/.test(reduce));

/** The same on the wire. */
export function reduceOf(where: {
  readonly module?: unknown;
  readonly name?: unknown;
  readonly export?: unknown;
  readonly file?: unknown;
}): Reduce {
  const { module, name, export: own, file } = where;
  const entries = Object.entries({ module, name, export: own, file }).filter(([, entry]) => entry != null);
  return { op: 'function', ...Object.fromEntries(entries) } as Reduce;
}
