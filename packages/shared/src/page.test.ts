import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { writeU32 } from './frame.ts';
import { LIMITS } from './limits.ts';
import { checkPage, cutPage, joinPages, type Page, PageBuilder, PageCutter, sizeAt } from './page.ts';

/** The dumb twin of a page: its values. */
function valuesOf(page: Page): number[][] {
  checkPage(page);
  const values: number[][] = [];
  let offset = 0;
  for (let at = 0; at < page.count; at++) {
    values.push([...page.data.subarray(offset, offset + sizeAt(page, at))]);
    offset += sizeAt(page, at);
  }
  return values;
}
function pageOf(first: number, values: readonly Uint8Array[], isUniform: boolean): Page {
  const data = Uint8Array.from(values.flatMap((value) => [...value]));
  const same = values.every((value) => value.length === values[0]!.length);
  if (isUniform && same) return { first, count: values.length, sizes: values[0]?.length ?? 3, data };
  return { first, count: values.length, sizes: sizesOf(...values.map((value) => value.length)), data };
}
function sizesOf(...sizes: number[]): Uint8Array {
  const bytes = new Uint8Array(sizes.length * 4);
  for (const [at, size] of sizes.entries()) writeU32(bytes, at * 4, size);
  return bytes;
}

const values = fc.oneof(
  fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 12 }),
  fc.nat(4).chain((n) => fc.array(fc.uint8Array({ minLength: n, maxLength: n }), { maxLength: 12 })),
);
const page = fc
  .tuple(fc.nat(1_000), values, fc.boolean())
  .map(([first, list, isUniform]) => pageOf(first, list, isUniform));

describe('checkPage', () => {
  const good = { first: 0, count: 2, sizes: sizesOf(1, 2), data: new Uint8Array(3) };
  const wrong: [string, Partial<Page>, string][] = [
    ['a byte too many', { data: new Uint8Array(4) }, 'sizes do not add up: 3 is not 4 bytes'],
    ['a byte too few', { data: new Uint8Array(2) }, 'sizes do not add up: 3 is not 2 bytes'],
    ['a size too many', { sizes: sizesOf(1, 2, 0) }, '12 bytes of sizes for 2 values'],
    ['a size too few', { sizes: sizesOf(3) }, '4 bytes of sizes for 2 values'],
    ['a size cut short', { sizes: sizesOf(1, 2).subarray(0, 7) }, '7 bytes of sizes for 2 values'],
    ['no sizes', { sizes: new Uint8Array(0) }, '0 bytes of sizes'],
    ['more values than said', { count: 1 }, '8 bytes of sizes for 1 values'],
    ['one size, too small', { sizes: 1 }, '2 values of 1 bytes are not 3 bytes'],
    ['one size, too large', { sizes: 2 }, '2 values of 2 bytes are not 3 bytes'],
    ['bytes of no value', { count: 0, sizes: 5 }, '0 values of 5 bytes are not 3 bytes'],
    ['sizes that add up modulo 2^32', { sizes: sizesOf(0xffff_ffff, 4) }, 'a value of 4294967295 bytes'],
    ['an index past 2^53 - 1', { first: Number.MAX_SAFE_INTEGER - 1 }, 'passes index 2^53 - 1'],
  ];
  test.each(wrong)('refuses %s', (_text, change, problem) => {
    expect(() => checkPage({ ...good, ...change })).toThrow(ProtocolError);
    expect(() => checkPage({ ...good, ...change })).toThrow(problem);
  });

  test('knows the largest value and the largest page', () => {
    const bytes = LIMITS.valueBytesMax;
    const one = (size: number, data: number) => ({
      first: 0,
      count: 1,
      sizes: size,
      data: new Uint8Array(data),
    });
    expect(() => checkPage(one(bytes, bytes))).not.toThrow();
    expect(() => checkPage({ ...one(0, bytes), sizes: sizesOf(bytes) })).not.toThrow();
    expect(() => checkPage(one(bytes + 1, bytes + 1))).toThrow(`a value of ${bytes + 1} bytes`);
    expect(() => checkPage({ ...one(0, bytes + 1), sizes: sizesOf(bytes + 1) })).toThrow(/a value of/);
    const full = LIMITS.pageBytesMax;
    const two = { first: 0, count: 2, sizes: full / 2, data: new Uint8Array(full) };
    expect(() => checkPage(two)).not.toThrow();
    expect(() => checkPage({ ...two, sizes: full / 2 + 1, data: new Uint8Array(full + 2) })).toThrow(
      /a page of/,
    );
  });

  test('accepts what adds up, and refuses any single change of a size', () => {
    fc.assert(
      fc.property(page, fc.nat(), fc.integer({ min: 1, max: 3 }), (good, pick, by) => {
        checkPage(good);
        if (good.count === 0) return;
        const changed = typeof good.sizes === 'number' ? good.sizes + by : Uint8Array.from(good.sizes);
        if (typeof changed !== 'number') {
          const at = (pick % good.count) * 4;
          writeU32(changed, at, sizeAt(good, at / 4) + by);
        }
        expect(() => checkPage({ ...good, sizes: changed })).toThrow(ProtocolError);
      }),
    );
  });
});

