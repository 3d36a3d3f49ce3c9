import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Hive } from '@hive/client';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Processes, startProcesses } from './index.ts';

let cluster: Processes;
let hive: Hive;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hive-blobs-test-'));
  cluster = await startProcesses({ drones: 1, slotsPerDrone: 1, store: 'sqlite' });
  hive = await connect({ ...cluster.access });
});
afterEach(async () => {
  await hive.close();
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('what a job needs is given to the Queen first, as bytes or as a file, and refused where it is not', async () => {
  const bytes = Buffer.alloc(1_000_000, 'z');
  const path = join(folder, 'file');
  writeFileSync(path, 'of a file');
  const blobs = [await hive.blobs.ensure(bytes), await hive.blobs.ensure(path)];
  expect(blobs).toEqual([hashOf(bytes), hashOf(Buffer.from('of a file'))]);
  expect(await hive.call('echo', 'x', { blobs })).toBe('x');
  await expect(hive.call('echo', 'x', { blobs: [hashOf(Buffer.from('?'))] })).rejects.toMatchObject({
    code: 'unknownBlob',
  });
  await expect(hive.blobs.ensure(join(folder, 'none'))).rejects.toMatchObject({ code: 'noFile' });
});

test('a Queen who has lost it gets it again before the job', async () => {
  const blobs = [await hive.blobs.ensure(Buffer.from('lost'))];
  expect(await hive.call('echo', 'x', { blobs })).toBe('x');
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
  rmSync(join(cluster.data, 'blobs', blobs[0]!));
  await cluster.restartQueen();
  expect(await hive.call('echo', 'y', { blobs, retries: 1 })).toBe('y');
  expect(readdirSync(join(cluster.data, 'blobs'))).toContain(blobs[0]);
});

test('a Queen who is killed in the middle of a blob has none of it, and gets it again when she is back', async () => {
  const path = join(folder, 'large');
  writeFileSync(path, 'begin');
  truncateSync(path, 100 * 2 ** 20);
  const incoming = join(cluster.data, 'blobs', 'incoming');
  const given = hive.blobs.ensure(path);
  const begun = () => readdirSync(incoming).some((name) => statSync(join(incoming, name)).size > 0);
  while (!begun()) await sleep(1);
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
  const whole = () => readdirSync(join(cluster.data, 'blobs')).filter((name) => name !== 'incoming');
  expect(whole()).toEqual([]);
  await cluster.restartQueen();
  const hash = await given;
  expect(whole()).toEqual([hash]);
  cluster.queen.kill('SIGKILL');
  await cluster.queen.exited;
  await cluster.restartQueen();
  expect(whole()).toEqual([hash]);
  expect(readdirSync(incoming)).toEqual([]);
  expect(await hive.call('echo', 'x', { blobs: [hash] })).toBe('x');
});
