/**
 * What a function threw, on its way to its caller: a code and a sentence for everybody, and the error itself, as hive-js in
 * base64, for a client that can throw it again. The stack ends where the user's code does.
 */
import { encodeHiveJs, LIMITS } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { BoxAnswer } from './box-wire.ts';

/** As much of an error as a failure carries: base64 takes four bytes for three. */
const ERROR_BYTES_MAX = Math.floor((LIMITS.textMax * 3) / 4) - 8;
const CLASSES = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError] as const;
const STACK_MAX = 2_000;
const OWN_FRAME =
  /[/\\](?:packages[/\\]drone[/\\]|@hive[/\\]drone[/\\])|node:internal[/\\]|[/\\]box-child\.(?:ts|mjs)/;

/** What a task's own code threw. @throws never */
export class ThrownError extends TaskFailure {
  /** Base64 of the error in hive-js; null when it cannot travel. */
  override readonly error: string | null;

  constructor(thrown: unknown) {
    super(codeOf(thrown), messageOf(thrown), isRetryable(thrown));
    this.error = travelling(thrown);
  }
}

export function thrownBy(thrown: unknown): TaskFailure {
  return thrown instanceof TaskFailure ? thrown : new ThrownError(thrown);
}

/** An error as it was before structured clone took its own entries from it. */
export function withOwn({ error: thrown, kind, own }: Extract<BoxAnswer, { type: 'thrown' }>): unknown {
  if (!isError(thrown)) return thrown;
  const Class = CLASSES.find(({ name }) => name === kind) ?? Error;
  Object.setPrototypeOf(thrown, Class.prototype);
  for (const [key, value] of Object.entries(own)) {
    Object.defineProperty(thrown, key, {
      value,
      enumerable: key !== 'name',
      configurable: true,
      writable: true,
    });
  }
  return thrown;
}

const isError = (thrown: unknown): thrown is Error =>
  thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]';

function codeOf(thrown: unknown): string {
  try {
    const { code, name } = (thrown ?? {}) as { code?: unknown; name?: unknown };
    const found = typeof code === 'string' && code !== '' ? code : isError(thrown) ? name : 'thrown';
    return String(found).slice(0, LIMITS.nameMax);
  } catch {
    return 'thrown';
  }
}

function messageOf(thrown: unknown): string {
  try {
    return isError(thrown) ? String(thrown.message) : String(thrown);
  } catch {
    return 'The task threw something that cannot be described.';
  }
}

function isRetryable(thrown: unknown): boolean {
  const { retryable, name } = (thrown ?? {}) as { retryable?: unknown; name?: unknown };
  return retryable !== false && name !== 'NonRetryableError';
}

/** The whole of it if it fits; else without what is large, at last without all that is not in the message anyway. */
function travelling(thrown: unknown): string | null {
  const shapes = isError(thrown) ? [shaped, withoutOwn, withoutCause] : [(whole: unknown) => whole];
  for (const shape of shapes) {
    try {
      const bytes = encodeHiveJs(shape(thrown));
      if (bytes.length <= ERROR_BYTES_MAX) return Buffer.from(bytes).toString('base64');
    } catch {
      // It holds something that cannot be sent; the next shape has less of it.
    }
  }
  return null;
}

function shaped(thrown: unknown, depth = 0): unknown {
  if (!isError(thrown) || depth > 8) return thrown;
  const { cause } = thrown;
  const copy = withoutCause(thrown) as Error;
  for (const key of Object.keys(thrown)) {
    const value = (thrown as unknown as Record<string, unknown>)[key];
    Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  }
  if (Object.hasOwn(thrown, 'errors')) (copy as AggregateError).errors = (thrown as AggregateError).errors;
  if (cause !== undefined) copy.cause = shaped(cause, depth + 1);
  return copy;
}

function withoutOwn(thrown: unknown): unknown {
  const copy = withoutCause(thrown) as Error;
  const { cause } = thrown as Error;
  if (isError(cause)) copy.cause = withoutCause(cause);
  const { code } = thrown as { code?: unknown };
  if (typeof code === 'string' || typeof code === 'number') (copy as { code?: unknown }).code = code;
  return copy;
}

/** Name, message and stack: of the same class, as far as that is JavaScript's own. */
function withoutCause(thrown: unknown): unknown {
  const { name, message, stack } = thrown as Error;
  const copy = Object.create(Object.getPrototypeOf(thrown) as object) as Error;
  // Made like this it would not be an error for structured clone.
  const error = Object.setPrototypeOf(
    new Error(String(message).slice(0, STACK_MAX)),
    Object.getPrototypeOf(copy),
  ) as Error;
  error.stack = userStack(String(stack ?? ''));
  if (name !== error.name) Object.defineProperty(error, 'name', { value: name, configurable: true });
  return error;
}

/** The frames up to the first that is the Drone's own. */
export function userStack(stack: string): string {
  const lines = stack.split('\n');
  const end = lines.findIndex((line) => /^\s+at /.test(line) && OWN_FRAME.test(line));
  return (end < 0 ? lines : lines.slice(0, end)).join('\n').slice(0, STACK_MAX);
}
