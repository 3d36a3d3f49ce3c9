/**
 * What a module of tasks looks like from outside: exports that `task()` and `reducer()` made. They are told by marks that
 * every copy of `@hive/client` leaves on them, because a bundle has its own.
 */
import type { FoldFunction } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';

/** The same text in packages/client/src/functions/task.ts, and in the stand-in that bundles have. */
export const TASK_MARK = Symbol.for('hive.task');

/** The same text in packages/client/src/functions/reducer.ts, and in the stand-in that bundles have. */
export const REDUCER_MARK = Symbol.for('hive.reducer');

export type TaskFunction = (input: unknown, context: object) => unknown;
/** What a task's own file may say of it. */
export interface TaskSettings {
  readonly concurrency?: number;
  readonly maxCallsPerThread?: number;
}
export interface LoadedTask {
  readonly run: TaskFunction;
  readonly settings: TaskSettings;
}

/** The one task that is meant. @throws TaskFailure when there is none, or more than one and none of them the default */
export function taskOf(
  module: Readonly<Record<string, unknown>>,
  name: string | null,
  file: string,
): LoadedTask {
  const tasks = Object.keys(module).filter((key) => isTask(module[key]));
  return (module[chooseTask(tasks, name, file)] as { [TASK_MARK]: LoadedTask })[TASK_MARK];
}

/** Which of a module's tasks is meant. @throws TaskFailure */
export function chooseTask(tasks: readonly string[], name: string | null, file: string): string {
  if (tasks.length === 0) {
    throw badModule(`${file} exports no task. Export one: export default task((input) => …);`);
  }
  const chosen = name ?? (tasks.includes('default') ? 'default' : tasks.length === 1 ? tasks[0]! : null);
  if (chosen === null) {
    throw badModule(`${file} exports ${tasks.length} tasks: say which one is meant, "${file}#${tasks[0]}".`);
  }
  if (tasks.includes(chosen)) return chosen;
  throw badModule(`${file} exports no task "${chosen}", only ${tasks.join(', ')}.`);
}

/** The one reducer that is meant. @throws TaskFailure when there is none, or more than one and none of them the default */
export function reducerOf(
  module: Readonly<Record<string, unknown>>,
  name: string | null,
  file: string,
): FoldFunction {
  const reducers = Object.keys(module).filter((key) => isReducer(module[key]));
  return (module[chooseReducer(reducers, name, file)] as { [REDUCER_MARK]: { run: FoldFunction } })[
    REDUCER_MARK
  ].run;
}

/** Which of a module's reducers is meant. @throws TaskFailure */
export function chooseReducer(reducers: readonly string[], name: string | null, file: string): string {
  const example = 'export const merge = reducer((left, right) => …);';
  if (reducers.length === 0) throw badModule(`${file} exports no reducer. Export one: ${example}`);
  const isOnly = reducers.length === 1;
  const chosen = name ?? (reducers.includes('default') ? 'default' : isOnly ? reducers[0]! : null);
  if (chosen === null) {
    throw badModule(
      `${file} exports ${reducers.length} reducers: say which one is meant, "${file}#${reducers[0]}".`,
    );
  }
  if (reducers.includes(chosen)) return chosen;
  throw badModule(`${file} exports no reducer "${chosen}", only ${reducers.join(', ')}.`);
}

const isTask = (value: unknown): boolean => isMarked(value, TASK_MARK);
const isReducer = (value: unknown): boolean => isMarked(value, REDUCER_MARK);
const isMarked = (value: unknown, mark: symbol): boolean =>
  typeof value === 'object' && value !== null && mark in value;

const badModule = (message: string): TaskFailure => new TaskFailure('badModule', message);
