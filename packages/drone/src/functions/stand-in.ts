/**
 * What the file of a registered task gets when it imports `@hive/client`: the little that runs on a Drone. The types are
 * those of the client, which a task's author has.
 */
import { TASK_MARK, type TaskFunction, type TaskSettings } from './task-module.ts';

/** Marks a function as a task. */
export function task(run: TaskFunction, settings: TaskSettings = {}): object {
  return { run, settings, [TASK_MARK]: { run, settings } };
}

/** A task that Drones have, by its name. */
export function registeredTask(name: string): object {
  return { registered: name };
}

/** Thrown by a task that need not be tried again. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError';
  readonly retryable = false;
}
