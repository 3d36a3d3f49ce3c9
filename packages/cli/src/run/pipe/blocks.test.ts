import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PipeSettings } from '../options/settings.ts';
import { cutBlocks } from './blocks.ts';

const PLAIN: PipeSettings = {
  blockBytes: 1024 * 1024,
  recordStart: '',
  recordEnd: '\n',
  isPattern: false,
  records: null,
  lines: null,
  removesSeparators: false,
  header: null,
  skipsFirstLine: false,
};

async function* chunksOf(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function blocksOf(text: string, settings: Partial<PipeSettings>, chunkBytes = 7): Promise<string[]> {
  const blocks: string[] = [];
  for await (const { data, release } of cutBlocks(
    chunksOf(text, chunkBytes),
    { ...PLAIN, ...settings },
    () => {},
  )) {
    const parts: Uint8Array[] = [];
    if (data instanceof Uint8Array) parts.push(data);
    else for await (const part of data.read()) parts.push(part);
    blocks.push(Buffer.concat(parts).toString('latin1'));
    release();
  }
  return blocks;
}

/** A dumb twin: the last place to cut within a block's size, on the whole text. */
function cutWhole(text: string, blockBytes: number, start: string, end: string): string[] {
  const blocks: string[] = [];
  let rest = text;
  let limit = blockBytes;
  while (rest.length >= limit) {
    const seen = rest.slice(0, limit);
    let cut = -1;
    for (let at = 0; at + end.length + start.length <= seen.length; at++) {
      if (seen.startsWith(end + start, at) && at + end.length > 0) cut = at + end.length;
    }
    if (cut === -1) limit = Math.ceil(limit * 1.3 + 1);
    else {
      blocks.push(rest.slice(0, cut));
      rest = rest.slice(cut);
    }
  }
  return rest === '' ? blocks : [...blocks, rest];
}

describe('blocks', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '>', ';'), maxLength: 200 });
  const separators = fc.constantFrom(['', '\n'], ['>', ''], ['>', '\n'], ['', ';\n'], ['ab', '\n']);

  test('are cut where a look at the whole input would cut them, whatever its pieces', async () => {
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(text, separators, size, size, async (input, [start, end], blockBytes, chunkBytes) => {
        const settings = { blockBytes, recordStart: start!, recordEnd: end! };
        expect(await blocksOf(input, settings, chunkBytes)).toEqual(
          cutWhole(input, blockBytes, start!, end!),
        );
      }),
    );
  });

  test('of so many records are all of the input, too', async () => {
    const size = fc.integer({ min: 1, max: 5 });
    await fc.assert(
      fc.asyncProperty(text, separators, size, size, async (input, [start, end], records, chunkBytes) => {
        const settings = { records, recordStart: start!, recordEnd: end! };
        const blocks = await blocksOf(input, settings, chunkBytes);
        expect(blocks.join('')).toBe(input);
        const whole = await blocksOf(input, settings, 1_000);
        expect(blocks).toEqual(whole);
      }),
    );
  });

  test('begin with the header of the input', async () => {
    expect(await blocksOf('h1\nh2\na\nb\nc\n', { header: 2, records: 2 })).toEqual([
      'h1\nh2\na\nb\n',
      'h1\nh2\nc\n',
    ]);
    expect(await blocksOf('%x\n%y\na\nb\n', { header: '(%.*\\n)*', records: 1 })).toEqual([
      '%x\n%y\na\n',
      '%x\n%y\nb\n',
    ]);
    expect(await blocksOf('first\na\nb\n', { skipsFirstLine: true, records: 1 })).toEqual(['a\n', 'b\n']);
  });

  test('grow when a record is longer', async () => {
    const said: string[] = [];
    const blocks: number[] = [];
    for await (const { data } of cutBlocks(
      chunksOf(`${'x'.repeat(50)}\n${'yy\n'.repeat(10)}`, 7),
      { ...PLAIN, blockBytes: 10 },
      (text) => said.push(text),
    ))
      blocks.push((data as Uint8Array).length);
    expect(blocks).toEqual([66, 15]);
    expect(said[0]).toBe('A record was longer than 10. Increasing to --blocksize 14.');
  });
});
