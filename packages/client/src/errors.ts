/** The errors that only a client has: one task's own failure. Everything else is a UsageError with a code. */
import { decodeHiveJs, type Failure, type JobId, type Outcome } from '@hive/shared';

/**
 * One task of a `map` or a `call` did not succeed, after whatever retries its job allows; or what tasks gave could not be folded. `message` is the task's own;
 * `code` is what the task's error named itself, if it did. What a function threw is in `thrown`, as it was; its name, stack,
 * cause and own properties are this error's, too.
 */
export class TaskError extends Error {
  override name = 'TaskError';
  readonly job: JobId;
  /** Position of the task's input, counted from 0. */
  readonly index: number;
  /** Of values of several tasks that could not be folded: so many tasks from `index` on. Else absent. */
  declare readonly count?: number;
  readonly outcome: Exclude<Outcome, 'succeeded'>;
  readonly code: string | undefined;
  /** Of a graph's task: its name, or what stands for it. */
  readonly task: string | undefined;
  /** What a function threw; absent when it came to no throwing. */
  declare readonly thrown?: unknown;

  constructor(job: JobId, failure: Failure & { readonly count?: number }, task?: string) {
    super(failure.message);
    this.job = job;
    this.index = failure.index;
    this.outcome = failure.outcome as Exclude<Outcome, 'succeeded'>;
    this.code = failure.code;
    this.task = task;
    if (failure.count !== undefined) this.count = failure.count;
    if (failure.error !== undefined) takeOver(this, thrownIn(failure.error));
  }
}

/** What a function threw; undefined if it is not to be read. */
export function thrownIn(base64: string): unknown {
  try {
    return decodeHiveJs(Buffer.from(base64, 'base64'));
  } catch {
    return undefined;
  }
}

/** The error reads like the one that was thrown, except where it has a word of its own. */
function takeOver(error: TaskError, thrown: unknown): void {
  Object.defineProperty(error, 'thrown', { value: thrown, enumerable: false });
  if (typeof thrown !== 'object' || thrown === null || !isError(thrown)) return;
  const taken = ['name', 'stack', 'cause', ...Object.keys(thrown)];
  for (const key of taken) {
    const value = (thrown as unknown as Record<string, unknown>)[key];
    const isOwn = key !== 'name' && key !== 'stack' && Object.hasOwn(error, key);
    if (isOwn || value === undefined) continue;
    Object.defineProperty(error, key, {
      value,
      enumerable: Object.keys(thrown).includes(key),
      configurable: true,
      writable: true,
    });
  }
}

const isError = (value: object): value is Error =>
  value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
