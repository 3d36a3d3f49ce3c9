/**
 * A tiny schema language for messages: one declaration gives the TypeScript type, the run-time check and the row in
 * PROTOCOL.md. A general validator would work too, but it would sit on the hottest path of every process and would not
 * know the wire's words (u53, bytes, absent instead of null).
 *
 * A check never throws and never allocates on success; it answers with the path of what is wrong, or null.
 */
import { LIMITS } from './limits.ts';
import { isJobId, type JobId, type LeaseNumber } from './units.ts';

/** One field's type: how it is called in PROTOCOL.md, and the check that an arriving value must pass. */
export interface Field<T> {
  readonly name: string;
  readonly optional: boolean;
  /** Null when the value fits, else what is wrong with it. */
  readonly problem: (value: unknown) => string | null;
  /** Carries the type; never present at run time. */
  readonly type?: T;
}
export type Fields = Readonly<Record<string, Field<unknown>>>;

type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F];
type Flat<T> = { [K in keyof T]: T[K] } & {};
/** The TypeScript type that a set of fields describes. */
export type Infer<F extends Fields> = Flat<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: F[K] extends Field<infer T> ? T : never } & {
    readonly [K in OptionalKeys<F>]?: F[K] extends Field<infer T> ? T : never;
  }
>;
export interface Optional<T> extends Field<T> {
  readonly optional: true;
}

function field<T>(name: string, problem: (value: unknown) => string | null): Field<T> & { optional: false } {
  return { name, optional: false, problem };
}
function test<T>(name: string, holds: (value: unknown) => boolean): Field<T> & { optional: false } {
  return field<T>(name, (value) => (holds(value) ? null : `is not ${name}`));
}

const isUnsigned = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;

/** An unsigned integer up to 2^53 - 1. */
export const u53 = test<number>('u53', isUnsigned);
/** An unsigned integer up to 2^32 - 1. */
export const u32 = test<number>('u32', (v) => isUnsigned(v) && v <= 0xffff_ffff);
/** A signed integer of at most 53 bits. */
export const int = test<number>('int', (v) => Number.isSafeInteger(v));
/** Any finite number. */
export const number = test<number>('number', (v) => typeof v === 'number' && Number.isFinite(v));
export const bool = test<boolean>('bool', (v) => typeof v === 'boolean');
/** Text of at most 256 UTF-16 units: a name, an id, a code. */
export const name = test<string>('name', (v) => typeof v === 'string' && v.length <= LIMITS.nameMax);
/** Text for people, of at most 8,192 UTF-16 units. */
export const text = test<string>('text', (v) => typeof v === 'string' && v.length <= LIMITS.textMax);
/** A byte string; its bound is that of the frame, or said where it is used. */
export const bytes = test<Uint8Array>('bytes', (v) => v instanceof Uint8Array);
/** A number's range, both ends included. */
export const between = (low: number, high: number) =>
  test<number>(`${low}..${high}`, (v) =>
    Number.isSafeInteger(v) && (v as number) >= low && (v as number) <= high);
/** A random id in lower-case hex digits. */
export const hex = <T extends string = string>(digits: number) => {
  const form = new RegExp(`^[0-9a-f]{${digits}}$`);
  return test<T>(`hex${digits}`, (v) => typeof v === 'string' && v.length === digits && form.test(v));
};
/** One of a few texts. */
export const oneOf = <const T extends string>(...texts: readonly T[]) =>
  test<T>(texts.map((t) => `"${t}"`).join(' \\| '), (v) => texts.includes(v as T));
const sizesUpTo = (max: number) =>
  test<number | Uint8Array>('sizes', (v) => v instanceof Uint8Array || (isUnsigned(v) && v <= max));
/** `sizes` of a page: one size for all, or count x u32 big-endian. */
export const sizes = sizesUpTo(LIMITS.valueBytesMax);
/** `sizes` of a lease's inputs: those of a graph's tasks, put together by the Queen, may be larger than a value. */
export const inputSizes = sizesUpTo(LIMITS.frameBytesMax);
/** A piece of a transfer or of live output: at most 256 KiB. */
export const chunk = test<Uint8Array>('chunk', (v) =>
  v instanceof Uint8Array && v.length <= LIMITS.chunkBytesMax);
/** A job's name: any UUID in lower case. */
export const jobIdField = test<JobId>('job id', (v) => typeof v === 'string' && isJobId(v));
/** Number of a lease within one incarnation. */
export const lease = test<LeaseNumber>('lease', isUnsigned);
/** The tasks of a lease in the order in which they start: first, count, first, count, … */
export const ranges = test<readonly number[]>('ranges', (v) =>
  Array.isArray(v) &&
  v.length > 0 &&
  v.length <= LIMITS.leaseRangesMax * 2 &&
  v.length % 2 === 0 &&
  areRanges(v));

