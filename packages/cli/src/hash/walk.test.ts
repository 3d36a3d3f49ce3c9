import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findFiles } from './walk.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-walk-'));
  for (const name of ['b', 'a/z', 'a/deep/er']) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['b/2', 'b/10', 'a/z/file', 'a/deep/er/x', 'a/-', 'c.txt'])
    writeFileSync(join(folder, name), '');
  symlinkSync(join(folder, 'b'), join(folder, 'link-to-b'));
  symlinkSync(join(folder, 'c.txt'), join(folder, 'a/link-to-c'));
  symlinkSync('.', join(folder, 'a/loop'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function find(isRecursive: boolean, ...operands: string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { path, error } of findFiles(
    operands.map((name) => Buffer.from(name)),
    isRecursive,
  )) {
    found.push(String(path).replace(`${folder}/`, '') + (error === undefined ? '' : ` ${error.code}`));
  }
  return found;
}

describe('finding files', () => {
  test('with -r gives the regular files below a folder in an order that depends on names only', async () => {
    expect(await find(true, folder)).toEqual(['a/-', 'a/deep/er/x', 'a/z/file', 'b/10', 'b/2', 'c.txt']);
  });

  test('follows no symbolic link but one that was named', async () => {
    expect(await find(true, join(folder, 'link-to-b'))).toEqual(['link-to-b/10', 'link-to-b/2']);
  });

  test('does not double the slash of a folder that was named with one', async () => {
    expect(await find(true, `${join(folder, 'b')}/`)).toEqual(['b/10', 'b/2']);
  });

  test('without -r leaves operands as they are', async () => {
    expect(await find(false, join(folder, 'b'), '-', join(folder, 'nothing'))).toEqual(['b', '-', 'nothing']);
  });
});
