/**
 * The client, for tasks that submit work: loaded when the first of a thread does so, and only then. A Drone does not need it
 * to be installed.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TaskFailure } from '../kinds/failure.ts';
import type { TaskLine } from '../slots/control-block.ts';

/** This module may import the client itself, and nobody else in a slot's thread. */
export const CLIENT_LOADER = import.meta.url;

/** What a job that runs a task is made of: entries of its spec. */
export interface TaskSpec {
  readonly params: Readonly<Record<string, unknown>>;
  readonly blobs: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly concurrency?: number;
}
export interface TaskClient {
  call(target: unknown, input: unknown, options?: object): Promise<unknown>;
  map(target: unknown, inputs: unknown, options?: object): PromiseLike<unknown>;
  range(start: number, end: number, target: unknown, options?: object): PromiseLike<unknown>;
  close(): Promise<void>;
}
interface ClientModule {
  connectTask(line: TaskLine, specOf: (target: unknown) => TaskSpec): Promise<TaskClient>;
}

/** Computed, so that neither a bundler nor a package manager takes it for a dependency of every Drone. */
const CLIENT_PACKAGE = ['@hive', 'client'].join('/');

/** From where this package can see it, else from where the Drone was started. @throws TaskFailure */
export async function loadClient(): Promise<ClientModule> {
  try {
    return (await import(CLIENT_PACKAGE)) as ClientModule;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
  }
  let path: string;
  try {
    path = createRequire(join(process.cwd(), 'task.js')).resolve(CLIENT_PACKAGE);
  } catch {
    throw new TaskFailure(
      'missingModule',
      'A task that submits work needs the package @hive/client on its Drone, which is not installed there. Install it: npm install @hive/client',
      true,
    );
  }
  return (await import(pathToFileURL(path).href)) as ClientModule;
}
