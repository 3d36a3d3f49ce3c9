import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { comparable } from '../test/wire-fixtures.ts';
import { UsageError } from './errors.ts';
import { LIMITS } from './limits.ts';
import type { Encoding } from './messages.ts';
import { checkPage, PageBuilder } from './page.ts';
import { appendValue, decodeMsgpack, encodeMsgpack, readValue, readValues } from './values.ts';

/** The values as they arrive after being put into a page. */
function sent(values: readonly unknown[], encoding: Encoding = 'msgpack'): unknown[] {
  const builder = new PageBuilder();
  for (const value of values) appendValue(builder, encoding, value);
  const page = builder.take();
  checkPage(page);
  expect(page.count).toBe(values.length);
  return [...readValues(page, encoding)];
}
const refusal = (value: unknown) => () => appendValue(new PageBuilder(), 'msgpack', value);

describe('msgpack', () => {
  const boundaries = [
    0, 1, 0x1f, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
  ];
  const numbers = [...boundaries, 0x1_0000_0000, Number.MAX_SAFE_INTEGER, 2 ** 60, 1e308, 5e-324].flatMap(
    (n) => [n, n + 1, n + 0.5, -n || 0, -n - 1],
  );
  test('numbers come back at every boundary of every format', () => {
    expect(sent(numbers)).toEqual(numbers);
    expect(sent([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
    expect(sent([-0])).toEqual([0]);
  });

  test('what the fast paths write is what msgpackr writes', () => {
    for (const value of [...boundaries, '', 'a', 'x'.repeat(31), 'x'.repeat(32)]) {
      const builder = new PageBuilder();
      appendValue(builder, 'msgpack', value);
      expect([...builder.take().data]).toEqual([...encodeMsgpack(value)]);
    }
  });

  test('texts come back at every length around a boundary, in ASCII and beyond', () => {
    const lengths = [0, 1, 3, 4, 15, 16, 30, 31, 32, 33, 63, 64, 65, 139, 140, 255, 256, 65_535, 65_536];
    for (const unit of ['x', '\0', '\x7f', '\x80', 'ÿ', 'é', '€', '😀', '\ufeff']) {
      const texts = lengths.flatMap((n) => [unit.repeat(n), `a${unit.repeat(n)}`, `${'a'.repeat(n)}${unit}`]);
      for (const text of texts) expect(sent([text])).toEqual([text]);
    }
  });

  test('any plain value comes back', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double().map((v) => (v === 0 ? 0 : v)),
        fc.string({ unit: 'binary', maxLength: 100 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.array(tie('value'), { maxLength: 20 }),
        fc.dictionary(fc.string({ maxLength: 40 }), tie('value'), { maxKeys: 20, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 10 }), (list) => {
        fc.pre(!JSON.stringify(list).includes('"__proto__":'));
        expect(comparable(sent(list))).toEqual(comparable(list));
      }),
      { numRuns: 300 },
    );
  });

  test('byte strings come back at every boundary, and are views of the page', () => {
    for (const length of [0, 1, 255, 256, 65_535, 65_536]) {
      const [back] = sent([new Uint8Array(length).fill(3)]) as [Uint8Array];
      expect(back.length).toBe(length);
      expect(back.every((byte) => byte === 3)).toBe(true);
    }
    expect(comparable(sent([Buffer.from('abc'), { b: Buffer.from('d') }]))).toEqual([
      { $bytes: '616263' },
      { b: { $bytes: '64' } },
    ]);
  });

  const cyclic: unknown[] = [];
  cyclic.push({ again: cyclic });
  test.each([
    [undefined, 'the value is of type undefined'],
    [() => 1, 'the value is of type function'],
    [Symbol('s'), 'the value is of type symbol'],
    [10n, 'the value is a bigint'],
    [{ a: [1, { b: 2n }] }, 'the value.a[1].b is a bigint'],
    [{ a: undefined }, 'the value.a is of type undefined'],
    // biome-ignore lint/suspicious/noSparseArray: that is the point
    [[1, , 3], 'the value[1] is of type undefined'],
    [new Date(0), 'the value is a Date'],
    [[new Map()], 'the value[0] is a Map'],
    [new Set(), 'the value is a Set'],
    [new Error('x'), 'the value is a Error'],
    [/x/, 'the value is a RegExp'],
    [new Float64Array(1), 'the value is a Float64Array'],
    [new ArrayBuffer(1), 'the value is a ArrayBuffer'],
    [Promise.resolve(1), 'the value is a Promise'],
    [new (class Point {})(), 'the value is a Point'],
    [{ toJSON: () => 1 }, 'the value.toJSON is of type function'],
    [JSON.parse('{"a": {"__proto__": 1}}'), 'the value.a has an entry named __proto__'],
    [cyclic, 'again is nested more than 64 deep (or in itself)'],
  ])('%p is refused by its path', (value, text) => {
    expect(refusal(value)).toThrow(UsageError);
    expect(refusal(value)).toThrow(text);
  });

  test('what is nested 64 deep comes back, and 65 deep is refused on both sides', () => {
    const nested = (depth: number) => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = [value];
      return value;
    };
    expect(sent([nested(64)])).toEqual([nested(64)]);
    expect(refusal(nested(65))).toThrow('nested more than 64 deep');
    const bytes = new Uint8Array(66).fill(0x91);
    expect(() => decodeMsgpack(bytes)).toThrow('nested more than 64 deep');
  });

  test('a refused value leaves the page as it was', () => {
    const builder = new PageBuilder();
    appendValue(builder, 'msgpack', 'a');
    expect(() => appendValue(builder, 'msgpack', [1n])).toThrow(UsageError);
    appendValue(builder, 'msgpack', 'é');
    expect([...readValues(builder.take(), 'msgpack')]).toEqual(['a', 'é']);
  });

  test('what is too large is refused with its size', () => {
    const text = 'x'.repeat(LIMITS.valueBytesMax - 5);
    expect(sent([text])).toEqual([text]);
    expect(refusal(`${text}x`)).toThrow(`${LIMITS.valueBytesMax + 1} bytes`);
  });

  test.each([
    ['nothing', []],
    ['a value cut short', [0x93, 1]],
    ['two values', [1, 1]],
    ['a timestamp', [0xd6, 0xff, 0, 0, 0, 0]],
    ['an undefined of other libraries', [0xd4, 0, 0]],
    ['an integer over 2^53', [0xcf, 1, 0, 0, 0, 0, 0, 0, 0]],
    ['a map with a number for a key', [0x81, 1, 1]],
  ])('%s is not a value', (_text, bytes) => {
    expect(() => decodeMsgpack(Uint8Array.from(bytes))).toThrow(UsageError);
    expect(() => readValue(Uint8Array.from(bytes), 0, bytes.length, 'msgpack')).toThrow('not plain msgpack');
  });

  test('whatever the bytes are, they are a value or a UsageError', () => {
    const heads = fc.constantFrom(
      0x80,
      0x81,
      0x91,
      0xa1,
      0xc4,
      0xca,
      0xcb,
      0xcf,
      0xd3,
      0xd4,
      0xd6,
      0xdc,
      0xdf,
    );
    const bytes = fc
      .array(fc.oneof(fc.nat(255), heads), { maxLength: 40 })
      .map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(bytes, (random) => {
        try {
          // What is a value can be sent on, unless it has an entry that we refuse by name.
          encodeMsgpack(decodeMsgpack(random));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test('a value is read where it stands, and no further', () => {
    expect(readValue(Uint8Array.of(9, 0xcd, 1, 2, 9), 1, 3, 'msgpack')).toBe(0x102);
    expect(readValue(Uint8Array.of(9, 0xce, 0xff, 0xff, 0xff, 0xff), 1, 5, 'msgpack')).toBe(0xffff_ffff);
    expect(() => readValue(Uint8Array.of(0xcd, 1, 2), 0, 2, 'msgpack')).toThrow(UsageError);
    expect(() => readValue(Uint8Array.of(5, 5), 0, 0, 'msgpack')).toThrow(UsageError);
  });
});

describe('raw', () => {
  test('byte strings come back as they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (list) => {
        expect(comparable(sent(list, 'raw'))).toEqual(comparable(list));
      }),
    );
  });
  test('anything else is refused', () => {
    for (const value of ['x', 1, null, [1], new ArrayBuffer(1)]) {
      expect(() => appendValue(new PageBuilder(), 'raw', value)).toThrow(/takes byte strings/);
    }
    expect(() => appendValue(new PageBuilder(), 'raw', new Uint8Array(LIMITS.valueBytesMax + 1))).toThrow(
      /too large/,
    );
  });
});

test('hive-js says what msgpack cannot, and the same where it can', () => {
  const values = [0, -0, 300, 'text', { a: [new Map([[1, 2n]])] }];
  const builder = new PageBuilder();
  for (const value of values) appendValue(builder, 'hive-js', value);
  expect([...readValues(builder.take(), 'hive-js')]).toStrictEqual(values);
  expect(() => appendValue(new PageBuilder(), 'hive-js', { f() {} })).toThrow('f is a function');
});
