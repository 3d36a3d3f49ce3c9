import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteReader, encodeMsgpack, entryToWire, type FileEntry, pathProblem } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SlotDriver } from '../testing/slot-driver.ts';
import { orderOf, readParams } from './params.ts';
import { openReturned, PlacedFiles, returnedFiles } from './place-files.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-place-'));
  root = join(folder, 'work');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const fileAt = (path: string, bytes: number, more: Partial<FileEntry> = {}): FileEntry => ({
  ...{ path, mode: 0o644, mtimeMillis: 1_500_000_000_500, bytes, isFolder: false },
  ...more,
});
const bytesOf = (...texts: string[]) =>
  new ByteReader(
    (async function* () {
      for (const text of texts) yield Buffer.from(text);
    })(),
  );

describe('files are placed', () => {
  test('out of one stream, with modes and times, folders last', async () => {
    const placed = new PlacedFiles(root);
    const reader = bytesOf('on', 'etwo', 'three');
    await placed.place(fileAt('closed', 0, { isFolder: true, mode: 0o500, mtimeMillis: 1e12 }), reader);
    for (const [path, bytes] of [
      ['closed/a', 3],
      ['b', 3],
      ['c/d/e', 5],
      ['empty', 0],
    ] as const)
      await placed.place(fileAt(path, bytes), reader);
    placed.finish();
    const read = (path: string) => readFileSync(join(root, path), 'utf8');
    expect(['closed/a', 'b', 'c/d/e', 'empty'].map(read)).toEqual(['one', 'two', 'three', '']);
    expect(statSync(join(root, 'b')).mtimeMs).toBe(1_500_000_000_500);
    const { mode, mtimeMs } = statSync(join(root, 'closed'));
    // Its owner can empty it again.
    expect([mode & 0o777, mtimeMs]).toEqual([0o700, 1e12]);
  });

  test('not when the stream ends before', async () => {
    await expect(new PlacedFiles(root).place(fileAt('a', 5), bytesOf('abc'))).rejects.toMatchObject({
      code: 'badInput',
    });
  });

  test('never through a link, and what is there already is replaced', async () => {
    mkdirSync(root);
    writeFileSync(join(folder, 'outside'), 'safe');
    symlinkSync(join(folder, 'outside'), join(root, 'a'));
    writeFileSync(join(root, 'b'), 'old and long');
    await expect(new PlacedFiles(root).place(fileAt('a', 3), bytesOf('new'))).rejects.toMatchObject({
      code: 'notPlaced',
    });
    await new PlacedFiles(root).place(fileAt('b', 3), bytesOf('new'));
    expect(readFileSync(join(folder, 'outside'), 'utf8')).toBe('safe');
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('new');
  });

  test('and removed again, with the folders that are empty then', async () => {
    mkdirSync(join(root, 'kept'), { recursive: true });
    const placed = new PlacedFiles(root);
    await placed.place(fileAt('kept/a', 1), bytesOf('x'));
    await placed.place(fileAt('new/b/c', 1), bytesOf('x'));
    writeFileSync(join(root, 'kept/mine'), '');
    writeFileSync(join(root, 'new/result'), '');
    placed.remove(['new/result', 'never/was']);
    expect(readdirSync(root)).toEqual(['kept']);
    expect(readdirSync(join(root, 'kept'))).toEqual(['mine']);
  });
});

describe('what is given back', () => {
  test('is files and folders with all in them, and never what a link leads to', () => {
    mkdirSync(join(root, 'dir/sub'), { recursive: true });
    writeFileSync(join(root, 'dir/a'), 'abc');
    writeFileSync(join(folder, 'secret'), 'secret');
    symlinkSync(join(folder, 'secret'), join(root, 'dir/link'));
    symlinkSync(folder, join(root, 'up'));
    const found = returnedFiles(root, ['dir', 'up/secret', 'up', 'none']);
    expect(found.map((one) => ('entry' in one ? one.entry.path : `${one.missing}: ${one.why}`))).toEqual([
      'dir',
      'dir/a',
      'dir/link: it is a symbolic link',
      'dir/sub',
      'up/secret: it lies behind a symbolic link',
      'up: it is a symbolic link',
      'none: it is not there',
    ]);
  });

  test('is not opened when a link has taken its place, or that of its folder', () => {
    mkdirSync(join(root, 'dir'), { recursive: true });
    mkdirSync(join(folder, 'other'));
    writeFileSync(join(root, 'dir/a'), 'abc');
    writeFileSync(join(folder, 'other/a'), 'secret');
    const [, file] = returnedFiles(root, ['dir']) as { path: string }[];
    rmSync(join(root, 'dir'), { recursive: true });
    symlinkSync(join(folder, 'other'), join(root, 'dir'));
    expect(existsSync(file!.path)).toBe(true);
    expect(openReturned(file!.path, 3)).toBeNull();
    expect(openReturned(join(root, 'dir'), 0)).toBeNull();
  });
});

test.each(['/etc/passwd', '../a', 'a/../../b', 'a/..', '', '.', 'a//b', './a', 'a/', 'a\0b'])(
  'the path %j is refused wherever it stands',
  (path) => {
    expect(pathProblem(path)).not.toBeNull();
    const file = { path, mode: 0o644, mtimeMillis: 0 };
    expect(() => readParams({ returns: [path] })).toThrow('path');
    expect(() => readParams({ baseFiles: [file] })).toThrow('path');
    const params = readParams({ line: 'true', head: true });
    expect(() => orderOf(params, { files: [{ ...file, bytes: 1 }] })).toThrow('path');
    expect(() => orderOf(params, { returns: [path] })).toThrow('path');
  },
);

test('a task that is ended while its files come leaves none of them to the next one', async () => {
  const driver = new SlotDriver();
  try {
    const files = [fileAt('a', 1), fileAt('b', 1)];
    const map = encodeMsgpack({ line: 'ls', files: files.map(entryToWire) });
    const begun = Buffer.concat([Buffer.from([0, 0, 0, map.length]), map, Buffer.from('A')]);
    const streams = [{ index: 0, bytes: begun.length + 1 }];
    await driver.start({ kind: 'command', encoding: 'raw', params: { head: true } }, [new Uint8Array(0)], {
      streams,
    });
    const { position, offset } = await driver.next('slotPulled');
    const chunk = { offset, data: new Uint8Array(begun), last: false, error: null };
    driver.slot.obey({ type: 'deliverChunk', slot: 0, run: driver.run, position, ...chunk });
    const placed = join(driver.outputs.folder, 'slot-0', 'work', 'a');
    while (!existsSync(placed)) await sleep(LOOK_MILLIS);
    driver.events.length = 0;
    driver.kill('timedOut');
    await driver.next('slotDied');
    await driver.start({ kind: 'command' }, ['ls']);
    const { values } = await driver.outcome();
    expect(values).toMatchObject([{ exitCode: 0, stdout: new Uint8Array(0) }]);
  } finally {
    await driver.close();
  }
});
