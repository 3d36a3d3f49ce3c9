/**
 * The modules of a slot's thread: bundles that came as blobs, and tasks that the operator has registered. Each is loaded
 * once and stays warm for every job that uses it.
 *
 * A bundle has no packages with native parts in it: it asks for them by `require`, and gets what is installed where this
 * Drone was started.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FoldFunction } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot } from '../kinds/kind.ts';
import { CLIENT_LOADER } from './client.ts';
import type { CodeSource } from './params.ts';
import { registeredTasks } from './registered.ts';
import { type LoadedTask, reducerOf, taskOf } from './task-module.ts';

type Module = Readonly<Record<string, unknown>>;

/** A task, and what its module exports beside it. */
export interface FoundTask extends LoadedTask {
  readonly exports: Module;
}

/** A module of JavaScript cannot be let go, so a thread that has loaded this many is replaced. */
const MODULES_MAX = 32;
const STAND_IN = new URL(import.meta.url.endsWith('.ts') ? './stand-in.ts' : './stand-in.js', import.meta.url)
  .href;

/** Loaded here, by hash or URL; failures are forgotten, so that a module that could not be had is asked for again. */
const loaded = new Map<string, Promise<Module>>();

/** The task of a job. @throws TaskFailure */
export async function loadTask(source: CodeSource, slot: KindSlot): Promise<FoundTask> {
  const module = await loadModule(source, slot);
  return { ...taskOf(module, source.export, source.file), exports: module };
}

/** What folds the results of a job. @throws TaskFailure */
export async function loadReducer(source: CodeSource, slot: KindSlot): Promise<FoldFunction> {
  return reducerOf(await loadModule(source, slot), source.export, source.file);
}

async function loadModule(source: CodeSource, slot: KindSlot): Promise<Module> {
  prepareThread();
  mustBeAllowed(source, slot);
  const module =
    source.module === null
      ? await loadRegistered(source.name!, slot)
      : await once(source.module, () => loadBundle(source.module!, source.file, slot));
  if (loaded.size >= MODULES_MAX) slot.renew();
  return module;
}

/** The file of a job's code, for who wants to run it elsewhere. @throws TaskFailure */
export async function bundleFile(params: CodeSource, slot: KindSlot): Promise<string> {
  mustBeAllowed(params, slot);
  if (params.module !== null) return slot.blob(params.module);
  throw new TaskFailure(
    'noSandbox',
    'A registered task runs in its slot; this Drone runs functions in sandboxes only if they are sent.',
    true,
  );
}

function mustBeAllowed(params: CodeSource, slot: KindSlot): void {
  if (params.module !== null && slot.tasks.areAll) {
    throw new TaskFailure(
      'notAllowed',
      'This Drone runs only the tasks that its operator has registered: name one of them (hive drones shows them as labels).',
      true,
    );
  }
}

function once(key: string, load: () => Promise<Module>): Promise<Module> {
  let module = loaded.get(key);
  if (module === undefined) {
    module = load();
    module.catch(() => loaded.delete(key));
    loaded.set(key, module);
  }
  return module;
}

async function loadBundle(hash: string, file: string, slot: KindSlot): Promise<Module> {
  const blob = await slot.blob(hash);
  const folder = join(slot.folder, '..', 'modules');
  const path = join(folder, `${hash}.mjs`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Other slots may be about to do the same.
    copyFileSync(blob, `${path}.${slot.number}`);
    renameSync(`${path}.${slot.number}`, path);
  }
  return evaluate(pathToFileURL(path).href, file);
}

function loadRegistered(name: string, { tasks }: KindSlot): Promise<Module> {
  const { folder } = tasks;
  const file = folder === null ? undefined : registeredTasks(folder).get(name);
  if (file === undefined) {
    throw new TaskFailure(
      'unknownTask',
      `This Drone has no task "${name}"; start it with --tasks and a folder that has ${name}.task.ts.`,
      true,
    );
  }
  const url = pathToFileURL(join(folder!, file)).href;
  return once(url, () => evaluate(url, file));
}

async function evaluate(url: string, file: string): Promise<Module> {
  try {
    return (await import(url)) as Module;
  } catch (error) {
    if (error instanceof TaskFailure) throw error;
    const failure = new TaskFailure(
      'badModule',
      `${file} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
    );
    failure.cause = error;
    throw failure;
  }
}

let isPrepared = false;

/** Done when the first function comes: threads that run other kinds have no use for it. */
function prepareThread(): void {
  if (isPrepared) return;
  isPrepared = true;
  process.setSourceMapsEnabled(true);
  const require = nodeModule.createRequire(join(process.cwd(), 'task.js'));
  // What esbuild looks for where a bundle asks for something that is not in it.
  Object.defineProperty(globalThis, 'require', { value: (name: string) => installed(require, name) });
  const { registerHooks } = nodeModule as unknown as { registerHooks?: (hooks: object) => void };
  // A registered task's file imports the client only for `task`, which does not need all of it, nor it to be installed.
  registerHooks?.({
    resolve: (
      specifier: string,
      context: { readonly parentURL?: string },
      next: (specifier: string, context: object) => object,
    ) =>
      specifier === '@hive/client' && context.parentURL !== CLIENT_LOADER
        ? { url: STAND_IN, shortCircuit: true }
        : next(specifier, context),
  });
}

function installed(require: NodeJS.Require, name: string): unknown {
  try {
    return require(name);
  } catch (error) {
    if (nodeModule.isBuiltin(name)) throw error;
    const isAbsent = (error as { code?: unknown }).code === 'MODULE_NOT_FOUND';
    throw new TaskFailure(
      'missingModule',
      isAbsent
        ? `The task needs the package "${name}", which has native parts and does not travel, and it is not installed on this Drone. Install it there: npm install ${name}, in ${resolve('.')}.`
        : `The package "${name}" of this Drone could not be loaded: ${(error as Error).message}`,
      true,
    );
  }
}
