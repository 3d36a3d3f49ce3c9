/**
 * What a task file exports. `task()` marks a function as a task and remembers the file that it stands in, so that a client
 * which imports it can bundle that file, and TypeScript knows what goes in and what comes out.
 */
import { UsageError } from '@hive/shared';
import type { Inputs } from '../feeder.ts';
import type { CallOptions, JobOptions, RangeStep, ReduceWith } from '../options.ts';
import type { BuiltInReduce, Reduced } from '../reduced.ts';
import type { StreamSource } from '../streams.ts';
import { callerFile } from './caller.ts';
import type { Reducer } from './reducer.ts';

/** The second argument of a task's function. */
export interface TaskContext {
  /** Aborted when the task is cancelled; its `reason` says why. Pass it on to whatever takes one. */
  readonly signal: AbortSignal;
  /** Position of the task's input, counted from 0. */
  readonly index: number;
  /** Which attempt at this task it is, counted from 1. */
  readonly attempt: number;
  /** The job's `params`: what all of its tasks have in common. */
  readonly params: { readonly [name: string]: unknown };
  /** Prints a line, which `job.output()` and `hive logs` show; console.log does the same. */
  log(...values: readonly unknown[]): void;
  /** Says how far it is, to whoever follows `job.events()`. */
  progress(done: number, of: number): void;
  /** Gives a partial result to whoever follows `job.events()`. It is not kept: what counts is what the task returns. */
  emit(value: unknown): void;
  /** Ends the whole job, successfully, with this value: the rest is cancelled, running work included. */
  finish(value: unknown): never;
  /** Adds to the task's output, which is then bytes, of any length, instead of what it returns. */
  write(bytes: Uint8Array | string): void;
  /** Submits more work, of a job with the option `nested: true`. What has not ended when the task ends is cancelled. */
  readonly hive: TaskHive;
}

/**
 * What a task submits work with: tasks that its own file exports, registered ones, and kinds. While it awaits the answers it
 * gives its slot away, and its code runs on when there is one for it again.
 */
export interface TaskHive {
  call<In, Out>(task: Task<In, Out>, input: SentAs<In>, options?: CallOptions): Promise<Awaited<Out>>;
  call<T = unknown>(kind: string, input: unknown, options?: CallOptions): Promise<T>;
  /** All results, in the order of the inputs. */
  map<In, Out>(
    task: Task<In, Out>,
    inputs: Inputs<SentAs<In>>,
    options?: JobOptions,
  ): Promise<Awaited<Out>[]>;
  map<T = unknown>(kind: string, inputs: Inputs, options?: JobOptions): Promise<T[]>;
  /** The results, folded into one value: with a reducer, which its own file exports, too, or with a built-in operator. */
  map<In, T>(
    task: Task<In, NoInfer<T>>,
    inputs: Inputs<SentAs<In>>,
    options: JobOptions & FoldedBy<T>,
  ): Promise<T | undefined>;
  map<In, Out, const R extends BuiltInReduce>(
    task: Task<In, Out>,
    inputs: Inputs<SentAs<In>>,
    options: JobOptions & Folded<R>,
  ): Promise<Reduced<Awaited<Out>, R>>;
  map<const R extends BuiltInReduce>(
    kind: string,
    inputs: Inputs,
    options: JobOptions & Folded<R>,
  ): Promise<Reduced<unknown, R>>;
  map<T = unknown>(task: AnyTask, inputs: Inputs, options: JobOptions & Folded): Promise<T>;
  range<Out>(
    start: number,
    end: number,
    task: Task<number, Out>,
    options?: JobOptions & RangeStep,
  ): Promise<Awaited<Out>[]>;
  range<T>(
    start: number,
    end: number,
    task: Task<number, NoInfer<T>>,
    options: JobOptions & RangeStep & FoldedBy<T>,
  ): Promise<T | undefined>;
  range<Out, const R extends BuiltInReduce>(
    start: number,
    end: number,
    task: Task<number, Out>,
    options: JobOptions & RangeStep & Folded<R>,
  ): Promise<Reduced<Awaited<Out>, R>>;
  range<const R extends BuiltInReduce>(
    start: number,
    end: number,
    kind: string,
    options: JobOptions & RangeStep & Folded<R>,
  ): Promise<Reduced<unknown, R>>;
  range<T = unknown>(
    start: number,
    end: number,
    task: AnyTask,
    options: JobOptions & RangeStep & Folded,
  ): Promise<T>;
}
// biome-ignore lint/suspicious/noExplicitAny: any task will do
type AnyTask = string | Task<any, any>;
interface Folded<R extends ReduceWith = ReduceWith> {
  readonly reduce: R;
}
interface FoldedBy<T> {
  readonly reduce: Reducer<T>;
}

