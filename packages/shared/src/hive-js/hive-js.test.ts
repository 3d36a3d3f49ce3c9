import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHiveJs, decodeMsgpack, encodeHiveJs, encodeMsgpack, type UsageError } from '../index.ts';

const there = (value: unknown): unknown => decodeHiveJs(encodeHiveJs(value));
const refusal = (value: unknown): string => {
  try {
    encodeHiveJs(value);
  } catch (error) {
    expect((error as UsageError).code).toBe('badValue');
    return (error as Error).message;
  }
  throw new Error('It was sent.');
};

/** Any value that structured clone takes, shared and circular references included. */
function values(): fc.Arbitrary<unknown> {
  const { any } = fc.letrec<{ any: unknown; leaf: unknown }>((tie) => ({
    leaf: fc.oneof(
      fc.constantFrom(undefined, null, true, false, -0, NaN, Infinity, -Infinity, '', 2 ** 53, -(2 ** 31)),
      fc.integer(),
      fc.double(),
      fc.bigInt(),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
      fc.date({ noInvalidDate: false }),
      fc.constantFrom(/a+/giu, /\//y),
      fc.uint8Array(),
      fc.uint8Array().map((bytes) => bytes.slice().buffer),
      fc.float64Array(),
      fc.int16Array(),
      fc.uint8ClampedArray(),
      fc.bigInt64Array(),
      fc.uint8Array({ minLength: 8 }).map(({ buffer }) => new DataView(buffer.slice(0))),
      fc.constantFrom(1, 'text', true, 7n).map((primitive) => Object(primitive) as unknown),
    ),
    any: fc.oneof(
      { maxDepth: 4 },
      tie('leaf'),
      fc.array(tie('any'), { maxLength: 5 }),
      fc.sparseArray(tie('any'), { maxLength: 9 }),
      fc.dictionary(fc.string({ unit: 'binary' }), tie('any'), { maxKeys: 5 }),
      fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
      fc.array(tie('any'), { maxLength: 4 }).map((entries) => new Set(entries)),
      tie('any').map((shared) => [shared, { again: shared }, shared]),
      tie('any').map((inner) => {
        const circular: Record<string, unknown> = { inner };
        circular['self'] = [circular, new Map([[circular, circular]])];
        return circular;
      }),
      fc
        .tuple(fc.array(tie('any'), { maxLength: 2 }), tie('any'))
        .map(([array, extra]) => Object.assign(array, { extra })),
      fc
        .tuple(fc.constantFrom(Error, TypeError, RangeError), fc.string(), tie('any'))
        .map(([Class, message, cause]) => new Class(message, { cause })),
    ),
  }));
  return any;
}

describe('what structured clone keeps', () => {
  test('arrives as structured clone would have it', () => {
    fc.assert(
      fc.property(values(), (value) => {
        expect(shape(there(value))).toEqual(shape(structuredClone(value)));
      }),
      { numRuns: 1_000 },
    );
  });

  test('is sent the same way when it is sent on', () => {
    fc.assert(
      fc.property(values(), (value) => {
        const bytes = encodeHiveJs(value);
        expect(Buffer.from(encodeHiveJs(decodeHiveJs(bytes)))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test.each([
    0,
    -0,
    1,
    -1,
    -32,
    -33,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 31) - 1,
  ])('the number %d', (number) => expect(there([number, number])).toEqual([number, number]));
  test.each([0n, 1n, -1n, 255n, 256n, 2n ** 64n, -(2n ** 2000n) + 1n])('the bigint %d', (value) =>
    expect(there(value)).toBe(value),
  );

  test('texts of every length and kind', () => {
    for (const unit of ['a', 'é', '€', '𝄞', '\ud800']) {
      for (const length of [0, 1, 15, 16, 31, 32, 48, 49, 300, 70_000]) {
        const text = unit.repeat(length);
        expect(there(text) === text).toBe(true);
        expect((there({ [text]: 1 }) as Record<string, number>)[text]).toBe(1);
      }
    }
  });

  test('one object stays one object, however many there are', () => {
    const many = Array.from({ length: 100 }, (_, id) => ({ id }));
    const arrived = there([many, many[50], [...many].reverse()]) as [object[], object, object[]];
    expect(arrived[1]).toBe(arrived[0][50]);
    expect(arrived[2][99]).toBe(arrived[0][0]);
    const map = new Map<unknown, unknown>();
    map.set('self', map);
    const back = there(map) as Map<unknown, unknown>;
    expect(back.get('self')).toBe(back);
  });

  test('an object of a class arrives with its own entries, as a plain object', () => {
    class Point {
      x = 1;
      #hidden = 2;
      get sum() {
        return this.x + this.#hidden;
      }
    }
    expect(there(new Point())).toStrictEqual({ x: 1 });
    expect(there(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 });
  });

  test('an entry named __proto__ is an entry', () => {
    const arrived = there(JSON.parse('{"__proto__": {"polluted": true}}')) as object;
    expect(Object.keys(arrived)).toEqual(['__proto__']);
    expect((arrived as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('a view shows its own bytes, in memory of its own', () => {
    const whole = new Uint8Array([1, 2, 3, 4]);
    const part = there(whole.subarray(1, 3)) as Uint8Array;
    expect(part).toEqual(new Uint8Array([2, 3]));
    expect(part.buffer.byteLength).toBe(2);
    expect(there(Buffer.from('ab'))).toStrictEqual(new Uint8Array([97, 98]));
  });
});

describe('errors', () => {
  test('keep name, message, stack, cause, code and what else is theirs', () => {
    class QuotaError extends RangeError {
      override name = 'QuotaError';
      code = 'E_QUOTA';
      left = new Map([['disk', 0]]);
    }
    const error = new QuotaError('no room', { cause: new TypeError('deep') });
    const arrived = there(error) as QuotaError;
    expect(arrived).toBeInstanceOf(RangeError);
    const { name, message, stack, code, left } = error;
    expect({ ...arrived, name: arrived.name, message: arrived.message, stack: arrived.stack }).toEqual({
      name,
      message,
      stack,
      code,
      left,
    });
    expect(arrived.cause).toBeInstanceOf(TypeError);
    expect((arrived.cause as Error).message).toBe('deep');
    expect(Object.keys(arrived)).not.toContain('stack');
  });

  test('of many', () => {
    const arrived = there(new AggregateError([new Error('a'), 'b'], 'many')) as AggregateError;
    expect(arrived).toBeInstanceOf(AggregateError);
    expect(arrived.errors).toEqual([new Error('a'), 'b']);
  });
});

describe('what cannot be sent', () => {
  test.each([
    [{ items: [1, 2, 3, { onDone: () => {} }] }, 'items[3].onDone is a function'],
    [Symbol('a'), 'it is a symbol'],
    [{ a: Promise.resolve() }, 'a is a Promise'],
    [[new WeakMap()], '[0] is a WeakMap'],
    [new Map([['key', { f: test }]]), 'get("key").f is a function'],
    [new Set([1, Symbol.iterator]), '(value 1) is a symbol'],
    [{ 'two words': [new URL('http://localhost')] }, '["two words"][0] is a URL'],
    [Object.assign(new Error('x'), { retry() {} }), 'retry is a function'],
    [new SharedArrayBuffer(1), 'it is a SharedArrayBuffer'],
    [(function* () {})(), 'it is a Generator'],
  ])('is refused with its path (%#)', (value, text) => {
    expect(refusal(value)).toBe(`This value cannot be sent: ${text}.`);
  });

  test('is too deep a nesting', () => {
    let deep: unknown = 1;
    for (let n = 0; n < 600; n++) deep = [deep];
    expect(refusal(deep)).toMatch(/is nested more than 500 deep\.$/);
  });

  test('leaves nothing behind in what is sent next', () => {
    const shared = {};
    refusal([shared, () => {}]);
    expect(there([shared])).toEqual([{}]);
  });
});

describe('bytes from afar', () => {
  test('cut anywhere, or with a byte changed, give a value or an error in words', () => {
    fc.assert(
      fc.property(values(), fc.nat(), fc.nat(255), (value, place, byte) => {
        const bytes = encodeHiveJs(value).slice();
        const at = place % bytes.length;
        for (const spoilt of [bytes.slice(0, at), bytes.with(at, byte)]) {
          try {
            decodeHiveJs(spoilt);
          } catch (error) {
            expect((error as Error).message).toMatch(
              /^(?:This value is not hive-js|Invalid|Unexpected|Data|.*length)/,
            );
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('that promise more than they are make no memory', () => {
    expect(() => decodeHiveJs(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))).toThrow('ends too soon');
    expect(() => decodeHiveJs(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff))).toThrow('ends too soon');
  });

  test('put together as a list, as the Queen does for a graph, are a list of the values', () => {
    const shared = { a: 1 };
    const parts = [[shared, shared], new Map([[1, shared]]), 'text'].map((value) => encodeHiveJs(value));
    const list = decodeHiveJs(Buffer.concat([Uint8Array.of(0x93), ...parts])) as [
      unknown[],
      unknown,
      unknown,
    ];
    expect(list).toEqual([[shared, shared], new Map([[1, shared]]), 'text']);
    expect(list[0][0]).toBe(list[0][1]);
  });

  test('of plain msgpack are the same values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeHiveJs(encodeMsgpack(value))).toEqual(decodeMsgpack(encodeMsgpack(value)));
      }),
    );
  });
});

/**
 * All that can be told of a value, as a tree: jest's own comparison does not see which objects are one and the same, and
 * does not end for a map that is its own key. A clone is of another realm than this test, so classes go by their tags.
 */
function shape(value: unknown, seen = new Map<unknown, number>()): unknown {
  if (typeof value !== 'object' || value === null)
    return [typeof value, Object.is(value, -0) ? '-0' : String(value)];
  const known = seen.get(value);
  if (known !== undefined) return known;
  seen.set(value, seen.size);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value)) return [tag, hex(value.buffer.slice(value.byteOffset)), value.byteLength];
  if (tag === 'ArrayBuffer') return [tag, hex(value as ArrayBuffer)];
  const entries = Object.entries(value).map(([key, entry]) => [key, shape(entry, seen)]);
  return [tag, ...inside(tag, value, seen), entries, Array.isArray(value) ? value.length : 0];
}
const hex = (buffer: ArrayBufferLike): string => Buffer.from(new Uint8Array(buffer)).toString('hex');

function inside(tag: string, value: object, seen: Map<unknown, number>): unknown[] {
  if (tag === 'Map' || tag === 'Set') return [...(value as Set<unknown>)].map((entry) => shape(entry, seen));
  if (tag === 'Date') return [(value as Date).getTime()];
  if (tag === 'RegExp') return [String(value)];
  if (tag === 'Error') {
    const { name, message, stack, cause } = value as Error;
    return [name, message, stack, Object.hasOwn(value, 'cause'), shape(cause, seen)];
  }
  if (['Number', 'String', 'Boolean', 'BigInt'].includes(tag)) return [String(value)];
  return [];
}

test('the examples in PROTOCOL.md are what is written', () => {
  const a = {};
  const hexOf = (value: unknown): string => Buffer.from(encodeHiveJs(value)).toString('hex');
  expect(hexOf(-0)).toBe('cb8000000000000000');
  expect(hexOf([undefined, 5n])).toBe('92d40100c702080005');
  expect(hexOf([a, a, new Set([a])])).toBe('9380c7010201c70405c7010202');
});
