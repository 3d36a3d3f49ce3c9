/** Functions as a user has them: from a file, through a Queen and a Drone with threads of its own, and back. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from '../connect.ts';
import type { TaskError } from '../errors.ts';
import type { Hive } from '../hive.ts';
import { fileStream } from '../streams.ts';
import area from '../testing/tasks/area.task.ts';
import { digest, later, same, sum, waits } from '../testing/tasks/many.task.ts';
import { collect, count, rejection } from '../testing/with-fake.ts';
import { NonRetryableError, type Task, task } from './task.ts';

const AREA = new URL('../testing/tasks/area.task.ts', import.meta.url);
const MANY = new URL('../testing/tasks/many.task.ts', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'hive-functions-'));
let hive: Hive;
beforeAll(async () => {
  hive = await connect({ local: { drones: 1, slots: 2 } });
});
afterAll(async () => {
  await hive.close();
  rmSync(folder, { recursive: true });
});

describe('a function is named', () => {
  const boxes = [
    { width: 2, height: 3 },
    { width: 4, height: 5 },
  ];
  const areas = [
    { area: 6, seen: new Date(0) },
    { area: 20, seen: new Date(0) },
  ];

  test('as a task that was imported, which brings its types', async () => {
    const found = await hive.map(area, boxes);
    expect(found).toEqual(areas);
    // Compiles because both are known.
    const first: number = found[0]!.area;
    const isTyped: Task<{ width: number; height: number }, { area: number; seen: Date }> = area;
    expect([first, isTyped.settings]).toEqual([6, {}]);
    expect(area.run({ width: 1, height: 1 }, null as never)).toMatchObject({ area: 1 });
  });

  test('by its file, with the types that were said', async () => {
    const found = await hive.map<typeof import('../testing/tasks/area.task.ts')>(AREA, boxes);
    const first: Date = found[0]!.seen;
    expect([found, first]).toEqual([areas, new Date(0)]);
    expect(await hive.call(AREA.href, boxes[0])).toEqual(areas[0]);
  });

  test('as one of several exports of its file', async () => {
    expect(await hive.map(later, [1, 2])).toEqual([2, 4]);
    expect(await hive.call(`${MANY}#later`, 4)).toBe(8);
    expect((await rejection(hive.call(MANY, 4))).message).toContain('say which one is meant');
    expect((await rejection(hive.call(`${MANY}#none`, 4))).message).toContain('exports no task "none"');
  });

  test('for single calls, which stay in one warm place', async () => {
    const calls = await Promise.all([...count(50)].map((n) => hive.call(later, n)));
    expect(calls).toEqual([...count(50)].map((n) => n * 2));
    expect(await hive.call(later, 100)).toBe(200);
  });

  test('for jobs with a handle', async () => {
    const job = await hive.submit({ kind: later, inputs: count(100) });
    const values = (await collect(job.results())).map(({ value }) => value);
    expect(values).toEqual([...count(100)].map((n) => n * 2));
    const range = await hive.submit({ kind: later, range: { start: 5, step: 5, count: 3 } });
    expect((await collect(range.results())).map(({ value }) => value)).toEqual([10, 20, 30]);
  });

  test('for graphs, whose tasks get lists', async () => {
    const graph = hive.graph(sum);
    const [a, b] = [graph.task<number>(1), graph.task<number>(2)];
    const c = graph.task<number>(10, { after: [a, b] });
    const results = await graph.run();
    expect(results.get(c)).toBe(13);
  });

  test('with params that all of its tasks have in common', async () => {
    expect(await hive.map(`${MANY}#scaled`, [1, 2], { params: { by: 7 } })).toEqual([7, 14]);
  });
});

describe('values', () => {
  test('arrive as structured clone would have them, also those over 1 MiB', async () => {
    const shared = { big: 2n ** 100n, set: new Set([undefined, -0]) };
    const values = [new Map([[shared, shared]]), new Error('kept'), new Float64Array([1.5]), undefined, null];
    expect(await hive.map(same, values)).toStrictEqual(values);
    const large = {
      bytes: new Uint8Array(3_000_000).fill(7),
      text: 'ä'.repeat(600_000),
      shared,
      again: shared,
    };
    const back = (await hive.call(same, large)) as typeof large;
    expect(Buffer.from(back.bytes).equals(large.bytes)).toBe(true);
    expect(back.text === large.text && back.again === back.shared).toBe(true);
    expect(await hive.map(same, ['ß'.repeat(2_000_000)])).toHaveLength(1);
  });

  test('that cannot be sent are refused at the call, with their path', async () => {
    const wrong = await rejection(hive.call(same, { items: [1, { onDone: () => {} }] }));
    expect(wrong.message).toBe('This value cannot be sent: items[1].onDone is a function.');
    expect(wrong.code).toBe('badValue');
    expect((await rejection(hive.map(same, [Symbol('no')]).all())).message).toContain('it is a symbol');
  });

  test('that are streams are read piece by piece, and written so', async () => {
    const path = join(folder, 'input');
    const bytes = Buffer.alloc(5_000_000, 'some bytes');
    writeFileSync(path, bytes);
    writeFileSync(`${path}-small`, 'abc');
    const sha = (data: Uint8Array) => `${data.length} ${createHash('sha256').update(data).digest('hex')}`;
    expect(await hive.map(digest, [fileStream(path), fileStream(`${path}-small`)])).toEqual([
      sha(bytes),
      sha(Buffer.from('abc')),
    ]);
    const zeros = (await hive.call(`${MANY}#zeros`, 2_000_000)) as Uint8Array;
    expect(zeros).toHaveLength(2_000_000);
  });
});

describe('errors', () => {
  test('come back with name, code, cause, own properties, and a stack in the file of the task', async () => {
    const error = (await rejection(
      hive.map(area, [{ width: 0, height: 2 }], { retries: 0 }).all(),
    )) as TaskError;
    expect(error).toMatchObject({
      name: 'TooSmallError',
      message: '0 x 2 is too small',
      code: 'E_SMALL',
      index: 0,
      outcome: 'failed',
      box: { width: 0, height: 2 },
      cause: { message: 'nothing fits' },
    });
    expect(error.thrown).toBeInstanceOf(RangeError);
    expect(error.stack?.split('\n')[1]).toMatch(/at .*testing\/tasks\/area\.task\.ts:6:11/);
  });

  test('that are final are not tried again; others are, and the function knows', async () => {
    expect((await rejection(hive.call(`${MANY}#final`, 0))).message).toBe('attempt 1');
    expect(await hive.call(`${MANY}#third`, 0, { backoff: '1ms' })).toBe(3);
    expect(new NonRetryableError('x').retryable).toBe(false);
  });

  test('in the file itself are said in one sentence with file, line and text', async () => {
    const path = join(folder, 'broken.task.ts');
    writeFileSync(
      path,
      "import { task } from '@hive/client';\nimport x from 'no-such-package';\nexport default task(() => x);\n",
    );
    const error = await rejection(hive.call(path, 1));
    expect(error.code).toBe('badTask');
    expect(error.message).toMatch(
      /^broken\.task\.ts cannot be bundled: .*broken\.task\.ts:2:15: Could not resolve "no-such-package"$/,
    );
    // Once it is mended it is read again.
    writeFileSync(path, "import { task } from '@hive/client';\nexport default task((n: number) => n + 1);\n");
    expect(await hive.call(path, 1)).toBe(2);
    const absent = join(folder, 'none.task.ts');
    const { code, message } = await rejection(hive.map(absent, [1]).all());
    expect(code).toBe('badTask');
    expect(message).toBe(
      `There is no task file ${absent}. A path is taken from the folder in which the program runs; "new URL('./none.task.ts', import.meta.url)" stays with your file.`,
    );
  });

  test('of packages with native parts that a Drone does not have say what to install', async () => {
    const native = join(folder, 'node_modules', 'no-such-native');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(native, { recursive: true });
    writeFileSync(join(native, 'package.json'), '{"name":"no-such-native","main":"index.js","gypfile":true}');
    writeFileSync(join(native, 'index.js'), 'module.exports = 1;');
    const path = join(folder, 'native.task.ts');
    writeFileSync(
      path,
      "import { task } from '@hive/client';\nimport native from 'no-such-native';\nexport default task(() => native);\n",
    );
    const error = await rejection(hive.call(path, 1, { retries: 0 }));
    expect(error.code).toBe('missingModule');
    expect(error.message).toContain('npm install no-such-native');
  });

  test('of options that make no sense', async () => {
    expect((await rejection(hive.call('hash', 'a', { concurrency: 2 }))).message).toBe(
      'Only functions have the option "concurrency".',
    );
    expect((await rejection(hive.call(same, 1, { encoding: 'raw' }))).code).toBe('badOption');
    expect(() => task(1 as never)).toThrow('task() takes a function');
  });
});

test('what a function prints and says while it runs can be followed', async () => {
  const job = await hive.submit({ kind: `${MANY}#speaks`, inputs: [8], retries: 0 });
  const events = job.events();
  const found = [(await events.next()).value, (await events.next()).value];
  expect(found).toEqual([
    { index: 0, type: 'progress', done: 1, of: 4 },
    { index: 0, type: 'emit', value: { half: new Map([[8, 4]]) } },
  ]);
  const output = job.output();
  expect(String(Buffer.from((await output.next()).value.data))).toBe('printed 8\n');
  await job.cancel();
  expect((await events.next()).done).toBe(true);
  expect((await job.done).state).toBe('cancelled');
});

test('a function may end its whole job with a value', async () => {
  const job = await hive.submit({ kind: `${MANY}#found`, range: { start: 0, step: 1, count: 1_000_000 } });
  expect(await job.value).toEqual({ found: new Set([777]) });
  expect(await job.done).toMatchObject({ state: 'succeeded' });
});

test('in a sandbox that no Drone has is not run at all', async () => {
  const job = await hive.submit({ kind: later, inputs: [1], sandbox: 'bwrap' });
  expect((await hive.explain(job.id)).join(' ')).toMatch(/sandbox|label|fit/i);
  await job.cancel();
});

test('what waits runs beside others in a slot', async () => {
  // At first a lease has one task, until it is known how fast they are: also where every wait takes longer.
  const others = await hive.map(waits, [...new Array(200).fill(0), ...new Array(100).fill(100)]);
  expect(others).toHaveLength(300);
  expect(Math.max(...others)).toBeGreaterThan(5);
  expect(Math.max(...others)).toBeLessThan(50);
});

test('a map that is left ends its job, and one whose signal aborts rejects with its reason', async () => {
  for await (const value of hive.map(later, count(1_000_000))) {
    expect(value).toBe(0);
    break;
  }
  const reason = new Error('enough');
  expect(await rejection(hive.map(later, [1], { signal: AbortSignal.abort(reason) }).all())).toBe(reason);
});

test('a task that needs more memory than its job asks for costs itself alone, and says so', async () => {
  const kind = `${MANY}#takes`;
  const job = await hive.submit({ kind, inputs: [1, 200, 2], memoryMiB: 64, retries: 0, crashLimit: 1 });
  const results = [];
  for await (const result of job.results()) results.push(result);
  expect(results).toMatchObject([
    { value: 1 },
    { outcome: 'crashed', error: { code: 'outOfMemory', message: expect.stringContaining('64 MiB') } },
    { value: 2 },
  ]);
  expect(await hive.call(kind, 200)).toBe(200);
});
