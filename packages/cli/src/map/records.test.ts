import { describe, expect, test } from '@jest/globals';
import { Spool } from '../hash/spool.ts';
import { documentsOf, rowsOf, textsOf } from './records.ts';

const spool = new Spool();

async function* inChunks(text: string, size = text.length): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = [];
  for await (const value of values) gathered.push(value);
  return gathered;
}

const COMMA = { delimiter: ',', hasHeader: true };

describe('lines', () => {
  test('are texts, whatever their ends', async () => {
    expect(await all(textsOf(inChunks('\uFEFFone\r\n\ntwo ä'), 'f', spool))).toEqual(['one', '', 'two ä']);
  });
  test('of more than an input may have are refused with their place', async () => {
    const long = `short\n${'x'.repeat(1_100_000)}\n`;
    await expect(all(textsOf(inChunks(long, 65_536), 'f.txt', spool))).rejects.toThrow(
      'f.txt:2: this line has more than 1 MiB',
    );
    spool.close();
  });
});

describe('JSON documents', () => {
  test('are one a line, wherever chunks are cut', async () => {
    const text = '\uFEFF{"a":"ä"}\n\n[1,2]\r\nnull\n"text"';
    for (const size of [1, 3, 1_000]) {
      expect(await all(documentsOf(inChunks(text, size), 'f', spool))).toEqual([
        { a: 'ä' },
        [1, 2],
        null,
        'text',
      ]);
    }
  });
  test('that are none are refused with their place', async () => {
    await expect(all(documentsOf(inChunks('1\n\n{x\n'), 'data.ndjson', spool))).rejects.toMatchObject({
      name: 'UsageError',
      code: 'badInput',
      message: expect.stringMatching(/^data\.ndjson:3: this is not JSON \(.+\)\. Use --format lines/),
    });
  });
});

describe('rows of CSV', () => {
  test('are objects with the names of the first row, wherever chunks are cut', async () => {
    const text = '\uFEFFname,"said, once"\r\nAda,"two\nlines"\r\n\r\n"B""ob",\r\n';
    for (const size of [1, 7, 1_000]) {
      expect(await all(rowsOf(inChunks(text, size), 'f', COMMA))).toEqual([
        { name: 'Ada', 'said, once': 'two\nlines' },
        { name: 'B"ob', 'said, once': '' },
      ]);
    }
  });
  test('are lists without such a row, and may be cut at another character', async () => {
    const rows = rowsOf(inChunks('a\t1\nb\t2\n'), 'f', { delimiter: '\t', hasHeader: false });
    expect(await all(rows)).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });
  test('that do not fit are refused with their place', async () => {
    await expect(all(rowsOf(inChunks('a,b\n1,2\n3\n'), 'data.csv', COMMA))).rejects.toMatchObject({
      code: 'badInput',
      message: expect.stringMatching(/^data\.csv: .*line 3/),
    });
  });
  test('are read no further than they are wanted', async () => {
    let read = 0;
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from('n\n');
        for (;;) yield Buffer.from(`${read++}\n`.repeat(1_000));
      } finally {
        isClosed = true;
      }
    }
    let seen = 0;
    for await (const _ of rowsOf(endless(), 'f', COMMA)) if (++seen === 2_500) break;
    expect(isClosed).toBe(true);
    expect(read).toBeLessThan(100);
  });
  test('end with what their source fails with', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a\n1\n');
      throw new Error('the disk is gone');
    }
    await expect(all(rowsOf(failing(), 'f', COMMA))).rejects.toThrow('the disk is gone');
  });
});
