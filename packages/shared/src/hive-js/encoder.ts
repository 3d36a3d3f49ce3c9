/**
 * Values to bytes in the encoding `hive-js`. One walk over the value: what structured clone would refuse is refused with
 * its path, what it keeps is written, and an object that was met before becomes a reference.
 *
 * Cost goal: integers, texts and plain objects cost no more than plain msgpack does. So the objects met are kept in a short
 * list first and in a Map only when there are many, and nothing is allocated per entry.
 *
 * It imports nothing but what lies beside it: a sandbox has no packages, and functions in one encode what they give there.
 */
import { UsageError } from '../errors.ts';
import { DEPTH_MAX, ERRORS, type ErrorName, EXT, HIDDEN, isWellFormed, pathText, VIEWS } from './format.ts';

const toTag = Object.prototype.toString;
const view = new DataView(new ArrayBuffer(8));
const viewBytes = new Uint8Array(view.buffer);

/** Texts up to here are written unit by unit as long as they are ASCII. */
const SHORT_TEXT_UNITS = 48;
/** Objects that are looked up one by one. */
const LISTED_MAX = 12;
/** What grew larger than this is let go after use. */
const KEPT_BYTES = 64 * 1024;

/** What structured clone refuses, and what of its kind cannot leave the process. */
const REFUSED: ReadonlyMap<string, string> = new Map(
  [
    ...['Promise', 'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer'],
    ...['Generator', 'AsyncGenerator', 'Map Iterator', 'Set Iterator', 'Array Iterator', 'String Iterator'],
    ...[
      'URL',
      'URLSearchParams',
      'Headers',
      'Request',
      'Response',
      'FormData',
      'Blob',
      'File',
      'MessagePort',
    ],
    ...['ReadableStream', 'WritableStream', 'TransformStream', 'CryptoKey', 'Module', 'Arguments'],
    ...['AbortSignal', 'AbortController'],
  ].map((name) => [`[object ${name}]`, name]),
);

export class Encoder {
  #bytes = new Uint8Array(1024);
  #at = 0;
  /** Objects met, in the order in which they began. */
  #listed: object[] = [];
  #known: Map<object, number> | null = null;
  #count = 0;
  /** The way to the value at hand, for errors. */
  readonly #path: (string | number)[] = [];
  readonly #packText: (text: string) => Uint8Array;

  /** @param packText a sound text, as msgpack */
  constructor(packText: (text: string) => Uint8Array) {
    this.#packText = packText;
  }