/** What a task gets for an input that was sent as a stream (`fileStream(path)`): bytes of any length. */
export interface InputStream extends AsyncIterable<Uint8Array> {
  /** Its whole length. */
  readonly bytes: number;
  /** All of it in memory. */
  whole(): Promise<Uint8Array>;
}

/** What a task's own file says of it; a job's options go before it. */
export interface TaskSettings {
  /** Tasks that one slot has under way at once, for functions that wait for I/O; default 1, at most 1,000. */
  readonly concurrency?: number;
  /** After so many calls the thread is replaced by a fresh one, for code that leaks. */
  readonly maxCallsPerThread?: number;
}

/** The same text in the Drone (functions/task-module.ts), and in what bundles have in the place of this package. */
const TASK_MARK: unique symbol = Symbol.for('hive.task') as never;

/** A function that can be sent. Made by `task()`. */
export interface Task<In = unknown, Out = unknown> {
  /** Call it here, as in a test. */
  readonly run: (input: In, context: TaskContext) => Out | PromiseLike<Out>;
  readonly settings: TaskSettings;
  /** URL of the file in which it was made; null for a registered one. */
  readonly file: string | null;
  /** Of a registered one. */
  readonly registered: string | null;
  readonly [TASK_MARK]: { readonly run: unknown; readonly settings: TaskSettings };
}

/**
 * Marks a function as a task; to be exported by its file, usually as the default:
 * `export default task(async (path: string) => …)`.
 */
export function task<In, Out>(
  run: (input: In, context: TaskContext) => Out | PromiseLike<Out>,
  settings: TaskSettings = {},
): Task<In, Out> {
  if (typeof run !== 'function')
    throw new UsageError('task() takes a function: task((input) => …).', 'badTask');
  return { run, settings, file: callerFile(), registered: null, [TASK_MARK]: { run, settings } };
}

/**
 * A task that the operators of Drones have registered (`hive drone --tasks DIR`), by its name. Give its file's type, if you
 * have it: `registeredTask<typeof import('./resize.task.ts')>('resize')`.
 */
export function registeredTask<M = unknown>(name: string): Task<InputOf<M>, OutputOf<M>> {
  const run = () => {
    throw new UsageError(`The task "${name}" is on Drones only.`, 'badTask');
  };
  return { run, settings: {}, file: null, registered: name, [TASK_MARK]: { run, settings: {} } };
}

export const isTask = (value: unknown): value is Task =>
  typeof value === 'object' && value !== null && TASK_MARK in value;

/** Thrown by a task that need not be tried again. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError';
  readonly retryable = false;
}

/** How an input of this type is given. */
export type SentAs<In> = In extends InputStream ? StreamSource : In;

/** What the task of a module takes, or that of a task; unknown of anything else. */
type InOf<T> =
  T extends Task<infer In, infer _Out>
    ? In
    : T extends { readonly default: infer D }
      ? D extends Task<infer In, infer _Out>
        ? In
        : unknown
      : unknown;
export type InputOf<T> = SentAs<InOf<T>>;
/** What it gives. */
export type OutputOf<T> =
  T extends Task<infer _In, infer Out>
    ? Awaited<Out>
    : T extends { readonly default: infer D }
      ? D extends Task<infer _In, infer Out>
        ? Awaited<Out>
        : unknown
      : unknown;
