/** The copying paths say what JSON.parse and JSON.stringify say, however the bytes are cut. */

import { Readable } from 'node:stream';
import type { EncodedResults } from '@hive/client';
import { appendValue, LIMITS, PageBuilder, readValues } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineWriter } from './from-pages.ts';
import { LineReader, pagesOf } from './to-pages.ts';
import { jsonOf } from './value-json.ts';

function readAll(chunks: readonly Buffer[]): unknown[] {
  const reader = new LineReader();
  const values: unknown[] = [];
  const take = (pages: Iterable<{ count: number; sizes: number | Uint8Array; data: Uint8Array }>) => {
    for (const page of pages) values.push(...readValues({ first: values.length, ...pick(page) }, 'msgpack'));
  };
  for (const chunk of chunks) take(reader.read(chunk));
  take(reader.end());
  return values;
}
const pick = ({ count, sizes, data }: { count: number; sizes: number | Uint8Array; data: Uint8Array }) => ({
  count,
  sizes,
  data,
});
const lines = (text: string) => readAll([Buffer.from(text)]);
const json = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ maxLength: 400 }),
  fc.integer({ min: 0 }),
  fc.jsonValue(),
);
/** What can be sent: one name has a meaning of its own in JavaScript. */
const sendable = json.filter((value) => !JSON.stringify(value).includes('__proto__'));

describe('lines of JSON', () => {
  test('become the values that JSON.parse gives, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(
        fc.array(sendable, { maxLength: 30 }),
        fc.array(fc.nat(4_000)),
        fc.boolean(),
        (values, cuts, ends) => {
          const text = values.map((value) => JSON.stringify(value)).join('\n') + (ends ? '\n' : '');
          const bytes = Buffer.from(text);
          const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
          const chunks = at.slice(1).map((cut, i) => bytes.subarray(at[i], cut));
          expect(readAll(chunks)).toEqual(JSON.parse(JSON.stringify(values)));
        },
      ),
    );
  });

  test.each([
    ['empty lines and blanks', '\n  1 \r\n\n"a"\r\n\t\n', [1, 'a']],
    [
      'numbers as they are',
      '0\n10\n123456789\n1234567890\n-1\n1e3\n0.5',
      [0, 10, 123456789, 1234567890, -1, 1000, 0.5],
    ],
    [
      'texts of every header',
      `"${'x'.repeat(31)}"\n"${'y'.repeat(32)}"\n"${'ä'.repeat(200)}"\n"${'z'.repeat(70_000)}"`,
      ['x'.repeat(31), 'y'.repeat(32), 'ä'.repeat(200), 'z'.repeat(70_000)],
    ],
    ['escapes', '"a\\n\\"\\u00e4"', ['a\n"ä']],
  ])('%s', (_, text, values) => {
    expect(lines(text)).toEqual(values);
  });

  test.each([
    ['1\n\nnope\n', /^Line 3 is not JSON/],
    ['01', /^Line 1 is not JSON/],
    ['"a', /^Line 1 is not JSON/],
    ['"a"b"', /^Line 1 is not JSON/],
    ['"a\tb"', /^Line 1 is not JSON/],
    ['{"__proto__":1}', /^Line 1 cannot be an input/],
  ])('%j is refused with the number of its line', (text, message) => {
    expect(() => lines(text)).toThrow(message);
  });

  test('that are no UTF-8 are refused, and so is one that is too long, or never ends', () => {
    expect(() => lines(`"${'x'.repeat(LIMITS.valueBytesMax)}"`)).toThrow(/^Line 1 is too large/);
    expect(() => readAll([Buffer.from([0x22, 0xc3, 0x28, 0x22])])).toThrow(/^Line 1 is not UTF-8/);
    const reader = new LineReader();
    const feed = () => {
      for (let i = 0; i < 200; i++)
        for (const _ of reader.read(Buffer.alloc(64 * 1024, 0x20))) expect(_).toBe(null);
    };
    expect(feed).toThrow(/too large/);
  });

  test('leave as pages of bounded size', async () => {
    async function* body() {
      for (let i = 0; i < 50; i++) yield Buffer.from(`"${'v'.repeat(99)}"\n`.repeat(500));
    }
    let count = 0;
    for await (const page of pagesOf(body())) {
      count += page.count;
      expect(page.data.length).toBeLessThan(LIMITS.pageBytesMax);
    }
    expect(count).toBe(25_000);
  });

  test('are read from their sender no faster than pages are taken', async () => {
    let read = 0;
    const body = Readable.from(
      (async function* () {
        for (; read < 1_000; read++) yield Buffer.from(`"${'v'.repeat(64 * 1024)}"\n`);
      })(),
    );
    const pages = pagesOf(body);
    await pages.next();
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    // One page, and what a stream reads ahead; not the rest of the body.
    expect(read).toBeLessThan(64);
    let count = 0;
    for await (const page of pages) count += page.count;
    expect(read).toBe(1_000);
    expect(count).toBeGreaterThan(990);
  });
});

