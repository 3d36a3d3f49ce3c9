import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandInput, connect, giveBaseFiles, type Hive, localFiles, readCommandResult } from '@hive/client';
import { encodeMsgpack } from '@hive/shared';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Processes, startProcesses } from './index.ts';

const MiB = 2 ** 20;
let cluster: Processes;
let hive: Hive;
let folder: string;
beforeAll(async () => {
  cluster = await startProcesses({ drones: 2, slotsPerDrone: 1 });
  hive = await connect({ ...cluster.access });
});
afterAll(async () => {
  await hive.close();
  await cluster.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-command-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const put = (path: string, text: string | Uint8Array) => {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
  return join(folder, path);
};

describe('files of commands', () => {
  test.each([10, 3 * MiB])('go and come back, with %d bytes of them and of what is read', async (bytes) => {
    const from = put('a.bin', Buffer.alloc(bytes, 'a'));
    const returns = ['out'];
    const input = await commandInput({
      line: 'mkdir out; cat - tools/x in.bin >out/all; echo said >&2; wc -c <in.bin',
      stdin: Buffer.alloc(bytes, 's'),
      files: [{ from, to: 'in.bin' }],
      returns,
    });
    const base = await giveBaseFiles(hive.blobs, [{ from: put('x', 'BASE'), to: 'tools/x' }]);
    const params = { head: true, baseFiles: base.baseFiles };
    const job = await hive.submit({ kind: 'command', inputs: [input], params, blobs: base.blobs });
    for await (const { value } of job.results({ streams: true })) {
      const result = await readCommandResult(value);
      const text = async (output: typeof result.stdout) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of output.chunks()) chunks.push(chunk);
        return Buffer.concat(chunks).toString().trim();
      };
      expect([await text(result.stderr), await text(result.stdout)]).toEqual(['said', String(bytes)]);
      const saved = await result.saveFiles!(join(folder, 'got'), returns);
      expect(saved).toMatchObject({ bytes: bytes * 2 + 4, missing: [] });
    }
    const all = readFileSync(join(folder, 'got/out/all'), 'latin1');
    expect(all === `${'s'.repeat(bytes)}BASE${'a'.repeat(bytes)}`).toBe(true);
  });

  test('that have changed while they were sent fail their task, and are no part of another one', async () => {
    const from = put('a', Buffer.alloc(2 * MiB));
    const input = await commandInput({ line: 'wc -c <a', files: [{ from, to: 'a' }] });
    writeFileSync(from, 'shorter');
    const options = { params: { head: true }, retries: 0 };
    await expect(hive.map('command', [input], options)).rejects.toMatchObject({ code: 'streamFailed' });
  });

  test('are refused by path, and by a name that is not there', async () => {
    const from = put('a', '');
    for (const to of ['/etc/a', '../a', 'b/../../a', ''])
      await expect(commandInput({ line: 'true', files: [{ from, to }] })).rejects.toMatchObject({
        code: 'badPath',
      });
    await expect(localFiles([{ from: join(folder, 'none'), to: 'x' }])).rejects.toMatchObject({
      code: 'noFile',
    });
  });

  test('a client that says other paths to a Drone by itself gets them refused there, too', async () => {
    const options = { params: { head: true }, retries: 0 };
    const map = {
      line: 'true',
      stdinBytes: 0,
      files: [{ path: '../../evil', mode: 0o644, mtimeMillis: 0, bytes: 1 }],
    };
    const head = encodeMsgpack(map);
    const input = Buffer.concat([Buffer.from([0, 0, 0, head.length]), head, Buffer.from('x')]);
    await expect(hive.map('command', [input], options)).rejects.toMatchObject({ code: 'badInput' });
  });
});
