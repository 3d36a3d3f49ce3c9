/** Tasks that an operator has put into a folder, by way of `hive drone --tasks`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Hive, registeredReducer, registeredTask } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

const processes = new Processes();
const folder = join(processes.folder, 'tasks');
let hive: Hive;
beforeAll(async () => {
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'double.task.ts'),
    "import { task } from '@hive/client';\nexport default task((n: number) => n * 2);\n",
  );
  writeFileSync(
    join(folder, 'steps.task.ts'),
    `import { registeredTask, task } from '@hive/client';
export const next = task((n: number) => n + 1);
export default task(async (n: number, { hive }) => [
  ...(await hive.map(next, [n, n + 1])),
  await hive.call(registeredTask('double'), n),
]);
`,
  );
  writeFileSync(
    join(folder, 'lists.task.ts'),
    `import { reducer, task } from '@hive/client';
export default task((n: number) => [n]);
export const join = reducer((left: number[], right: number[]) => [...left, ...right]);
`,
  );
  const queen = processes.hive(['queen', '--port', '0']);
  const [, port] = await queen.saying(/listening on port (\d+)/);
  const drone = processes.hive(['drone', '--slots', '1', '--tasks', 'tasks', '--tasks-only']);
  await drone.saying(/Connected to Queen/);
  hive = await connect({ queen: `127.0.0.1:${port}`, data: join(processes.folder, 'data') });
});
afterAll(async () => {
  await hive?.close();
  await processes.end();
});

describe('a Drone that runs registered tasks only', () => {
  test('runs them by their names', async () => {
    expect(await hive.map(registeredTask('double'), [1, 2, 3])).toEqual([2, 4, 6]);
    expect((await hive.drones())[0]?.labels).toMatchObject({ 'task:double': 'yes' });
  });

  test('lets them submit one another, on the one slot that it has', async () => {
    const steps = hive.map(registeredTask('steps'), [1, 5], { nested: true, retries: 0 });
    expect(await steps).toEqual([
      [2, 3, 2],
      [6, 7, 10],
    ]);
  });

  test('folds with their reducers', async () => {
    const lists = registeredTask('lists');
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    expect(await hive.map(lists, numbers, { reduce: registeredReducer('lists') })).toEqual(numbers);
    expect(await hive.map(lists, numbers, { reduce: registeredReducer('lists', 'join') })).toEqual(numbers);
    expect(await hive.map(lists, numbers, { reduce: '#join' })).toEqual(numbers);
    const absent = hive.map(lists, numbers, { reduce: registeredReducer('lists', 'sum'), retries: 0 });
    await expect(absent.value()).rejects.toThrow('lists exports no reducer "sum", only join.');
  });

  test('folds with nothing that a client sends', async () => {
    const path = join(processes.folder, 'sent.reducer.ts');
    writeFileSync(path, "import { reducer } from '@hive/client';\nexport default reducer((left) => left);\n");
    const sent = hive.map(registeredTask('lists'), [1, 2], { reduce: path as `${string}.ts`, retries: 0 });
    await expect(sent.value()).rejects.toMatchObject({ code: 'notAllowed' });
  });

  test('runs nothing that a client sends', async () => {
    const path = join(processes.folder, 'sent.task.ts');
    writeFileSync(path, "import { task } from '@hive/client';\nexport default task(() => 1);\n");
    await expect(hive.call(path, 0, { retries: 0 })).rejects.toMatchObject({ code: 'notAllowed' });
    expect((await hive.drones())[0]?.kinds).toEqual(['function']);
    const shell = await hive.submit({ kind: 'command', inputs: ['echo x'] });
    expect((await hive.explain(shell.id)).join('\n')).toContain(
      'No Drone here runs the kind "command"; on offer: function.',
    );
    await shell.cancel();
  });

  test('is not asked for those that it does not have', async () => {
    const job = await hive.submit({ kind: registeredTask('triple'), inputs: [1] });
    expect((await hive.explain(job.id)).join('\n')).toContain('task:triple');
    await job.cancel();
  });
});

test('a folder that is not there is said at once', async () => {
  const drone = processes.hive(['drone', '--tasks', 'nowhere']);
  await drone.saying(/There is no folder .*nowhere with tasks/);
  expect(await drone.ended).not.toBe(0);
});