test('a cutter cuts any part, in any order', () => {
  fc.assert(
    fc.property(page, fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 10 }), (whole, cuts) => {
      const all = valuesOf(whole);
      const cutter = new PageCutter(whole);
      for (const [a, b] of cuts) {
        const from = a % (whole.count + 1);
        const count = b % (whole.count - from + 1);
        const expected = { first: whole.first + from, values: all.slice(from, from + count) };
        for (const part of [
          cutter.cut(whole.first + from, count),
          cutPage(whole, whole.first + from, count),
        ]) {
          expect({ first: part.first, values: valuesOf(part) }).toEqual(expected);
          expect(part.count).toBe(count);
        }
        expect(cutter.offsetOf(from)).toBe(all.slice(0, from).flat().length);
      }
    }),
  );
});

test('parts are views of the page', () => {
  const whole = pageOf(10, [Uint8Array.of(1), Uint8Array.of(2, 3), Uint8Array.of(4)], false);
  const part = new PageCutter(whole).cut(11, 2);
  expect(part.data.buffer).toBe(whole.data.buffer);
  expect((part.sizes as Uint8Array).buffer).toBe((whole.sizes as Uint8Array).buffer);
  expect(cutPage(whole, 10, 3)).toBe(whole);
});

test('joined pages hold the values of all of them', () => {
  fc.assert(
    fc.property(fc.array(page, { maxLength: 5 }), (pages) => {
      const joined = joinPages(pages);
      expect(valuesOf(joined)).toEqual(pages.flatMap(valuesOf));
      expect(joined.first).toBe(pages[0]?.first ?? 0);
    }),
  );
});

test('a page cut in two and joined is the same page', () => {
  fc.assert(
    fc.property(page, fc.nat(), (whole, cut) => {
      const count = cut % (whole.count + 1);
      const halves = [
        cutPage(whole, whole.first, count),
        cutPage(whole, whole.first + count, whole.count - count),
      ];
      expect(valuesOf(joinPages(halves))).toEqual(valuesOf(whole));
    }),
  );
});

describe('PageBuilder', () => {
  test('builds pages that hold what was pushed, and goes on with the next index', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.array(values, { maxLength: 5 }), (first, pages) => {
        const builder = new PageBuilder(first);
        const taken: Page[] = [];
        for (const list of pages) {
          for (const value of list) builder.push(value);
          expect(builder.count).toBe(list.length);
          expect(builder.bytes).toBe(list.reduce((sum, value) => sum + value.length, 0));
          taken.push(builder.take());
        }
        let next = first;
        for (const [i, list] of pages.entries()) {
          expect(taken[i]!.first).toBe(next);
          expect(valuesOf(taken[i]!)).toEqual(list.map((value) => [...value]));
          if (new Set(list.map((value) => value.length)).size === 1) {
            expect(taken[i]!.sizes).toBe(list[0]!.length);
          }
          next += list.length;
        }
      }),
    );
  });

  test('grows over any number of values and bytes', () => {
    const builder = new PageBuilder();
    const value = new Uint8Array(1_000).fill(1);
    for (let i = 0; i < 3_000; i++) builder.push(i % 2 === 0 ? value : value.subarray(0, 1));
    const taken = builder.take();
    expect(taken.count).toBe(3_000);
    expect(sizeAt(taken, 2_998)).toBe(1_000);
    expect(taken.data.every((byte) => byte === 1)).toBe(true);
    expect(taken.data.length).toBe(1_500 * 1_001);
  });

  test('is full at its bytes and at its count, and a full page with one last value passes the check', () => {
    const bytes = new PageBuilder();
    bytes.push(new Uint8Array(LIMITS.pageBytesTarget - 1));
    expect(bytes.isFull).toBe(false);
    bytes.push(new Uint8Array(LIMITS.valueBytesMax));
    expect(bytes.isFull).toBe(true);
    expect(() => checkPage(bytes.take())).not.toThrow();

    const count = new PageBuilder();
    for (let i = 0; i < LIMITS.pageCountMax; i++) count.push(new Uint8Array(0));
    expect(count.isFull).toBe(true);
    expect(count.take()).toEqual({ first: 0, count: LIMITS.pageCountMax, sizes: 0, data: new Uint8Array(0) });
  });
});