function areRanges(flat: readonly unknown[]): boolean {
  let tasks = 0;
  for (let i = 0; i < flat.length; i += 2) {
    const first = flat[i];
    const count = flat[i + 1];
    if (!isUnsigned(first) || !isUnsigned(count) || count === 0 || !isUnsigned(first + count)) return false;
    tasks += count;
  }
  return tasks <= LIMITS.leaseTasksMax;
}

/** Pairs of unsigned integers, flat. */
export const pairs = test<readonly number[]>('pairs', (v) =>
  Array.isArray(v) && v.length <= LIMITS.listMax && v.length % 2 === 0 && v.every(isUnsigned));
/** A flat list of unsigned integers. */
export const u53s = (max: number = LIMITS.listMax) =>
  test<readonly number[]>(`[u53] up to ${max}`, (v) =>
    Array.isArray(v) && v.length <= max && v.every(isUnsigned));

/** A field that may be absent (never null or undefined on the wire). */
export function optional<T>(of: Field<T>): Optional<T> {
  return { name: of.name, optional: true, problem: (v) => (v === undefined ? null : of.problem(v)) };
}

/** Puts a step in front of the path with which a problem begins. */
function under(step: string, wrong: string): string {
  return wrong.startsWith('.') || wrong.startsWith('[') ? step + wrong : `${step} ${wrong}`;
}

/** A list of at most `max` entries. */
export function list<T>(of: Field<T>, max: number): Field<readonly T[]> & { optional: false } {
  return field(`[${of.name}] up to ${max}`, (value) => {
    if (!Array.isArray(value)) return 'is not a list';
    if (value.length > max) return `has more than ${max} entries`;
    for (let i = 0; i < value.length; i++) {
      const wrong = of.problem(value[i]);
      if (wrong !== null) return under(`[${i}]`, wrong);
    }
    return null;
  });
}

/** A map with named fields. Fields of a newer version that we do not know are let through unread. */
export function struct<F extends Fields>(
  label: string,
  fields: F,
): Field<Infer<F>> & { optional: false; fields: F } {
  const entries = Object.entries(fields);
  const problem = (value: unknown): string | null => {
    if (!isPlainMap(value)) return 'is not a map';
    for (const [key, of] of entries) {
      const v = value[key];
      if (v === undefined && of.optional) continue;
      const wrong = v === undefined ? 'is missing' : of.problem(v);
      if (wrong !== null) return under(`.${key}`, wrong);
    }
    return null;
  };
  return { ...field<Infer<F>>(label, problem), fields };
}

/** A map from names to values of one type, of at most `max` entries. */
export function record<T>(
  of: Field<T>,
  max: number,
): Field<Readonly<Record<string, T>>> & { optional: false } {
  return field(`{name: ${of.name}} up to ${max}`, (value) => {
    if (!isPlainMap(value)) return 'is not a map';
    const keys = Object.keys(value);
    if (keys.length > max) return `has more than ${max} entries`;
    for (const key of keys) {
      if (key.length > LIMITS.nameMax) return 'has a name that is too long';
      const wrong = of.problem(value[key]);
      if (wrong !== null) return under(`.${key}`, wrong);
    }
    return null;
  });
}

/** What plain msgpack can say: nothing that needs an extension. */
export type Plain =
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined };
const PLAIN_DEPTH_MAX = 16;

/** Any plain msgpack value without nil, nested at most 16 deep. */
export const plain = field<Plain>('plain', (v) => plainProblem(v, 0));
/** A map of plain values. */
export const plainMap = field<{ readonly [key: string]: Plain | undefined }>('{name: plain}', (v) =>
  isPlainMap(v) ? plainProblem(v, 0) : 'is not a map',
);

function plainProblem(value: unknown, depth: number): string | null {
  if (typeof value === 'boolean' || typeof value === 'string' || value instanceof Uint8Array) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'is not a finite number';
  if (depth >= PLAIN_DEPTH_MAX) return `is nested more than ${PLAIN_DEPTH_MAX} deep`;
  if (Array.isArray(value)) return firstProblem(value, depth);
  // An entry that is undefined is not sent; inside a list there is no way to leave it out.
  if (isPlainMap(value))
    return firstProblem(
      Object.values(value).filter((v) => v !== undefined),
      depth,
    );
  return 'is not plain msgpack';
}
function firstProblem(values: readonly unknown[], depth: number): string | null {
  for (const value of values) {
    const wrong = plainProblem(value, depth + 1);
    if (wrong !== null) return wrong;
  }
  return null;
}

function isPlainMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a value can travel as plain msgpack in a message. */
export function isPlain(value: unknown): value is Plain {
  return plainProblem(value, 0) === null;
}
