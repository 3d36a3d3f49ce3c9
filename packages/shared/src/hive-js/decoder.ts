/**
 * Bytes in the encoding `hive-js` to values. The bytes come from afar: nothing in them may read past their end, recurse
 * without bound, set a prototype or make memory that was not sent.
 *
 * Cost goal: as plain msgpack. Keys, which repeat, are looked up by their bytes instead of being made anew.
 */
import { Unpackr } from 'msgpackr';
import { UsageError } from '../errors.ts';
import { DEPTH_MAX, ERRORS, EXT, HIDDEN, VIEWS } from './format.ts';

const unpackr = new Unpackr({ useRecords: false });
const SHORT_TEXT_BYTES = 24;
/** Texts made lately, by a sum of their bytes. */
const KEYS = 1024;

interface Key {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export class Decoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView | null = null;
  #at = 0;
  #end = 0;
  #depth = 0;
  #objects: unknown[] = [];
  readonly #keys: (Key | undefined)[] = new Array(KEYS).fill(undefined);

  /** The one value that stands in [offset, offset + size). @throws UsageError 'badValue' if there is anything else */
  decode(data: Uint8Array, offset: number, size: number): unknown {
    this.#bytes = data;
    this.#view = null;
    this.#at = offset;
    this.#end = offset + size;
    this.#depth = 0;
    try {
      const value = this.#value();
      if (this.#at !== this.#end) throw bad('there are bytes after its end');
      return value;
    } finally {
      if (this.#objects.length > 0) this.#objects = [];
    }
  }

  #value(): unknown {
    const head = this.#byte();
    if (head < 0x80) return head;
    if (head < 0x90) return this.#object(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f, 1);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#made(this.#copy(this.#length(head - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#length(head - 0xc7));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#length(head - 0xd9), 1 + 2 ** (head - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(head - 0xdb));
      case 0xde:
      case 0xdf:
        return this.#object(this.#length(head - 0xdd));
      default:
        if (head >= 0xd4 && head <= 0xd8) return this.#extension(2 ** (head - 0xd4));
        return this.#number(head);
    }
  }

