/**
 * From what a caller names (a file, a task that it has imported, a registered one) to the job that runs it. A file is
 * bundled once per client, and its bundle offered to the Queen before each job that needs it; she takes it once.
 */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UsageError } from '@hive/shared';
import type { Blobs } from '../blobs.ts';
import type { SpecOptions } from '../options.ts';
import type { Bundle } from './bundle.ts';
import { isFolding, isReducer, type Reducer, type ReducerFile, reduceOf } from './reducer.ts';
import { isTask, type Task } from './task.ts';

/** A kind's name, the file of a task (path or URL, `#name` for one of several exports), or a task that was imported. */
// biome-ignore lint/suspicious/noExplicitAny: any task will do
export type Target = string | URL | Task<any, any>;

/** Options that only functions have. */
export interface FunctionOptions {
  /** Functions: tasks that one slot has under way at once; default: what the task's file says, else 1. */
  readonly concurrency?: number;
  /** Functions: after so many calls the thread is replaced; default: what the task's file says, else never. */
  readonly maxCallsPerThread?: number;
  /**
   * Functions: the task submits work itself, by `context.hive`. Its tasks are handed out one by one, and have a slot for
   * themselves, which they give away while they wait for what they have submitted.
   */
  readonly nested?: boolean;
  /**
   * Heap of what a function runs in, its thread or in a sandbox its process, in MiB, from 16 on, and without a sandbox what it
   * holds in buffers: a task that needs more of either ends as `crashed`, `outOfMemory`. An operator may allow less.
   */
  readonly memoryMiB?: number;
}

