import { expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import { named } from './job-name.ts';

test.each([
  [{ params: { file: 'resize.task.ts' } }, 'resize.task.ts'],
  [{ params: { file: 'many.task.ts', export: 'square' } }, 'many.task.ts#square'],
  [{ params: { file: 'resize.task.ts', export: 'default' } }, 'resize.task.ts'],
  [{ params: { name: 'resize' } }, 'resize'],
  [{ params: { file: 'x'.repeat(300) } }, 'x'.repeat(256)],
  [{ params: { file: 'resize.task.ts' }, name: 'mine' }, 'mine'],
  [{}, undefined],
])('a job of %j is called %s', (options: { name?: string; params?: Record<string, unknown> }, name) => {
  expect(named(options).name).toBe(name);
});

test('jobs of functions are listed by the names of their tasks', async () => {
  await using hive = await connect({ local: { drones: 1, slots: 1 } });
  const file = new URL('testing/tasks/many.task.ts#same', import.meta.url);
  await hive.map(file, [1]);
  await hive.range(0, 2, file, { name: 'mine', reduce: 'count' });
  expect((await hive.jobs()).map(({ name }) => name)).toEqual(['mine', 'many.task.ts#same']);
});
