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
  /** Functions in a sandbox: heap of their process, in MiB. */
  readonly memoryMiB?: number;
}

/** Where a task's code is. */
interface Source {
  readonly path: string;
  readonly export: string | null;
  readonly task: Task | null;
}
interface Bundled extends Bundle {
  readonly exportName: string | null;
}

const TASK_FILE = /^file:|\.[cm]?[jt]sx?(?:#[\w$]+)?$/;
const FUNCTION_OPTIONS = ['concurrency', 'maxCallsPerThread', 'memoryMiB', 'nested'] as const;

/** What a job of a function needs of this; a task that submits work finds its functions in another way. */
export type Targets = Pick<Functions, 'keyOf' | 'optionsOf'>;

/** Whether this is a function's, and not the name of a kind. */
export const isFunction = (target: Target): boolean => typeof target !== 'string' || TASK_FILE.test(target);

export class Functions {
  readonly #blobs: Blobs;
  readonly #bundles = new Map<string, Promise<Bundled>>();
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
    const common = {
      ...rest,
      kind: 'function',
      encoding: 'hive-js' as const,
      ...(own.concurrency === undefined ? {} : { concurrency: own.concurrency }),
    };
    const given = { ...own, ...(params === undefined ? {} : { params }) };
    if (isTask(target) && target.registered !== null) {
      const name = target.registered;
      const labels = { ...options.labels, [`task:${name}`]: 'yes' };
      return { ...common, labels, params: { name, ...given } } as unknown as T & { kind: string };
    }
    const source = sourceOf(target);
    const { code, exportName } = await this.#bundled(source);
    const module = await this.#blobs.ensure(code);
    return {
      ...common,
      blobs: [module, ...(options.blobs ?? [])],
      params: {
        module,
        file: nameOf(source.path),
        ...(exportName === null ? {} : { export: exportName }),
        ...given,
      },
    } as unknown as T & { kind: string };
  }

  #bundled(source: Source): Promise<Bundled> {
    const key = `${source.path}#${source.task === null ? (source.export ?? '') : this.keyOf(source.task)}`;
    let bundled = this.#bundles.get(key);
    if (bundled === undefined) {
      bundled = bundleOf(source);
      this.#bundles.set(key, bundled);
      // Whoever mends the file may try again.
      bundled.catch(() => this.#bundles.delete(key));
    }
    return bundled;
  }
}

/** Refuses what only functions have. @throws UsageError 'badOption' */
export function mustBePlain(options: FunctionOptions): void {
  const option = FUNCTION_OPTIONS.find((name) => options[name] !== undefined);
  if (option !== undefined) throw new UsageError(`Only functions have the option "${option}".`, 'badOption');
}

async function bundleOf(source: Source): Promise<Bundled> {
  const { bundle } = await import('./bundle.ts');
  const made = await bundle(source.path);
  return { ...made, exportName: source.export ?? (await nameAmong(made.exports, source)) };
}

/** Which export of its module a task is; null if that is clear. */
async function nameAmong(exports: readonly string[], { task, path }: Source): Promise<string | null> {
  if (task === null || exports.length < 2) return null;
  const module = (await import(task.file?.startsWith('file:') ? task.file : pathToFileURL(path).href)) as {
    readonly [name: string]: unknown;
  };
  return exports.find((name) => module[name] === task) ?? null;
}

function sourceOf(target: Target): Source {
  if (isTask(target)) {
    if (target.file === null) {
      throw new UsageError('It is not known which file this task is in; give the file instead.', 'badTask');
    }
    return { path: pathOf(target.file), export: null, task: target };
  }
  const text = target instanceof URL ? target.href : target;
  if (typeof text !== 'string') {
    throw new UsageError(
      'A kind, the file of a task, or a task is needed: "hash", "./resize.task.ts".',
      'badTask',
    );
  }
  const [, file = text, name = null] = /^(.*?)(?:#([\w$]+))?$/.exec(text) ?? [];
  return { path: pathOf(file), export: name, task: null };
}

const pathOf = (file: string): string =>
  file.startsWith('file:') ? fileURLToPath(new URL(file).href.replace(/[?#].*$/, '')) : resolve(file);
const nameOf = (path: string): string => path.replace(/^.*[/\\]/, '').slice(0, 256);

export function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