  #number(head: number): number {
    this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    const view = this.#view;
    const at = this.#at;
    const bytes = NUMBER_BYTES[head - 0xca];
    if (bytes === undefined) throw bad('it has a byte that begins no value');
    this.#skip(bytes);
    if (head === 0xca) return view.getFloat32(at);
    if (head === 0xcb) return view.getFloat64(at);
    if (head === 0xcc) return view.getUint8(at);
    if (head === 0xcd) return view.getUint16(at);
    if (head === 0xce) return view.getUint32(at);
    if (head === 0xcf) return Number(view.getBigUint64(at));
    if (head === 0xd0) return view.getInt8(at);
    if (head === 0xd1) return view.getInt16(at);
    if (head === 0xd2) return view.getInt32(at);
    return Number(view.getBigInt64(at));
  }

  /** A length of 1, 2 or 4 bytes. */
  #length(power: number): number {
    const at = this.#at;
    this.#skip(2 ** power);
    const bytes = this.#bytes;
    if (power === 0) return bytes[at]!;
    const high = (bytes[at]! << 8) | bytes[at + 1]!;
    return power === 1 ? high : high * 0x1_0000 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }

  #object(count: number): object {
    this.#enter(count * 2);
    const object: Record<string, unknown> = this.#made({});
    for (let n = 0; n < count; n++) {
      const key = this.#key();
      this.#put(object, key, this.#value());
    }
    this.#depth--;
    return object;
  }

  #put(object: object, key: string, value: unknown): void {
    if (key !== '__proto__') (object as Record<string, unknown>)[key] = value;
    else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }

  #array(count: number): unknown[] {
    this.#enter(count);
    const array: unknown[] = this.#made([]);
    for (let n = 0; n < count; n++) array.push(this.#value());
    this.#depth--;
    return array;
  }

  #key(): string {
    const head = this.#bytes[this.#at]!;
    if (head < 0xa0 || head > 0xbf) {
      const key = this.#value();
      if (typeof key !== 'string') throw bad('it has a key that is no text');
      return key;
    }
    const length = head & 0x1f;
    const at = this.#at + 1;
    this.#skip(length + 1);
    const bytes = this.#bytes;
    let sum = length;
    for (let i = 0; i < length; i++) sum = (sum * 31 + bytes[at + i]!) & 0xffff;
    const known = this.#keys[sum % KEYS];
    if (known !== undefined && known.bytes.length === length) {
      let i = 0;
      while (i < length && known.bytes[i] === bytes[at + i]) i++;
      if (i === length) return known.text;
    }
    const text = this.#textAt(at, length, 1);
    this.#keys[sum % KEYS] = { bytes: bytes.slice(at, at + length), text };
    return text;
  }

  #text(length: number, header: number): string {
    const at = this.#at;
    this.#skip(length);
    return this.#textAt(at, length, header);
  }

  #textAt(at: number, length: number, header: number): string {
    const bytes = this.#bytes;
    if (length <= SHORT_TEXT_BYTES) {
      let text = '';
      let i = 0;
      for (; i < length; i++) {
        const byte = bytes[at + i]!;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (i === length) return text;
    }
    return unpackr.unpack(bytes.subarray(at - header, at + length)) as string;
  }

  #extension(length: number): unknown {
    const type = this.#byte();
    const end = this.#at + length;
    if (end > this.#end) throw TOO_SHORT();
    if (++this.#depth > DEPTH_MAX) throw bad(`it is nested more than ${DEPTH_MAX} deep`);
    const outer = this.#end;
    this.#end = end;
    const value = this.#inside(type, length);
    if (this.#at !== end) throw bad('an extension is longer than what is in it');
    this.#end = outer;
    this.#depth--;
    return value;
  }

  #inside(type: number, length: number): unknown {
    switch (type) {
      case EXT.undefined:
        this.#skip(length);
        return undefined;
      case EXT.reference:
        return this.#reference();
      case EXT.array:
        return this.#sparse();
      case EXT.map:
        return this.#map();
      case EXT.set:
        return this.#set();
      case EXT.date:
        if (length !== 8) throw bad('it has a date of another length than 8');
        return this.#made(new Date(this.#number(0xcb)));
      case EXT.regexp:
        return this.#regexp();
      case EXT.bigint:
        return this.#bigint(length);
      case EXT.buffer:
        return this.#made(this.#copy(length).buffer);
      case EXT.view:
        return this.#viewOf(length);
      case EXT.error:
        return this.#error();
      case EXT.boxed:
        return this.#boxed();
      case EXT.text:
        return this.#units(length);
      default:
        throw bad(`it has the unknown extension ${type}`);
    }
  }

  #reference(): unknown {
    const distance = this.#value();
    const at = this.#objects.length - (distance as number);
    if (typeof distance !== 'number' || !(at in this.#objects) || distance < 1) {
      throw bad('it refers to what is not there');
    }
    return this.#objects[at];
  }

  #sparse(): unknown[] {
    const length = this.#value();
    if (typeof length !== 'number' || length !== length >>> 0) throw bad('an array has no length');
    const array: unknown[] = this.#made([]);
    array.length = length;
    while (this.#at < this.#end) this.#put(array, this.#key(), this.#value());
    if (array.length !== length) throw bad('an array is longer than it says');
    return array;
  }

  #map(): Map<unknown, unknown> {
    const map = this.#made(new Map<unknown, unknown>());
    while (this.#at < this.#end) {
      const key = this.#value();
      map.set(key, this.#value());
    }
    return map;
  }

  #set(): Set<unknown> {
    const set = this.#made(new Set<unknown>());
    while (this.#at < this.#end) set.add(this.#value());
    return set;
  }

  #regexp(): RegExp {
    const source = this.#value();
    const flags = this.#value();
    try {
      return this.#made(new RegExp(source as string, flags as string));
    } catch {
      throw bad('it has a regular expression that is none');
    }
  }

  #bigint(length: number): bigint {
    if (length < 1) throw TOO_SHORT();
    const isNegative = this.#byte() === 1;
    let digits = '0x0';
    for (const byte of this.#copy(length - 1)) digits += byte.toString(16).padStart(2, '0');
    const value = BigInt(digits);
    return isNegative ? -value : value;
  }

  #viewOf(length: number): ArrayBufferView {
    if (length < 1) throw TOO_SHORT();
    const Class = VIEW_CLASSES[VIEWS[this.#byte()] ?? ''];
    if (Class === undefined) throw bad('it has a view of an unknown kind');
    const { buffer } = this.#copy(length - 1);
    try {
      return this.#made(new Class(buffer));
    } catch {
      throw bad('it has a view whose bytes are no whole number of elements');
    }
  }

  #error(): Error {
    const name = this.#value();
    const Class = typeof name === 'string' && Object.hasOwn(ERRORS, name) ? name : 'Error';
    const error = this.#made(
      Class === 'AggregateError'
        ? new AggregateError([])
        : new ERRORS[Class as Exclude<keyof typeof ERRORS, 'AggregateError'>](),
    );
    // What it was made with says where this code is, and an empty list of errors was not sent.
    for (const key of HIDDEN) Reflect.deleteProperty(error, key);
    while (this.#at < this.#end) {
      const key = this.#key();
      const value = this.#value();
      const enumerable = !HIDDEN.includes(key) && key !== 'name';
      Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
    }
    return error;
  }

  #boxed(): object {
    const at = this.#objects.push(null) - 1;
    const value = this.#value();
    if (typeof value === 'object' || value === undefined) throw bad('it has a box of nothing');
    const boxed = Object(value) as object;
    this.#objects[at] = boxed;
    return boxed;
  }

  #units(length: number): string {
    let text = '';
    for (let i = 0; i < length; i += 2) text += String.fromCharCode((this.#byte() << 8) | this.#byte());
    return text;
  }

  /** Never a view of what came in: that ends with the task, or would hold a whole page. */
  #copy(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#at;
    this.#skip(length);
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  #made<T>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  #enter(values: number): void {
    if (values > this.#end - this.#at) throw TOO_SHORT();
    if (++this.#depth > DEPTH_MAX) throw bad(`it is nested more than ${DEPTH_MAX} deep`);
  }
  #byte(): number {
    if (this.#at >= this.#end) throw TOO_SHORT();
    return this.#bytes[this.#at++]!;
  }
  #skip(length: number): void {
    this.#at += length;
    if (this.#at > this.#end) throw TOO_SHORT();
  }
}

type ViewClass = new (buffer: ArrayBuffer) => ArrayBufferView;
/** Bytes after the header of a number, by the header's distance from 0xca. */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
declare const Float16Array: ViewClass | undefined;
const VIEW_CLASSES: Readonly<Record<string, ViewClass | undefined>> = {
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  // Not in every engine yet.
  Float16Array: typeof Float16Array === 'undefined' ? undefined : Float16Array,
};
const bad = (why: string): UsageError => new UsageError(`This value is not hive-js: ${why}.`, 'badValue');
const TOO_SHORT = (): UsageError => bad('it ends too soon');
