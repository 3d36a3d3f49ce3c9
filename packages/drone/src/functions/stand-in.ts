/**
 * What the file of a registered task gets when it imports `@hive/client`: the little that runs on a Drone. The types are
 * those of the client, which a task's author has.
 */
import type { FoldFunction } from '@hive/shared';
import { REDUCER_MARK, TASK_MARK, type TaskFunction, type TaskSettings } from './task-module.ts';

/** Marks a function as a task. */
export function task(run: TaskFunction, settings: TaskSettings = {}): object {
  return { run, settings, [TASK_MARK]: { run, settings } };
}

/** A task that Drones have, by its name. */
export function registeredTask(name: string): object {
  return { registered: name };
}

/** Marks a function as one that folds. */
export function reducer(run: FoldFunction): object {
  return { run, [REDUCER_MARK]: { run } };
}

/** A reducer that Drones have, by the name of its file, and of its export. */
export function registeredReducer(name: string, own?: string): object {
  return { registered: name, export: own ?? null, [REDUCER_MARK]: { run: null } };
}

/** Thrown by a task that need not be tried again. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError';
  readonly retryable = false;
}
