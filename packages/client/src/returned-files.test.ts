/** A Drone may say anything about the files that it gives back; what is written here is what was asked for, and only that. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeMsgpack } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { saveReturned } from './returned-files.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-returned-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('a Drone that lies', () => {
  const contents = async function* () {
    yield Buffer.from('evil');
  };
  const entry = (path: string) => ({ path, mode: 0o4755 & 0o777, mtimeMillis: 0, bytes: 4 });

  test.each(['.bashrc', 'outside', '../up', '/tmp/evil', 'out/../../up', 'output'])(
    'about the path %s writes nothing',
    async (path) => {
      const list = encodeMsgpack([entry(path)]);
      await expect(saveReturned({ list, contents: contents() }, ['out'], () => folder)).rejects.toMatchObject(
        {
          code: 'badPath',
        },
      );
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test('about a mode sets no more than permissions', async () => {
    const list = encodeMsgpack([{ ...entry('out'), mode: 0o4755 }]);
    await expect(saveReturned({ list, contents: contents() }, ['out'], () => folder)).rejects.toMatchObject({
      code: 'badPath',
    });
  });

  test('about a length leaves nothing half written', async () => {
    const list = encodeMsgpack([entry('out/a'), { ...entry('out/b'), bytes: 5 }]);
    await expect(saveReturned({ list, contents: contents() }, ['out'], () => folder)).rejects.toMatchObject({
      code: 'badValue',
    });
    expect(readdirSync(join(folder, 'out'))).toEqual(['a']);
    expect(statSync(join(folder, 'out/a')).mode & 0o7777).toBe(0o755);
  });
});