function pageOf(values: readonly unknown[], first = 0, more: Partial<EncodedResults> = {}): EncodedResults {
  const builder = new PageBuilder(first);
  for (const value of values) appendValue(builder, 'msgpack', value);
  return { ...builder.take(), seq: 3, failures: [], streams: [], ...more };
}
const writer = (withCursor = false, kind = 'echo') =>
  new LineWriter({ job: 'JOB', kind, encoding: 'msgpack', withCursor });
const parsed = (bytes: Buffer) =>
  bytes
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe('pages of results', () => {
  test('become the lines that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.array(sendable, { maxLength: 30 }), fc.nat(2 ** 40), (values, first) => {
        const plain = JSON.parse(JSON.stringify(values)) as unknown[];
        expect(parsed(writer().write(pageOf(plain, first), 0))).toEqual(
          plain.map((value, i) => ({ index: first + i, outcome: 'succeeded', value })),
        );
      }),
    );
  });

  test('name failures, large outputs, and where to go on; what comes before is left out', () => {
    const builder = new PageBuilder(5);
    appendValue(builder, 'msgpack', 'a');
    for (let i = 0; i < 2; i++) builder.wrote(0);
    appendValue(builder, 'msgpack', new Uint8Array([1, 2, 3]));
    const output = { bytes: 2_000_000 } as EncodedResults['streams'][number]['output'];
    const failure = { index: 6, outcome: 'failed', code: 'exit', message: 'The command ended.' } as const;
    const page = { ...builder.take(), seq: 9, failures: [failure], streams: [{ index: 7, output }] };
    const all = parsed(writer(true).write(page, 0));
    expect(all).toEqual([
      { index: 5, outcome: 'succeeded', value: 'a', cursor: '9.5' },
      { index: 6, outcome: 'failed', error: { code: 'exit', message: 'The command ended.' }, cursor: '9.6' },
      {
        index: 7,
        outcome: 'succeeded',
        bytes: 2_000_000,
        value_url: '/api/v1/jobs/JOB/tasks/7/value',
        cursor: '9.7',
      },
      { index: 8, outcome: 'succeeded', value: { base64: 'AQID' }, cursor: '9.8' },
    ]);
    expect(parsed(writer(true).write(page, 7))).toEqual(all.slice(2));
  });

  test('what only JavaScript has is said as well as JSON can', () => {
    const itself: unknown[] = [];
    itself.push(itself);
    const value = [
      10n,
      new Map([[1, 'a']]),
      new Set([2]),
      new RangeError('far'),
      new Date(0),
      Buffer.from('ab'),
    ];
    expect(JSON.parse(jsonOf(value))).toEqual([
      '10',
      [[1, 'a']],
      [2],
      { name: 'RangeError', message: 'far' },
      '1970-01-01T00:00:00.000Z',
      { base64: 'YWI=' },
    ]);
    expect(JSON.parse(jsonOf(itself))).toEqual({ unrepresentable: expect.any(String) });
    expect(jsonOf(undefined)).toBe('null');
  });

  test("a command's result has the API's names, and text for bytes", () => {
    const value = {
      signal: 9,
      timedOut: true,
      startedAt: 0,
      endedAt: 1,
      stderr: Buffer.from('e'),
      stdout: Buffer.from('ö'),
    };
    expect(parsed(writer(false, 'command').write(pageOf([value]), 0))).toMatchObject([
      {
        value: {
          exit_code: 137,
          stdout: 'ö',
          stderr: 'e',
          timed_out: true,
          started_at: '1970-01-01T00:00:00.000Z',
        },
      },
    ]);
  });

  test('what is no result of a command is shown as it is, whatever its job says', () => {
    for (const value of [
      'text',
      null,
      { stdout: 'no bytes' },
      { stdout: Buffer.of(), stderr: Buffer.of(), startedAt: 'now' },
    ])
      expect(parsed(writer(false, 'command').write(pageOf([value]), 0))).toMatchObject([
        { value: JSON.parse(jsonOf(value)) },
      ]);
  });
});
