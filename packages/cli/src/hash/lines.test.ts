import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { splitLines } from './lines.ts';
import { isSpooled, Spool } from './spool.ts';

const NEWLINE = 10;

async function linesOf(chunks: readonly (Uint8Array | string)[], spool = new Spool()): Promise<Buffer[]> {
  async function* feed() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const lines: Buffer[] = [];
  for await (const line of splitLines(feed(), NEWLINE, spool)) {
    lines.push(isSpooled(line) ? readFileSync(line.path) : Buffer.from(line));
    if (!isSpooled(line)) continue;
    await spool.remove(line);
    expect(existsSync(line.path)).toBe(false);
  }
  return lines;
}
const textsOf = async (...chunks: string[]) => (await linesOf(chunks)).map(String);

describe('lines', () => {
  test('end with their separator, and the last one may do without', async () => {
    expect(await textsOf('a\nb\nc')).toEqual(['a', 'b', 'c']);
    expect(await textsOf('a\nb\n')).toEqual(['a', 'b']);
    expect(await textsOf('')).toEqual([]);
    expect(await textsOf('\n\n')).toEqual(['', '']);
    expect(await textsOf('a\r\nb')).toEqual(['a\r', 'b']);
  });

  test('are the same wherever the chunks are cut', async () => {
    const text = 'one\n\ntwo words\n\nthe last';
    const expected = text.split('\n');
    for (let at = 0; at <= text.length; at++) {
      for (let to = at; to <= text.length; to++) {
        expect(await textsOf(text.slice(0, at), text.slice(at, to), text.slice(to))).toEqual(expected);
      }
    }
  });

  test('of more than 1 MiB are held on disk, with what stands before and behind them', async () => {
    const long = Buffer.from(randomBytes(2 ** 20).toString('hex'));
    const chunks = [
      Buffer.from('before\n'),
      long.subarray(0, 1_500_000),
      long.subarray(1_500_000),
      Buffer.from('\nafter'),
    ];
    const lines = await linesOf(chunks);
    expect(lines.length).toBe(3);
    expect(String(lines[0])).toBe('before');
    expect(lines[1]!.equals(long)).toBe(true);
    expect(String(lines[2])).toBe('after');
  });
});
