/** What a caller may ask of a job, and how it becomes the `Spec` that travels. */
import {
  type Encoding,
  isJobId,
  jobSpec,
  labelsOfWish,
  type Plain,
  type Reduce,
  readSandboxWish,
  reduceProblem,
  reduce as reduceSpec,
  type SandboxLevel,
  type SandboxWish,
  type Spec,
  UsageError,
} from '@hive/shared';
import { type Duration, millisOf } from './duration.ts';
import type { Inputs } from './feeder.ts';
import type { FunctionOptions, Target } from './functions/functions.ts';
import type { Reducer, ReducerFile } from './functions/reducer.ts';

/** How tasks are treated. */
export interface TaskOptions extends FunctionOptions {
  /** Parameters of the kind, the same for every task; of a function, what its `context.params` is. */
  readonly params?: { readonly [key: string]: Plain | undefined };
  /** How values travel: `msgpack` (default; anything plain), `raw` (byte strings in and out); functions have `hive-js`. */
  readonly encoding?: Encoding;
  /** Blobs that its tasks read, by the hashes that `blobs.ensure` gave. */
  readonly blobs?: readonly string[];
  /** -1,000 to 1,000, default 0; higher goes first. */
  readonly priority?: number;
  /** Share of the cluster among jobs of one priority, 1 to 10,000; default 1. */
  readonly weight?: number;
  /**
   * What commands run in at least, and functions in a process of their own: a level, or a map with its limits. Adds
   * `sandbox` to the params and the labels of Drones
   * that can. The operator of a Drone may demand more.
   */
  readonly sandbox?: SandboxLevel | SandboxWish;
  /** Slots of one Drone that each task takes; default 1. */
  readonly slots?: number;
  /** Labels that a Drone must have. */
  readonly labels?: { readonly [name: string]: string };
  /** How often a task that failed is tried again; default 2. */
  readonly retries?: number;
  /** Waiting time before the first retry (default 1 s) and at most (60 s); it doubles in between. */
  readonly backoff?: Duration;
  readonly backoffMax?: Duration;
  /** How long one attempt may take; then it is stopped, and counts as failed. Default: as long as it wants. */
  readonly attemptTimeout?: Duration;
  /** How long a task may wait for its start; one that waits longer ends as `timedOut`. */
  readonly queueTimeout?: Duration;
  /** Times that a task may kill its Drone before it ends as `crashed`; default 3. */
  readonly crashLimit?: number;
}

