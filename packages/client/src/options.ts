/** What a caller may ask of a job, and how it becomes the `Spec` that travels. */
import { type Encoding, jobSpec, type Plain, type Spec, UsageError } from '@hive/shared';
import type { Inputs } from './feeder.ts';

/** How tasks are treated. Times are in milliseconds. */
export interface TaskOptions {
  /** Parameters of the kind, the same for every task. */
  readonly params?: { readonly [key: string]: Plain | undefined };
  /** How values travel: `msgpack` (default; anything plain) or `raw` (byte strings in and out). */
  readonly encoding?: Encoding;
  /** -1,000 to 1,000, default 0; higher goes first. */
  readonly priority?: number;
  /** How often a task that failed is tried again; default 2. */
  readonly retries?: number;
  /** How long one attempt may take; default: as long as it wants. */
  readonly attemptTimeoutMillis?: number;
}

export interface CallOptions extends TaskOptions {
  /** Cancels the call; its promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How jobs are treated. */
export interface JobOptions extends TaskOptions {
  /** For people, in lists and in `hive top`. */
  readonly name?: string;
  /** Share of the cluster among jobs of one priority, 1 to 10,000. */
  readonly weight?: number;
  /** Slots of one Drone that each task takes; default 1. */
  readonly slots?: number;
  /** Labels that a Drone must have. */
  readonly labels?: { readonly [name: string]: string };
  /** Waiting time before the first retry and at most; it doubles in between. */
  readonly backoffMillis?: number;
  readonly backoffMillisMax?: number;
  /** Times that a task may kill its Drone before it ends as `crashed`; default 3. */
  readonly crashLimit?: number;
  /** How long the finished job and its results are kept. */
  readonly retentionMillis?: number;
}

export interface MapOptions extends JobOptions {
  /** Iterate in the order of the inputs (default), or as results come in. */
  readonly ordered?: boolean;
  /** Cancels the job. */
  readonly signal?: AbortSignal;
}

export interface SubmitOptions extends JobOptions {
  readonly kind: string;
  /** One task each; pulled only as fast as the Queen takes them. */
  readonly inputs?: Inputs;
  /** Instead of inputs: task i gets the integer start + i x step, computed where it is used. */
  readonly range?: { readonly start: number; readonly step: number; readonly count: number };
  /** Whether the job ends with this client (default). A detached one outlives it once it is sealed. */
  readonly attached?: boolean;
  /** The job's id, a UUID in lower case, if it must be known before; default: a new one. */
  readonly id?: string;
}

const SPEC_FIELDS = [
  'params',
  'priority',
  'retries',
  'attemptTimeoutMillis',
  'name',
  'weight',
  'slots',
  'labels',
  'backoffMillis',
  'backoffMillisMax',
  'crashLimit',
  'retentionMillis',
  'attached',
  'range',
] as const;

/** @throws UsageError 'badSpec' for what the wire cannot carry: a Queen would take it for a breach of the protocol */
export function specOf(kind: string, options: JobOptions & Partial<SubmitOptions>): Spec {
  const spec: Record<string, unknown> = { kind, encoding: options.encoding ?? 'msgpack' };
  for (const field of SPEC_FIELDS) {
    if (options[field] !== undefined) spec[field] = options[field];
  }
  const wrong = jobSpec.problem(spec);
  if (wrong !== null) throw new UsageError(`A job cannot have this: ${wrong}.`, 'badSpec');
  return spec as unknown as Spec;
}

/** The same text for calls that can share one job. */
export function callKey(kind: string, options: CallOptions): string {
  const { params, encoding, priority, retries, attemptTimeoutMillis } = options;
  const own = params === undefined ? '' : JSON.stringify(params);
  const key = `${encoding ?? ''} ${priority ?? ''} ${retries ?? ''} ${attemptTimeoutMillis ?? ''} ${own}`;
  return key === NO_KEY ? kind : `${kind} ${key}`;
}
const NO_KEY = '    ';
