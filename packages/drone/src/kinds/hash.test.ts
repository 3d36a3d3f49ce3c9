import { createCipheriv, createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SlotDriver } from '../testing/slot-driver.ts';

let driver: SlotDriver;
beforeAll(() => {
  driver = new SlotDriver();
});
afterAll(() => driver.close());

async function hash(
  params: Record<string, string | number>,
  inputs: unknown[],
  encoding: 'msgpack' | 'raw' = 'msgpack',
) {
  await driver.next('slotReady', false);
  driver.events.splice(1);
  await driver.start({ kind: 'hash', encoding, params }, inputs);
  return driver.outcome();
}
const digest = (algorithm: string, bytes: string | Uint8Array) =>
  createHash(algorithm).update(bytes).digest('hex');

describe('hash', () => {
  test.each(['sha256', 'md5', 'sha1', 'sha512', 'sha3-256'])('gives the digests of %s', async (algorithm) => {
    const texts = ['', 'a', 'ä€𝄞', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(300), 'x'.repeat(70_000)];
    const { values } = await hash({ algorithm }, texts);
    expect(values).toEqual(texts.map((text) => digest(algorithm, text)));
  });

  test('takes bytes as well as text', async () => {
    const inputs = [0, 200, 40_000, 70_000].map((length) => new Uint8Array(length).fill(length));
    expect((await hash({}, inputs)).values).toEqual(inputs.map((bytes) => digest('sha256', bytes)));
  });

  test('takes an integer for its decimal digits', async () => {
    const integers = [0, 7, 200, 70_000, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -70_000];
    expect((await hash({}, integers)).values).toEqual(integers.map((n) => digest('sha256', String(n))));
  });

  test('gives the digest itself when values are raw', async () => {
    const { pages } = await hash({}, [Buffer.from('abc')], 'raw');
    expect(Buffer.from(pages[0]!.data).toString('hex')).toBe(digest('sha256', 'abc'));
  });

  test.each([10, 65_536, 200_001])('hashes %d bytes made from a seed', async (generate) => {
    const seeds = [0, 1, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
    const { values } = await hash({ generate }, seeds);
    expect(values).toEqual(seeds.map((seed) => digest('sha256', generatedBy(seed, generate))));
  });

  test.each([
    ['an algorithm that is unknown', { algorithm: 'nope' }, 'a', 'unknownAlgorithm'],
    ['a fraction', {}, 5.5, 'badInput'],
    ['a list', {}, ['a'], 'badInput'],
    ['a seed that is none', { generate: 10 }, 'a', 'badInput'],
    ['a length that is none', { generate: -1 }, 1, 'badParams'],
  ])('fails for good over %s', async (_, params, input, code) => {
    const { failures } = await hash(params as Record<string, string | number>, [input]);
    expect(failures).toMatchObject([{ outcome: 'failed', code, retryable: false }]);
  });
});

/** The specification, word for word: one cipher over all the zeros. */
function generatedBy(seed: number, length: number): Uint8Array {
  const key = Buffer.alloc(16);
  key.writeBigUInt64BE(BigInt(seed), 8);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
