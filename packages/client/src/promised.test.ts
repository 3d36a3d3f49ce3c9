/** The results of a map and a folded value, used as any promise is. */
import { expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import type { TaskError } from './errors.ts';

test('a map and a reduction are promises: to be returned, collected, caught, and followed up', async () => {
  await using hive = await connect({ local: { drones: 1, slots: 1 } });
  const echo = (inputs: readonly number[]): Promise<unknown[]> => hive.map('echo', inputs);
  const total = (): Promise<number> => hive.range<number>(0, 4, 'echo', { reduce: 'sum' });
  const said: string[] = [];
  expect(await Promise.all([echo([1, 2]), total()])).toEqual([[1, 2], 6]);
  expect(await echo([3]).finally(() => said.push('mapped'))).toEqual([3]);
  expect(await total().finally(() => said.push('folded'))).toBe(6);
  expect(said).toEqual(['mapped', 'folded']);

  const failing = { retries: 0 };
  const codeOf = ({ code }: TaskError) => code;
  expect(await hive.map('sleep', ['soon'], failing).catch(codeOf)).toBe('badInput');
  expect(await hive.map('sleep', ['soon'], { ...failing, reduce: 'count' }).catch(codeOf)).toBe('badInput');
  expect(await hive.map('sleep', ['soon'], failing).then(null, codeOf)).toBe('badInput');
});
