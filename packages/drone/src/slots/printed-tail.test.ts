import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { printedFile } from '../commands/printed-files.ts';
import { type Printed, PrintedTail } from './printed-tail.ts';

let folder: string;
let tail: PrintedTail;
let told: Printed[];
let mayRead: boolean;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-tail-test-'));
  told = [];
  mayRead = true;
  tail = new PrintedTail(
    folder,
    () => mayRead,
    (printed) => told.push(printed),
  );
  tail.begin(1, true);
});
afterEach(() => rmSync(folder, { recursive: true }));

const fileOf = (position: number, name: 'stdout' | 'stderr' = 'stdout') =>
  printedFile(folder, 1, position, name);
const print = (position: number, text: string | Uint8Array) => appendFileSync(fileOf(position), text);
function taken() {
  return told.splice(0).map(({ position, offset, data }) => [position, offset, Buffer.from(data).toString()]);
}

describe('the tail of what is printed', () => {
  test('tells each byte once, in order, and both streams', () => {
    tail.look(0);
    print(0, 'one');
    tail.look(0);
    expect(taken()).toEqual([[0, 0, 'one']]);
    tail.look(0);
    print(0, 'two');
    appendFileSync(fileOf(0, 'stderr'), 'err');
    tail.look(0);
    expect(told.map(({ stream }) => stream)).toEqual(['stderr', 'stdout']);
    expect(taken()).toEqual([
      [0, 0, 'err'],
      [0, 3, 'two'],
    ]);
  });

  test('tells the rest of what has ended, and removes it', () => {
    print(0, 'a');
    tail.look(0);
    print(0, 'b');
    print(1, 'c');
    print(3, 'e');
    tail.finish(3);
    expect(taken()).toEqual([
      [0, 0, 'a'],
      [0, 1, 'b'],
      [1, 0, 'c'],
    ]);
    expect([0, 1, 3].map((position) => existsSync(fileOf(position)))).toEqual([false, false, true]);
    tail.look(3);
    expect(taken()).toEqual([[3, 0, 'e']]);
  });

  test('begins again for who comes late', () => {
    print(2, 'from the start');
    tail.look(2);
    tail.restart(() => 2);
    tail.look(2);
    expect(taken()).toEqual([
      [2, 0, 'from the start'],
      [2, 0, 'from the start'],
    ]);
  });

  test('reads nothing while nothing can be sent, and goes on later', () => {
    print(0, 'waits');
    mayRead = false;
    tail.look(0);
    expect(taken()).toEqual([]);
    mayRead = true;
    tail.look(0);
    expect(taken()).toEqual([[0, 0, 'waits']]);
  });

  test('takes a bounded piece at a time, in chunks of the wire', () => {
    print(0, new Uint8Array(5 * LIMITS.chunkBytesMax));
    tail.look(0);
    expect(told.map(({ offset, data }) => [offset / data.length, data.length])).toEqual(
      [0, 1, 2, 3].map((piece) => [piece, LIMITS.chunkBytesMax]),
    );
    tail.look(0);
    expect(told).toHaveLength(5);
  });

  test('tells errors and the last piece of what has ended, however much there is', () => {
    const { chunkBytesMax } = LIMITS;
    print(0, new Uint8Array(9 * chunkBytesMax));
    print(0, 'the end');
    appendFileSync(fileOf(0, 'stderr'), 'bad');
    tail.finish(1);
    expect(told.map(({ stream, offset }) => [stream, offset / chunkBytesMax])).toEqual([
      ['stderr', 0],
      ...[0, 1, 2, 3, 8 + 7 / chunkBytesMax].map((offset) => ['stdout', offset]),
    ]);
    expect(Buffer.from(told.at(-1)!.data).toString().endsWith('\0the end')).toBe(true);
  });

  test('leaves alone what nobody watches', () => {
    tail.begin(1, false);
    print(0, 'private');
    tail.look(0);
    tail.finish(1);
    expect(taken()).toEqual([]);
    expect(existsSync(fileOf(0))).toBe(true);
  });
});
