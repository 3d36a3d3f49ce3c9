/**
 * The encoding `hive-js`: plain msgpack, and these extension types for what structured clone keeps and msgpack cannot
 * say. docs/PROTOCOL.md, section 6, has the table; whoever changes a number here breaks every value that is stored.
 */

/** Extension types. */
export const EXT = {
  /** No payload. */
  undefined: 1,
  /** An object that stands in the value already: how many objects ago it began, as msgpack integer. */
  reference: 2,
  /** An array with holes or with named entries: its length, then pairs (name, value). */
  array: 3,
  /** Pairs (key, value). */
  map: 4,
  /** Values. */
  set: 5,
  /** Milliseconds since 1970 as float64; NaN: an invalid date. */
  date: 6,
  /** Two texts: source and flags. */
  regexp: 7,
  /** A byte that is 1 if it is negative, then its magnitude, big-endian. */
  bigint: 8,
  /** Bytes. */
  buffer: 9,
  /** The kind of view (see VIEWS), then the bytes that it shows, little-endian. */
  view: 10,
  /** The name of its built-in class, then pairs (name, value). */
  error: 11,
  /** A boolean, number, text or bigint as an object of its own. */
  boxed: 12,
  /** UTF-16 units, big-endian: a text that is no sound Unicode. */
  text: 13,
} as const;

/** Kinds of views by their number on the wire. A Uint8Array is msgpack's byte string. */
export const VIEWS = [
  'DataView',
  'Int8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float16Array',
] as const;

/** Classes of errors that come back as themselves; any other comes back as an Error with its own `name`. */
export const ERRORS = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
} as const;
export type ErrorName = keyof typeof ERRORS;

/** Entries of an error that are not enumerable, where it has them. */
export const HIDDEN: readonly string[] = ['message', 'stack', 'cause', 'errors'];

/** Objects inside one another. */
export const DEPTH_MAX = 500;

/** Whether a text is sound Unicode, and so can be UTF-8. */
export const isWellFormed = (text: string): boolean =>
  (text as unknown as { isWellFormed(): boolean }).isWellFormed();

/** The way to a value within another, for people. */
export function pathText(steps: readonly (string | number)[]): string {
  if (steps.length > 12) return `${pathText(steps.slice(0, 6))} … ${pathText(steps.slice(-5))}`;
  let text = '';
  for (const step of steps) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(step) || /^(?:get)?\(/.test(step))
      text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text === '' ? 'it' : text;
}
