/** `hive results` of jobs that have a value of their own, or values that JSON has no word for. */
import { join } from 'node:path';
import { connect, type Hive, type SubmitOptions } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

const VALUES = join(import.meta.dirname, '../testing/tasks/values.task.ts');

const processes = new Processes();
let library: Hive;
beforeAll(async () => {
  const { address } = await processes.startHive(1);
  library = await connect({ queen: address, data: join(processes.folder, 'data') });
});
afterAll(async () => {
  await library.close();
  await processes.end();
});

/** What `hive results` prints of a job that has ended. */
async function resultsOf(options: SubmitOptions, ...args: string[]) {
  const job = await library.submit({ retries: 0, attached: false, ...options });
  await job.done;
  const running = processes.hive(['results', job.id, ...args]);
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
const counted = (count: number) => ({ range: { start: 1, step: 1, count } });

describe('hive results', () => {
  const sum = { kind: 'echo', ...counted(100), reduce: 'sum' } as const;
  test('prints the value that all results were folded into', async () => {
    expect(await resultsOf(sum)).toEqual({ code: 0, stdout: '5050\n', stderr: '' });
    expect(await resultsOf(sum, '--json', '--follow')).toEqual({
      code: 0,
      stdout: '{"value":5050}\n',
      stderr: '',
    });
  });

  test('says of a folded job that has failed which task did it, and prints no value', async () => {
    const said = await resultsOf({ kind: 'hash', inputs: ['a', {}], reduce: 'count' });
    expect(said).toMatchObject({ code: 1, stdout: '' });
    expect(said.stderr).toMatch(/^hive results: task 1 failed: /);
  });

  test('prints last the value that a task has ended the job with', async () => {
    const search = { kind: `${VALUES}#search`, ...counted(1_000) };
    const text = await resultsOf(search);
    expect(text.stdout.split('\n').slice(-2)).toEqual(['{"found":3}', '']);
    expect(text.code).toBe(0);
    expect(text.stderr).toMatch(/^hive results: Job \S+ succeeded \(task 2 has ended it with its value\): /);
    const json = await resultsOf(search, '--json');
    expect(json.stdout.split('\n').slice(-2)).toEqual(['{"value":{"found":3}}', '']);
  });

  test('prints values that JSON has no word for as what comes closest', async () => {
    const strange = { kind: `${VALUES}#strange`, inputs: [0, 1, 2, 3, 4, 5, 6] };
    const values = [
      '[["a",[1]]]',
      '"1970-01-01T00:00:00.000Z"',
      '18446744073709551616',
      '[0.5,1]',
      '{"name":"RangeError","message":"no"}',
      'null',
    ];
    expect(await resultsOf(strange)).toEqual({
      code: 0,
      stdout: [...values, 'text', ''].join('\n'),
      stderr: '',
    });
    expect((await resultsOf(strange, '--json')).stdout.trim().split('\n')).toEqual(
      [...values, '"text"'].map(
        (value, index) => `{"index":${index},"outcome":"succeeded","value":${value}}`,
      ),
    );
  });
});
