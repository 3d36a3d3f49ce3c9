import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobId, LIMITS, leaseNumber, type Message } from '@hive/shared';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileStream, type StreamSource } from './streams.ts';
import type { FakeQueen } from './testing/fake-queen.ts';
import { rejection, withFake } from './testing/with-fake.ts';

const MiB = 1024 * 1024;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-client-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(bytes, name));
  return path;
}

/** Reads a stream as a Drone does through the Queen, four chunks ahead. */
async function readStream(queen: FakeQueen, index: number, bytes: number): Promise<Buffer | string> {
  const job = jobId(queen.job().id);
  const length = LIMITS.chunkBytesMax;
  const chunks = () =>
    queen.heard.filter((m): m is Message<'StreamChunk'> => m.type === 'StreamChunk' && m.index === index);
  const before = chunks().length;
  let asked = 0;
  for (let offset = 0; offset < bytes; offset += length, asked++) {
    queen.send({ type: 'StreamGet', job, index, direction: 'in', offset, length, lease: leaseNumber(7) });
  }
  await queen.until(() => chunks().length === before + asked);
  const got = chunks().slice(before);
  const failed = got.find(({ error }) => error !== undefined);
  if (failed !== undefined) return failed.error!;
  expect(got.every(({ lease }) => lease === 7)).toBe(true);
  expect(got.filter(({ last }) => last === true).map(({ offset, data }) => offset + data.length)).toEqual([
    bytes,
  ]);
  return Buffer.concat(got.sort((a, b) => a.offset - b.offset).map(({ data }) => data));
}

describe('an input that is too large for a page', () => {
  test('travels as a stream, read from its file when asked for', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const path = file('large', 3 * MiB + 17);
      const job = await hive.submit({ kind: 'hash', inputs: ['small', fileStream(path), 'small too'] });
      await queen.until(() => queen.job().isSealed);
      expect(queen.job().streams).toEqual([{ index: 1, bytes: 3 * MiB + 17 }]);
      const whole = Buffer.alloc(3 * MiB + 17, 'large');
      expect(whole.equals((await readStream(queen, 1, whole.length)) as Buffer)).toBe(true);
      // A retry reads it again.
      expect(whole.equals((await readStream(queen, 1, whole.length)) as Buffer)).toBe(true);
      await job.cancel();
    }));

  test('is made a stream if it is text or bytes for the kind hash, or raw', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const text = 'ü'.repeat(MiB);
      const results = hive.map('hash', [text, Buffer.alloc(2 * MiB, 7)]);
      await results.job;
      await queen.until(() => queen.job().isSealed);
      expect(queen.job().streams).toEqual([
        { index: 0, bytes: 2 * MiB },
        { index: 1, bytes: 2 * MiB },
      ]);
      expect((await readStream(queen, 0, 2 * MiB)).toString()).toBe(text);
      await (await results.job).cancel();
      await rejection(results.all());
      const raw = hive.call('echo', Buffer.alloc(2 * MiB), { encoding: 'raw' });
      await queen.until(() => queen.jobs.size === 2 && queen.job('echo').streams.length === 1);
      queen.release();
      await raw.catch(() => {});
    }));

  test('is refused for kinds that take plain values', () =>
    withFake({}, async (_, hive) => {
      const error = await rejection(hive.call('echo', Buffer.alloc(2 * MiB)));
      expect(error).toMatchObject({ code: 'tooLarge' });
      expect(error.message).toContain('fileStream');
    }));

  test('says why it cannot be read', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const path = file('changing', 2 * MiB);
      const gone = file('gone', 2 * MiB);
      const liar: StreamSource = { bytes: 2 * MiB, read: async () => new Uint8Array(1) };
      const broken: StreamSource = { bytes: 2 * MiB, read: () => Promise.reject(new Error('the tape tore')) };
      await hive.submit({ kind: 'hash', inputs: [fileStream(path), fileStream(gone), liar, broken] });
      await queen.until(() => queen.job().isSealed);
      writeFileSync(path, 'shorter');
      rmSync(gone);
      expect(await readStream(queen, 0, 100)).toContain('has changed: it had 2097152 bytes');
      expect(await readStream(queen, 1, 100)).toContain('ENOENT');
      expect(await readStream(queen, 2, 100)).toContain('gave 1 bytes');
      expect(await readStream(queen, 3, 100)).toBe('the tape tore');
      expect(await readStream(queen, 4, 100)).toContain('no such stream');
    }));

  test('is let go when its result has arrived', () =>
    withFake({}, async (queen, hive) => {
      const closed: number[] = [];
      const source = (index: number): StreamSource => ({
        bytes: 2 * MiB,
        read: async (_, length) => new Uint8Array(length),
        close: () => closed.push(index),
      });
      queen.isHolding = true;
      const all = hive.map('hash', [source(0), source(1)]).all();
      await queen.until(() => queen.jobs.size === 1 && queen.job().isSealed);
      queen.run(queen.job(), 1);
      await hive.status();
      expect(closed).toEqual([0]);
      queen.release();
      await all;
      expect(closed).toEqual([0, 1]);
    }));

  test('held in memory stops the source until results have come', () =>
    withFake({ inputCredit: 2 ** 30 }, async (queen, hive) => {
      queen.isHolding = true;
      let made = 0;
      function* source() {
        for (; made < 40; made++) yield Buffer.alloc(2 * MiB);
      }
      const all = hive.map('hash', source(), { encoding: 'raw' }).all();
      await queen.until(() => queen.jobs.size === 1 && queen.job().inputs.length >= 15);
      await hive.status();
      expect(made).toBeLessThan(18);
      queen.release();
      await all;
      expect(made).toBe(40);
    }));
});

test('a source that fits a page travels in it', () =>
  withFake({}, async (queen, hive) => {
    const path = file('small', 1_000);
    const values = await hive.map('echo', [1, fileStream(path), 2]).all();
    expect(values[1]).toEqual(new Uint8Array(Buffer.alloc(1_000, 'small')));
    expect(await hive.call('echo', fileStream(path), { encoding: 'raw' })).toHaveLength(1_000);
    expect(queen.job().streams).toEqual([]);
  }));

test('a file that is not there is refused at once', () => {
  expect(() => fileStream(join(folder, 'nowhere'))).toThrow('There is no file');
  expect(() => fileStream(folder)).toThrow('There is no file');
});