  /**
   * The bytes of a value; valid until the next call.
   * @throws UsageError 'badValue' with the path of what cannot be sent
   */
  encode(value: unknown): Uint8Array {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1024);
    this.#at = 0;
    try {
      this.#value(value, 0);
      return this.#bytes.subarray(0, this.#at);
    } finally {
      this.#count = 0;
      if (this.#listed.length > 0) this.#listed = [];
      this.#known = null;
    }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        this.#number(value);
        return;
      case 'string':
        this.#text(value);
        return;
      case 'boolean':
        this.#byte(value ? 0xc3 : 0xc2);
        return;
      case 'undefined':
        this.#byte(0xd4);
        this.#byte(EXT.undefined);
        this.#byte(0);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'object':
        if (value === null) this.#byte(0xc0);
        else this.#object(value, depth);
        return;
      default:
        throw this.#refusal(`a ${typeof value}`, depth);
    }
  }

  #object(value: object, depth: number): void {
    if (this.#maybeReference(value)) return;
    if (depth >= DEPTH_MAX) throw this.#refusal(`nested more than ${DEPTH_MAX} deep`, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      if (prototype !== null && toTag.call(value) === '[object Arguments]') {
        throw this.#refusal('the arguments of a function', depth);
      }
      this.#entries(value, depth);
    } else if (Array.isArray(value)) this.#array(value, depth);
    else if (ArrayBuffer.isView(value)) this.#view(value);
    else this.#special(value, depth);
  }

  /** Whether the object was met before; if not, it is from now on. */
  #maybeReference(value: object): boolean {
    const count = this.#count++;
    if (count === 0) {
      this.#listed.push(value);
      return false;
    }
    const met = this.#known === null ? this.#listed.indexOf(value) : (this.#known.get(value) ?? -1);
    if (met >= 0) {
      this.#count--;
      const start = this.#open(EXT.reference);
      this.#number(count - met);
      this.#close(start);
      return true;
    }
    if (this.#known !== null) this.#known.set(value, count);
    else {
      this.#listed.push(value);
      if (count >= LISTED_MAX) this.#known = new Map(this.#listed.map((listed, n) => [listed, n]));
    }
    return false;
  }

  #entries(value: object, depth: number): void {
    const keys = Object.keys(value);
    this.#header(keys.length, 0x80, 0xde);
    this.#pairs(value, keys, depth);
  }

  #pairs(value: object, keys: readonly string[], depth: number): void {
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      this.#text(key);
      this.#path[depth] = key;
      this.#value((value as Record<string, unknown>)[key], depth + 1);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const { length } = value;
    const keys = Object.keys(value);
    if (keys.length !== length || (length > 0 && keys[length - 1] !== String(length - 1))) {
      const start = this.#open(EXT.array);
      this.#number(length);
      this.#pairs(value, keys, depth);
      this.#close(start);
      return;
    }
    this.#header(length, 0x90, 0xdc);
    for (let i = 0; i < length; i++) {
      this.#path[depth] = i;
      this.#value(value[i], depth + 1);
    }
  }

  /** Whatever is neither a plain object, nor an array, nor a view. Told by what it is, not by what it calls itself. */
  #special(value: object, depth: number): void {
    const tag = toTag.call(value);
    const refused = REFUSED.get(tag);
    if (refused !== undefined) throw this.#refusal(`a ${refused}`, depth);
    if (tag.startsWith('[object Intl.')) throw this.#refusal(`an ${tag.slice(8, -1)}`, depth);
    if (isError(value)) this.#error(value, depth);
    else if (tag === '[object Object]') this.#entries(value, depth);
    else if (holds(() => mapSize.call(value))) this.#map(value as Map<unknown, unknown>, depth);
    else if (holds(() => setSize.call(value))) this.#set(value as Set<unknown>, depth);
    else if (holds(() => dateTime.call(value as never))) this.#date(dateTime.call(value as never));
    else if (holds(() => bufferLength.call(value))) this.#buffer(EXT.buffer, value as ArrayBuffer);
    else if (tag === '[object RegExp]' && holds(() => regexpSource.call(value)))
      this.#regexp(value as RegExp);
    else if (!this.#maybeBoxed(value, depth)) this.#entries(value, depth);
  }

  #map(value: Map<unknown, unknown>, depth: number): void {
    // Taken out first, as structured clone does: a getter inside may change it.
    const entries = [...mapEntries.call(value)];
    const start = this.#open(EXT.map);
    let n = 0;
    for (const [key, entry] of entries) {
      this.#path[depth] = `(key ${n})`;
      this.#value(key, depth + 1);
      this.#path[depth] = typeof key === 'string' ? `get(${JSON.stringify(key)})` : `(value ${n})`;
      this.#value(entry, depth + 1);
      n++;
    }
    this.#close(start);
  }

  #set(value: Set<unknown>, depth: number): void {
    const entries = [...setValues.call(value)];
    const start = this.#open(EXT.set);
    for (let n = 0; n < entries.length; n++) {
      this.#path[depth] = `(value ${n})`;
      this.#value(entries[n], depth + 1);
    }
    this.#close(start);
  }

  #date(millis: number): void {
    this.#byte(0xd7);
    this.#byte(EXT.date);
    this.#float(millis);
  }

  #regexp(value: RegExp): void {
    const start = this.#open(EXT.regexp);
    this.#text(value.source);
    this.#text(value.flags);
    this.#close(start);
  }

  #buffer(type: number, value: ArrayBuffer): void {
    const start = this.#open(type);
    this.#raw(new Uint8Array(value));
    this.#close(start);
  }

  /** Only what it shows travels, not the memory that it looks at. */
  #view(value: ArrayBufferView): void {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const name = viewName.call(value) as string | undefined;
    if (name === 'Uint8Array') {
      this.#header(bytes.length, -1, 0xc4);
      this.#raw(bytes);
      return;
    }
    const start = this.#open(EXT.view);
    this.#byte(name === undefined ? 0 : VIEWS.indexOf(name as (typeof VIEWS)[number]));
    this.#raw(bytes);
    this.#close(start);
  }

  #error(value: object, depth: number): void {
    const error = value as Record<string, unknown>;
    const start = this.#open(EXT.error);
    const name = classOf(value);
    this.#text(name);
    const keys = Object.keys(value).filter((key) => !HIDDEN.includes(key));
    for (const key of HIDDEN) {
      if (Object.hasOwn(value, key) || (key === 'message' && error[key])) keys.push(key);
    }
    if (!keys.includes('name') && typeof error['name'] === 'string' && error['name'] !== name)
      keys.push('name');
    this.#pairs(value, keys, depth);
    this.#close(start);
  }

  #maybeBoxed(value: object, depth: number): boolean {
    for (const unbox of UNBOX) {
      let inner: unknown;
      try {
        inner = unbox.call(value as never);
      } catch {
        continue;
      }
      if (typeof inner === 'symbol') throw this.#refusal('a symbol', depth);
      const start = this.#open(EXT.boxed);
      this.#value(inner, depth + 1);
      this.#close(start);
      return true;
    }
    return false;
  }

  #bigint(value: bigint): void {
    let digits = (value < 0n ? -value : value).toString(16);
    if (digits.length % 2 === 1) digits = `0${digits}`;
    const start = this.#open(EXT.bigint);
    this.#byte(value < 0n ? 1 : 0);
    this.#room(digits.length / 2);
    for (let i = 0; i < digits.length; i += 2)
      this.#bytes[this.#at++] = Number.parseInt(digits.slice(i, i + 2), 16);
    this.#close(start);
  }

  #number(value: number): void {
    if (value === value >>> 0 && (value !== 0 || 1 / value > 0)) this.#unsigned(value);
    else if (value === (value | 0) && value < 0) this.#negative(value);
    else {
      this.#byte(0xcb);
      this.#float(value);
    }
  }

  #unsigned(value: number): void {
    this.#room(5);
    const bytes = this.#bytes;
    let at = this.#at;
    if (value < 0x80) bytes[at++] = value;
    else if (value < 0x100) {
      bytes[at++] = 0xcc;
      bytes[at++] = value;
    } else if (value < 0x1_0000) {
      bytes[at++] = 0xcd;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
    } else {
      bytes[at++] = 0xce;
      this.#at = at;
      this.#u32(value);
      return;
    }
    this.#at = at;
  }

  #negative(value: number): void {
    this.#room(5);
    if (value >= -32) this.#bytes[this.#at++] = value;
    else {
      this.#bytes[this.#at++] = 0xd2;
      this.#u32(value);
    }
  }

  #float(value: number): void {
    view.setFloat64(0, value);
    this.#raw(viewBytes);
  }

  #text(value: string): void {
    const { length } = value;
    if (length <= SHORT_TEXT_UNITS && this.#shortText(value, length)) return;
    if (!isWellFormed(value)) {
      const start = this.#open(EXT.text);
      this.#room(length * 2);
      for (let i = 0; i < length; i++) {
        const unit = value.charCodeAt(i);
        this.#bytes[this.#at++] = unit >>> 8;
        this.#bytes[this.#at++] = unit;
      }
      this.#close(start);
      return;
    }
    this.#raw(this.#packText(value));
  }

  #shortText(value: string, length: number): boolean {
    this.#room(length + 2);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 32) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[at++] = unit;
    }
    this.#at = at;
    return true;
  }

  /** Header of a list, map or byte string: short (unless -1), with 8 (byte strings only), 16 or 32 bits. */
  #header(length: number, short: number, first: number): void {
    this.#room(5);
    if (short >= 0 && length < 16) this.#bytes[this.#at++] = short | length;
    else if (short < 0 && length < 0x100) {
      this.#bytes[this.#at++] = first;
      this.#bytes[this.#at++] = length;
    } else {
      const sixteen = short < 0 ? first + 1 : first;
      if (length < 0x1_0000) {
        this.#bytes[this.#at++] = sixteen;
        this.#bytes[this.#at++] = length >>> 8;
        this.#bytes[this.#at++] = length;
      } else {
        this.#bytes[this.#at++] = sixteen + 1;
        this.#u32(length);
      }
    }
  }

  /** Header of an extension whose length is not known yet. */
  #open(type: number): number {
    this.#room(6);
    this.#bytes[this.#at] = 0xc9;
    this.#bytes[this.#at + 5] = type;
    this.#at += 6;
    return this.#at;
  }
  /** Its length is known now; a short one gets a short header. */
  #close(start: number): void {
    const length = this.#at - start;
    const bytes = this.#bytes;
    if (length < 0x100) {
      const type = bytes[start - 1]!;
      bytes.copyWithin(start - 3, start, this.#at);
      bytes[start - 6] = 0xc7;
      bytes[start - 5] = length;
      bytes[start - 4] = type;
      this.#at -= 3;
      return;
    }
    const at = this.#at;
    this.#at = start - 5;
    this.#u32(length);
    this.#at = at;
  }

  #byte(byte: number): void {
    if (this.#at === this.#bytes.length) this.#room(1);
    this.#bytes[this.#at++] = byte;
  }
  #u32(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = value >>> 24;
    bytes[this.#at++] = value >>> 16;
    bytes[this.#at++] = value >>> 8;
    bytes[this.#at++] = value;
  }
  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
  #room(wanted: number): void {
    const needed = this.#at + wanted;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }

  #refusal(what: string, depth: number): UsageError {
    const path = pathText(this.#path.slice(0, depth));
    return new UsageError(`This value cannot be sent: ${path} is ${what}.`, 'badValue');
  }
}

// What an object is, whatever it calls itself and whichever realm it is from: asked of its internal slots.

const getter = (prototype: object, name: string | symbol) =>
  Object.getOwnPropertyDescriptor(prototype, name)!.get! as (this: unknown) => unknown;
const mapSize = getter(Map.prototype, 'size');
const setSize = getter(Set.prototype, 'size');
const bufferLength = getter(ArrayBuffer.prototype, 'byteLength');
const regexpSource = getter(RegExp.prototype, 'source');
const viewName = getter(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag);
const mapEntries = Map.prototype.entries;
const setValues = Set.prototype.values;
const dateTime = Date.prototype.getTime;
const UNBOX: readonly ((this: never) => unknown)[] = [
  Number.prototype.valueOf,
  String.prototype.valueOf,
  Boolean.prototype.valueOf,
  BigInt.prototype.valueOf,
  Symbol.prototype.valueOf,
];

function holds(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch {
    return false;
  }
}

function isError(value: object): boolean {
  const { isError: ask } = Error as unknown as { isError?: (value: unknown) => boolean };
  return ask === undefined
    ? value instanceof Error || toTag.call(value) === '[object Error]'
    : ask.call(Error, value);
}

/** The nearest class of JavaScript itself that an error is of. */
function classOf(error: object): ErrorName {
  for (let at: object | null = error; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const name = (at as { name?: unknown }).name;
    const own = Object.hasOwn(at, 'constructor') ? at.constructor?.name : undefined;
    if (own !== undefined && own === name && Object.hasOwn(ERRORS, own)) return own as ErrorName;
  }
  return 'Error';
}