/** Where the code of a task or a reducer is. */
interface Source {
  readonly path: string;
  readonly export: string | null;
  readonly made: Task | Reducer | null;
}
/** The code on the wire: what the params of a function, and a reduce, have in common. */
interface Code {
  readonly params: {
    readonly module?: string;
    readonly name?: string;
    readonly file?: string;
    readonly export?: string;
  };
  readonly blobs: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const TASK_FILE = /^file:|\.[cm]?[jt]sx?(?:#[\w$]+)?$/;
const FUNCTION_OPTIONS = ['concurrency', 'maxCallsPerThread', 'memoryMiB', 'nested'] as const;

/** What a job of a function needs of this; a task that submits work finds its functions in another way. */
export type Targets = Pick<Functions, 'keyOf' | 'optionsOf'>;

/** Whether this is a function's, and not the name of a kind. */
export const isFunction = (target: Target): boolean => typeof target !== 'string' || TASK_FILE.test(target);

export class Functions {
  readonly #blobs: Blobs;
  /** By path. */
  readonly #bundles = new Map<string, Promise<Bundle>>();
  readonly #numbers = new WeakMap<object, number>();
  #numbered = 0;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** The same text for the same target. */
  keyOf(target: Target): string {
    if (typeof target === 'string') return target;
    if (target instanceof URL) return target.href;
    let number = this.#numbers.get(target);
    if (number === undefined) {
      number = ++this.#numbered;
      this.#numbers.set(target, number);
    }
    return `task ${number}`;
  }

  /**
   * The options of a job that runs this. Rejects with UsageError: 'badTask' when it cannot be bundled, 'noFile', and what
   * blobs are refused for.
   */
  async optionsOf<T extends SpecOptions>(target: Target, options: T): Promise<T & { kind: string }> {
    if (options.encoding !== undefined && options.encoding !== 'hive-js') {
      throw new UsageError('A function takes any value of JavaScript: leave its encoding out.', 'badOption');
    }
    const { concurrency, maxCallsPerThread, memoryMiB, params, ...rest } = options;
    const settings = isTask(target) ? target.settings : {};
    const own = { ...settings, ...defined({ concurrency, maxCallsPerThread, memoryMiB }) };
    const given = { ...own, ...(params === undefined ? {} : { params }) };
    const code = await this.#codeOf(sourceOf(target));
    const folds = isFolding(options.reduce)
      ? await this.#codeOf(reducerSource(options.reduce, target))
      : null;
    return {
      ...rest,
      kind: 'function',
      encoding: 'hive-js' as const,
      ...(own.concurrency === undefined ? {} : { concurrency: own.concurrency }),
      ...(folds === null ? {} : { reduce: reduceOf(folds.params) }),
      // A reducer is in its task's file, as a rule.
      ...lists([...new Set([...code.blobs, ...(folds?.blobs ?? [])])], options.blobs),
      ...labelled({ ...options.labels, ...code.labels, ...folds?.labels }),
      params: { ...code.params, ...given },
    } as unknown as T & { kind: string };
  }

  /** Offers it to the Queen, if it travels. Rejects with UsageError. */
  async #codeOf(source: Source | Registered): Promise<Code> {
    if ('registered' in source) {
      const { registered, export: own } = source;
      const params = { name: registered, ...(own === null ? {} : { export: own }) };
      return { params, blobs: [], labels: { [`task:${registered}`]: 'yes' } };
    }
    const { code, exports } = await this.#bundled(source.path);
    const own = source.export ?? (await nameAmong(exports, source));
    const module = await this.#blobs.ensure(code);
    const params = { module, file: nameOf(source.path), ...(own === null ? {} : { export: own }) };
    return { params, blobs: [module], labels: {} };
  }

  #bundled(path: string): Promise<Bundle> {
    let bundled = this.#bundles.get(path);
    if (bundled === undefined) {
      bundled = import('./bundle.ts').then(({ bundle }) => bundle(path));
      this.#bundles.set(path, bundled);
      // Whoever mends the file may try again.
      bundled.catch(() => this.#bundles.delete(path));
    }
    return bundled;
  }
}

/** Refuses what only functions have. @throws UsageError 'badOption' */
export function mustBePlain(options: FunctionOptions & { readonly reduce?: unknown }): void {
  if (isFolding(options.reduce)) {
    throw new UsageError(
      'Only what functions give is folded with a reducer: use a built-in one such as "sum", or fold in a task of your own.',
      'badOption',
    );
  }
  const option = FUNCTION_OPTIONS.find((name) => options[name] !== undefined);
  if (option !== undefined) throw new UsageError(`Only functions have the option "${option}".`, 'badOption');
}

/** Which export of its module it is; null if that is clear. */
async function nameAmong(exports: readonly string[], { made, path }: Source): Promise<string | null> {
  if (made === null || exports.length < 2) return null;
  const module = (await import(made.file?.startsWith('file:') ? made.file : pathToFileURL(path).href)) as {
    readonly [name: string]: unknown;
  };
  return exports.find((name) => module[name] === made) ?? null;
}

/** A file that the operators of Drones have registered. */
interface Registered {
  readonly registered: string;
  readonly export: string | null;
}

function sourceOf(target: Target | Reducer): Source | Registered {
  if (isTask(target) || isReducer(target)) {
    const { file, registered } = target;
    if (registered !== null) return { registered, export: 'export' in target ? target.export : null };
    if (file !== null) return { path: pathOf(file), export: null, made: target };
    const what = isTask(target) ? 'task' : 'reducer';
    throw new UsageError(`It is not known which file this ${what} is in; give the file instead.`, 'badTask');
  }
  const text = target instanceof URL ? target.href : target;
  if (typeof text !== 'string') {
    throw new UsageError(
      'A kind, the file of a task, or a task is needed: "hash", "./resize.task.ts".',
      'badTask',
    );
  }
  const [, file = text, name = null] = /^(.*?)(?:#([\w$]+))?$/.exec(text) ?? [];
  return { path: pathOf(file), export: name, made: null };
}

/** `#merge` is in the file of the task. */
function reducerSource(reduce: Reducer | ReducerFile, target: Target): Source | Registered {
  if (typeof reduce !== 'string' || !reduce.startsWith('#')) return sourceOf(reduce);
  return { ...sourceOf(target), export: reduce.slice(1), made: null };
}

const labelled = (labels: Readonly<Record<string, string>>): object =>
  Object.keys(labels).length === 0 ? {} : { labels };
const lists = (own: readonly string[], given: readonly string[] = []): { blobs?: readonly string[] } =>
  own.length + given.length === 0 ? {} : { blobs: [...own, ...given] };

const pathOf = (file: string): string =>
  file.startsWith('file:') ? fileURLToPath(new URL(file).href.replace(/[?#].*$/, '')) : resolve(file);
const nameOf = (path: string): string => path.replace(/^.*[/\\]/, '').slice(0, 256);

export function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
