/** What built-in kinds give has a type: that this compiles is half of the test. */
import { expect, test } from '@jest/globals';
import { connect } from './connect.ts';

test('digests are texts, and of a command one gets exit code and bytes, as their types say', async () => {
  await using hive = await connect({ local: { drones: 1, slots: 1 } });
  const digest: string = await hive.call('hash', 'a', { params: { algorithm: 'md5' } });
  const [other = ''] = await hive.map('hash', ['b'], { params: { algorithm: 'md5' } });
  expect([digest, other.length]).toEqual(['0cc175b9c0f1b6a831c399e269772661', 32]);
  const [made] = await hive.map('command', [['printf', 'out']]);
  const { exitCode, signal, stdout, stderr } = made!;
  expect([exitCode, signal, Buffer.from(stdout).toString(), stderr.length]).toEqual([0, undefined, 'out', 0]);
  // Of other kinds, and of streams, it is not known.
  const echoed: unknown[] = await hive.map('echo', [1]);
  const raw: unknown = await hive.call('hash', new Uint8Array(1), { encoding: 'raw' });
  expect([echoed, raw instanceof Uint8Array]).toEqual([[1], true]);
});