export interface CallOptions extends TaskOptions {
  /** Cancels the call, also while it runs; its promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Another job that must have ended before: its id (with ":end" if any end will do), or a handle. */
export type After = string | { readonly id: string; readonly on?: 'success' | 'end' };
/** When a job is not worth going on with: so many failed tasks, or a share of all of them as "10%". */
export type HaltOn = number | string | { readonly failures?: number; readonly share?: number };

/**
 * How the results of all tasks become one value, in the order of the tasks:
 * `count` (of tasks), `sum` (exact for integers, a BigInt where that takes one; compensated for floats), `min` and `max` (the first
 * of several), `concat` (texts, lists or bytes), `merge` (sorted lists), `{ op: 'top', k }` (the k largest). `by` names the
 * entry of a map by which `min`, `max`, `top` and `merge` compare. Or the file of a reducer, as `./words.task.ts#merge`.
 */
export type ReduceWith =
  | Exclude<Reduce['op'], 'top' | 'function'>
  | { readonly op: 'min' | 'max' | 'merge'; readonly by?: string }
  | { readonly op: 'top'; readonly k: number; readonly by?: string }
  | ReducerFile;

/** How jobs are treated. */
export interface JobOptions extends TaskOptions {
  /** For people, in lists and in `hive top`. */
  readonly name?: string;
  /** Jobs that come first. If one of them does not succeed, this one is cancelled, unless any end will do. */
  readonly after?: readonly After[];
  /** Gives the job up when so many of its tasks have failed for good. */
  readonly haltOn?: HaltOn;
  /** How long the whole job may take; then what runs is stopped, and the job has failed. */
  readonly deadline?: Duration;
  /** How long the finished job and its results are kept; default 7 days. */
  readonly retention?: Duration;
}

export interface MapOptions extends JobOptions {
  /** Iterate in the order of the inputs (default), or as results come in. */
  readonly ordered?: boolean;
  /** Cancels the job, and with it what runs. */
  readonly signal?: AbortSignal;
  /** Outputs over 1 MiB as an `OutputStream` each, instead of fetched whole (up to 512 MiB). */
  readonly streams?: boolean;
  /** With one, the results are folded: see `ReduceOptions` and `FoldOptions`. */
  readonly reduce?: never;
}

/** Of a `map` or `range` whose results are folded. */
export interface ReduceOptions<R extends ReduceWith = ReduceWith>
  extends Omit<MapOptions, 'ordered' | 'streams' | 'reduce'> {
  readonly reduce: R;
}
/** The same, folded with a function that its file exports: `reducer((left, right) => …)`. */
export interface FoldOptions<T> extends Omit<MapOptions, 'ordered' | 'streams' | 'reduce'> {
  readonly reduce: Reducer<T>;
}
export interface RangeStep {
  /** From one integer to the next; default 1. */
  readonly step?: number;
}

export interface SubmitOptions extends JobOptions {
  /** A kind's name, the file of a task, or a task. */
  readonly kind: Target;
  /** One task each; pulled only as fast as the Queen takes them. */
  readonly inputs?: Inputs;
  /** Folds the results into one value, the job's, on the Drones. The results themselves are not kept. */
  // biome-ignore lint/suspicious/noExplicitAny: any reducer will do
  readonly reduce?: ReduceWith | Reducer<any>;
  /** Instead of inputs: task i gets the integer start + i x step, computed where it is used. */
  readonly range?: { readonly start: number; readonly step: number; readonly count: number };
  /** Whether the job ends with this client (default). A detached one outlives it once it is sealed. */
  readonly attached?: boolean;
  /** The job's id, a UUID in lower case, if it must be known before; default: a new one. */
  readonly id?: string;
  /** Cancels the job, and with it what runs, even when it has been submitted already. */
  readonly signal?: AbortSignal;
}

/** All that a spec is made of; graphs have a face of their own. */
export type SpecOptions = Partial<SubmitOptions> & { readonly graph?: 'failChildren' | 'runChildren' };

/** Options that travel as they are. */
const PLAIN = [
  'params',
  'name',
  'attached',
  'range',
  'priority',
  'weight',
  'slots',
  'labels',
  'retries',
  'crashLimit',
  'graph',
  'concurrency',
  'blobs',
  'nested',
] as const;
/** Lengths of time, and their names on the wire. */
const DURATIONS = {
  backoff: 'backoffMillis',
  backoffMax: 'backoffMillisMax',
  attemptTimeout: 'attemptTimeoutMillis',
  queueTimeout: 'queueTimeoutMillis',
  deadline: 'deadlineMillis',
  retention: 'retentionMillis',
} as const;
/** Options that stay here or have a form of their own on the wire. */
const OTHERS = [
  'kind',
  'encoding',
  'inputs',
  'id',
  'ordered',
  'streams',
  'signal',
  'after',
  'haltOn',
  'sandbox',
  'reduce',
] as const;
const KNOWN: ReadonlySet<string> = new Set([...PLAIN, ...Object.keys(DURATIONS), ...OTHERS]);

/**
 * @throws UsageError 'badSpec' for what the wire cannot carry: a Queen would take it for a breach of the protocol;
 * 'badDuration', 'badJobId', 'badOption' for what cannot be understood
 */
export function specOf(kind: string, options: SpecOptions): Spec {
  const spec: Record<string, unknown> = { kind, encoding: options.encoding ?? 'msgpack' };
  for (const option of Object.keys(options)) {
    if (!KNOWN.has(option)) throw new UsageError(`A job has no option "${option}".`, 'badOption');
  }
  for (const field of PLAIN) {
    if (options[field] !== undefined) spec[field] = options[field];
  }
  for (const [option, field] of Object.entries(DURATIONS)) {
    const duration = options[option as keyof typeof DURATIONS];
    if (duration !== undefined) spec[field] = millisOf(option, duration);
  }
  if (options.after !== undefined) spec['after'] = afterListOf(options.after);
  if (options.haltOn !== undefined) spec['haltOn'] = haltOnOf(options.haltOn);
  addSandbox(spec, options.sandbox);
  if (options.reduce !== undefined) spec['reduce'] = reduceOf(options.reduce);
  const wrong = jobSpec.problem(spec);
  if (wrong !== null) throw new UsageError(`A job cannot have this: ${wrong}.`, 'badSpec');
  return spec as unknown as Spec;
}

/**
 * A job that wishes for a sandbox, by the option or in the params of commands, goes only to Drones that can.
 * @throws UsageError 'badSandbox'
 */
function addSandbox(spec: Record<string, unknown>, option: unknown): void {
  const params = spec['params'] as Readonly<Record<string, unknown>> | undefined;
  const wished = option ?? (spec['kind'] === 'command' ? params?.['sandbox'] : undefined);
  if (wished === undefined) return;
  const labels = labelsOfWish(readSandboxWish(wished));
  if (option !== undefined) spec['params'] = { ...params, sandbox: option };
  if (Object.keys(labels).length > 0)
    spec['labels'] = { ...(spec['labels'] as Record<string, string> | undefined), ...labels };
}

/** What makes no sense is said here, in the caller's words. @throws UsageError 'badSpec' */
function reduceOf(reduce: ReduceWith | Reducer): Reduce {
  const spec = (typeof reduce === 'string' ? { op: reduce } : reduce) as unknown as Reduce;
  const wrong = reduceSpec.problem(spec) ?? reduceProblem(spec);
  if (wrong === null) return spec;
  throw new UsageError(wrong.startsWith('reduce') ? wrong : `reduce: this cannot be: ${wrong}.`, 'badSpec');
}

/** The range as it travels. @throws UsageError 'badSpec' */
export function rangeOf(start: number, end: number, step: number): NonNullable<Spec['range']> {
  const count = Math.max(0, Math.ceil((end - start) / step));
  const isSound = [start, end, step, count].every(Number.isSafeInteger) && step !== 0;
  if (isSound) return { start, step, count };
  throw new UsageError(
    `A range goes from one integer of 53 bits to another by whole steps, not from ${start} to ${end} by ${step}.`,
    'badSpec',
  );
}

const ANY_END = ':end';

/** What a caller without types may have given is said in words, not in JavaScript's. @throws UsageError 'badOption' */
function afterListOf(list: unknown): { job: string; on: 'success' | 'end' }[] {
  if (Array.isArray(list)) return list.map((after: unknown) => afterOf(checkedAfter(after)));
  const isOne = typeof list === 'string' || (typeof list === 'object' && list !== null && 'id' in list);
  const next = isOne ? 'Put it in a list: after: [job].' : 'Give job ids or handles: after: [job].';
  throw new UsageError(`after: a list of jobs is needed. ${next}`, 'badOption');
}

function checkedAfter(after: unknown): After {
  if (typeof after === 'string') return after;
  const { id, on } = (after ?? {}) as { id?: unknown; on?: unknown };
  if (typeof id !== 'string') {
    throw new UsageError(`after: ${shown(after)} is not a job. Give its id, or its handle.`, 'badOption');
  }
  if (on !== undefined && on !== 'success' && on !== 'end') {
    throw new UsageError(`after: on is "success" or "end", not ${shown(on)}.`, 'badOption');
  }
  return after as After;
}

/** As much of a value as fits a sentence. */
function shown(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function afterOf(after: After): { job: string; on: 'success' | 'end' } {
  if (typeof after !== 'string') return { job: idOf(after.id), on: after.on ?? 'success' };
  return after.endsWith(ANY_END)
    ? { job: idOf(after.slice(0, -ANY_END.length)), on: 'end' }
    : { job: idOf(after), on: 'success' };
}

function idOf(text: string): string {
  if (isJobId(text)) return text;
  throw new UsageError(`after: "${text}" is not a job id (one may end in "${ANY_END}").`, 'badJobId');
}

function haltOnOf(halt: HaltOn): { failures?: number; share?: number } {
  if (typeof halt === 'object' && halt !== null) return halt;
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(String(halt).trim()) ?? [];
  const value = Number(number);
  const isShare = percent === '%';
  const isSound = isShare ? value > 0 && value <= 100 : Number.isSafeInteger(value) && value > 0;
  if (isSound) return isShare ? { share: value / 100 } : { failures: value };
  throw new UsageError(
    `haltOn: ${JSON.stringify(halt)} is neither a number of failed tasks above 0 nor a share such as "10%".`,
    'badSpec',
  );
}

/** The same text for calls that can share one job. */
export function callKey(kind: string, { signal: _, ...options }: CallOptions): string {
  const own = JSON.stringify(options);
  return own === NO_KEY ? kind : `${kind} ${own}`;
}
const NO_KEY = '{}';
