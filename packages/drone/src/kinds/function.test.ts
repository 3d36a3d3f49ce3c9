/** Functions on a real thread: tasks that the operator has put into a folder, and what becomes of them. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeHiveJs } from '@hive/shared';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SlotDriver, type SlotOutcome } from '../testing/slot-driver.ts';

const folder = mkdtempSync(join(tmpdir(), 'hive-tasks-'));
const write = (name: string, body: string): void =>
  writeFileSync(
    join(folder, `${name}.task.ts`),
    `import { NonRetryableError, task, type TaskContext } from '@hive/client';\n${body}\n`,
  );

beforeAll(() => {
  write('double', 'export default task((n: number) => n * 2);');
  write('later', 'export default task(async (n: number) => { await null; return n + 1; });');
  write('same', 'export default task((value: unknown) => value);');
  write(
    'unruly',
    `
const outside = () => new Promise(() => { setImmediate(() => { throw new RangeError('nobody caught this'); }); });
export default task((what: string): unknown => {
  console.log('about to', what);
  if (what === 'exit') process.exit(3);
  if (what === 'outside') return outside();
  if (what === 'rejects') { void Promise.reject(new Error('unhandled')); return new Promise(() => {}); }
  if (what === 'memory') { const all: unknown[] = []; for (;;) all.push(new Array(100_000).fill(all.length)); }
  if (what === 'spin') for (;;);
  return what;
});`,
  );
  write(
    'fails',
    `
class QuotaError extends RangeError {
  override name = 'QuotaError';
  code = 'E_QUOTA';
  left = new Map([['disk', 0]]);
}
export default task((how: string) => {
  if (how === 'quota') throw new QuotaError('no room', { cause: new TypeError('deep') });
  if (how === 'final') throw new NonRetryableError('never again');
  if (how === 'text') throw 'a text';
  if (how === 'huge') throw Object.assign(new Error('x'.repeat(10_000)), { dump: 'y'.repeat(100_000) });
  if (how === 'function') return () => {};
  throw Object.assign(new Error('with a function'), { retry() {} });
});`,
  );
  write(
    'speaks',
    `
export default task((input: string, { log, index, attempt, progress, emit, signal }: TaskContext) => 0);
export const speak = task(async (input: string, context: TaskContext) => {
  context.log('at', context.index, context.attempt);
  process.stderr.write('err ' + input + '\\n');
  context.progress(1, 2);
  context.emit({ part: new Set([input]) });
  if (input === 'wait') await new Promise((resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(context.signal.reason));
  });
  return input;
});`,
  );
  write(
    'finishes',
    'export default task((n: number, context: TaskContext) => n === 3 ? context.finish({ n }) : n);',
  );
  write(
    'writes',
    'export default task((n: number, context: TaskContext) => { for (let i = 0; i < n; i++) context.write("ab"); });',
  );
  write(
    'reads',
    `
export default task(async (input: AsyncIterable<Uint8Array> & { bytes: number }) => {
  let sum = 0;
  for await (const chunk of input) for (const byte of chunk) sum += byte;
  return { bytes: input.bytes, sum };
});`,
  );
  write(
    'together',
    `
let running = 0;
let most = 0;
export default task(async (millis: number, context: TaskContext) => {
  console.log('task', context.index);
  most = Math.max(most, ++running);
  await new Promise((resolve) => setTimeout(resolve, millis));
  running--;
  if (millis === 13) process.exit(1);
  if (millis === 7) throw new Error('seven');
  return most;
}, { concurrency: 4 });`,
  );
  write('short', 'let calls = 0; export default task(() => ++calls, { maxCallsPerThread: 3 });');
  write(
    'heap',
    `
import { resourceLimits } from 'node:worker_threads';
let calls = 0;
export default task(() => [resourceLimits.maxOldGenerationSizeMb, ++calls]);`,
  );
  write('broken', 'throw new Error("at once");');
  write('empty', 'export const x = 1;');
  write('two', 'export const a = task(() => 1); export const b = task(() => 2);');
});
afterAll(() => rmSync(folder, { recursive: true }));

let driver: SlotDriver;
beforeEach(() => {
  driver = new SlotDriver(undefined, undefined, folder);
});
afterEach(() => driver.close());

async function run(name: string, inputs: readonly unknown[], params: object = {}): Promise<SlotOutcome> {
  await driver.start({ kind: 'function', encoding: 'hive-js', params: { name, ...params } as never }, inputs);
  const outcome = await driver.outcome();
  driver.events.splice(0, driver.events.length, ...driver.events.filter(({ type }) => type === 'slotDied'));
  return outcome;
}
const died = async (): Promise<{ message: string; code?: string; position: number | null }> =>
  driver.next('slotDied');

describe('a function', () => {
  test('gives what it returns, whether at once or later', async () => {
    expect((await run('double', [1, 2, 300])).values).toEqual([2, 4, 600]);
    driver.events.push({ type: 'slotReady', slot: 0 });
    expect((await run('later', [1, 2, 300])).values).toEqual([2, 3, 301]);
  });

  test('takes and gives whatever structured clone keeps', async () => {
    const shared = { when: new Date(0) };
    const value = new Map<unknown, unknown>([
      [shared, [shared, undefined, -0, 2n ** 70n]],
      ['error', new TypeError('kept')],
    ]);
    const [back] = (await run('same', [value])).values as [Map<unknown, unknown>];
    expect(back).toEqual(value);
    const [[key, list]] = back as unknown as [[object, unknown[]]];
    expect(list[0]).toBe(key);
  });

  test('that is not there, or no task, is said in a sentence', async () => {
    const cases: [string, object, string][] = [
      ['nowhere', {}, 'This Drone has no task "nowhere"'],
      ['broken', {}, 'broken.task.ts could not be loaded: at once'],
      ['empty', {}, 'empty exports no task'],
      ['two', {}, 'two exports 2 tasks: say which one is meant, "two#a".'],
      ['two', { export: 'c' }, 'two exports no task "c", only a, b.'],
      ['two', { colour: 1 }, 'a function has no "colour"'],
    ];
    for (const [name, params, text] of cases) {
      const { failures } = await run(name, [1], params);
      driver.events.push({ type: 'slotReady', slot: 0 });
      expect(failures[0]?.message).toContain(text);
    }
    expect((await run('two', [1], { export: 'b' })).values).toEqual([2]);
  });
});

describe('what it throws', () => {
  const thrown = async (how: string) => {
    const { failures } = await run('fails', [how]);
    const { error, ...failure } = failures[0]!;
    return {
      failure,
      error: decodeHiveJs(Buffer.from(error ?? '', 'base64')) as Error,
    };
  };

  test('comes back as it was: class, name, code, cause, own entries, and a stack in its own file', async () => {
    const { failure, error } = await thrown('quota');
    expect(failure).toMatchObject({ outcome: 'failed', code: 'E_QUOTA', message: 'no room' });
    const { name, message, code, left, cause, stack } = error as Error & { code: string; left: unknown };
    expect({ name, message, code, left }).toEqual({
      name: 'QuotaError',
      message: 'no room',
      code: 'E_QUOTA',
      left: new Map([['disk', 0]]),
    });
    expect(error).toBeInstanceOf(RangeError);
    expect(cause).toMatchObject({ message: 'deep' });
    expect(stack).toMatch(/^QuotaError: no room\n\s+at .*fails\.task\.ts:9:\d+\)?$/);
  });

  test('is not tried again if it says so', async () => {
    expect((await thrown('final')).failure).toMatchObject({ code: 'NonRetryableError', retryable: false });
  });

  test('may be anything, and of any size', async () => {
    expect(await thrown('text')).toMatchObject({ failure: { message: 'a text' }, error: 'a text' });
    driver.events.push({ type: 'slotReady', slot: 0 });
    const huge = await thrown('huge');
    expect((huge.error as Error).message).toHaveLength(2_000);
    driver.events.push({ type: 'slotReady', slot: 0 });
    expect((await thrown('other')).error).toMatchObject({ message: 'with a function' });
    driver.events.push({ type: 'slotReady', slot: 0 });
    expect((await run('fails', ['function'])).failures[0]?.message).toBe(
      'What the task returned: This value cannot be sent: it is a function.',
    );
  });
});

describe('a bad end costs its own task, and says which it was', () => {
  test.each([
    ['exit', 'exit', 'process.exit(3)'],
    ['outside', 'uncaught', 'RangeError: nobody caught this'],
    ['rejects', 'uncaught', 'Error: unhandled'],
  ])('%s', async (what, code, text) => {
    const { values } = await run('unruly', ['fine', what, 'lost']);
    expect(values).toEqual(['fine']);
    const death = await died();
    expect(death).toMatchObject({ position: 1, code });
    expect(death.message).toContain(text);
    expect(death.message).toMatch(new RegExp(`It had printed:\nabout to ${what}$`));
    await driver.next('slotReady', false);
    expect((await run('unruly', ['again'])).values).toEqual(['again']);
  });

  test('taking all memory', async () => {
    await driver.close();
    driver = new SlotDriver(64, undefined, folder);
    await run('unruly', ['memory']);
    expect(await died()).toMatchObject({
      position: 0,
      code: 'outOfMemory',
      message: expect.stringContaining('The task needed more than the 64 MiB of its thread.'),
    });
  });

  test('taking more memory than its job asks for, in a thread of that size', async () => {
    const heapOf = async (params: object): Promise<unknown> => {
      const { values } = await run('heap', [1], params);
      driver.events.push({ type: 'slotReady', slot: 0 });
      return values[0];
    };
    const usual = await heapOf({});
    expect(await heapOf({ memoryMiB: 48 })).toEqual([48, 1]);
    expect(await heapOf({ memoryMiB: 48 })).toEqual([48, 2]);
    expect(await heapOf({})).toEqual(usual);
    const { values, failures } = await run('unruly', ['fine', 'memory', 'lost'], { memoryMiB: 64 });
    expect([values, failures]).toEqual([['fine'], []]);
    expect(await died()).toMatchObject({
      position: 1,
      code: 'outOfMemory',
      message: expect.stringContaining('The task needed more than the 64 MiB of its thread.'),
    });
    await driver.next('slotReady', false);
    expect((await run('unruly', ['again'], { memoryMiB: 64 })).values).toEqual(['again']);
  });

  test('asking for more memory than the operator gives', async () => {
    await driver.close();
    driver = new SlotDriver(32, undefined, folder);
    expect((await run('heap', [1], { memoryMiB: 1_000 })).values).toEqual([[32, 1]]);
  });

  test('never ending', async () => {
    await driver.start({ kind: 'function', encoding: 'hive-js', params: { name: 'unruly' } }, [
      'fine',
      'spin',
    ]);
    await driver.untilRunning(1);
    driver.kill('timedOut');
    const { values } = await driver.outcome();
    expect(values).toEqual(['fine']);
    expect((await died()).position).toBe(1);
  });
});

describe('its context', () => {
  test('says which task and attempt it is, and takes what it says and prints', async () => {
    await driver.start(
      { kind: 'function', encoding: 'hive-js', params: { name: 'speaks', export: 'speak' } },
      ['a', 'b'],
      { ranges: [5, 1, 9, 1], isWatched: true, attempts: [9, 3] },
    );
    expect((await driver.outcome()).values).toEqual(['a', 'b']);
    const printed = driver.events.filter((event) => event.type === 'slotPrinted');
    const text = (stream: string) =>
      printed.flatMap((event) => (event.stream === stream ? [String(Buffer.from(event.data))] : []));
    expect(text('stdout')).toEqual(['at 5 1\n', 'at 9 3\n']);
    expect(text('stderr')).toEqual(['err a\n', 'err b\n']);
    const events = text('events').flatMap((lines) => lines.trim().split('\n'));
    expect(events.slice(0, 2).map((line) => decodeHiveJs(Buffer.from(line, 'base64')))).toEqual([
      { type: 'progress', done: 1, of: 2 },
      { type: 'emit', value: { part: new Set(['a']) } },
    ]);
    expect(readdirSync(join(driver.outputs.folder, 'slot-0'))).toEqual([]);
  });

  test('has a signal, which aborts when the task is cancelled', async () => {
    await driver.start(
      { kind: 'function', encoding: 'hive-js', params: { name: 'speaks', export: 'speak' } },
      ['wait', 'b'],
    );
    await driver.untilRunning(0);
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: 0, reason: 'enough' });
    const { values, failures } = await driver.outcome();
    expect(failures).toMatchObject([{ position: 0, outcome: 'cancelled', message: 'enough' }]);
    expect(values[1]).toBe('b');
  });

  test('finish ends the job with a value', async () => {
    await driver.start({ kind: 'function', encoding: 'hive-js', params: { name: 'finishes' } }, [1, 2, 3, 4]);
    const { values } = await driver.outcome();
    expect(values).toEqual([1, 2, { n: 3 }, 4]);
    expect(driver.events.find((event) => event.type === 'slotReported')).toMatchObject({ finish: 2 });
  });

  test('writes an output of any length, and reads an input of any length', async () => {
    const { streams, failures } = await run('writes', [3, 1_000_000]);
    expect(failures).toEqual([]);
    expect(streams).toMatchObject([
      { position: 0, bytes: 6, encoded: false },
      { position: 1, bytes: 2_000_000, encoded: false },
    ]);
    driver.events.push({ type: 'slotReady', slot: 0 });
    await driver.start({ kind: 'function', encoding: 'hive-js', params: { name: 'reads' } }, [null], {
      streams: [{ index: 0, bytes: 3 }],
    });
    const pulled = await driver.next('slotPulled');
    const data = Uint8Array.of(1, 2, 3);
    const chunk = { position: 0, offset: pulled.offset, data, last: true, error: null };
    driver.slot.obey({ type: 'deliverChunk', slot: 0, run: driver.run, ...chunk });
    expect((await driver.outcome()).values).toEqual([{ bytes: 3, sum: 6 }]);
  });
});

describe('several at once', () => {
  test('are reported in order, and one that fails is one that fails', async () => {
    const { values, failures } = await run('together', [1, 30, 1, 7, 2, 20, 1, 1]);
    expect(failures).toMatchObject([{ position: 3, message: 'seven' }]);
    expect(
      values
        .slice(1)
        .filter((value) => value !== undefined)
        .every((most) => most === 4),
    ).toBe(true);
    expect(values).toHaveLength(8);
  });

  test('run one by one after one of them has ended the thread, so that the right one is blamed', async () => {
    const spec = { kind: 'function', encoding: 'hive-js', params: { name: 'together' } } as const;
    await driver.start(spec, [1]);
    await driver.outcome();
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 });
    await driver.start(spec, [1, 500, 13, 500]);
    const same = driver.spec;
    await driver.outcome();
    expect((await died()).position).toBeNull();
    driver.events.splice(0);
    await driver.next('slotReady', false);
    await driver.start(spec, [1, 2, 13, 3], { spec: same });
    await driver.outcome();
    const second = await died();
    expect(second).toMatchObject({ position: 2, code: 'exit' });
    expect(second.message).toMatch(/It had printed:\ntask 2$/);
  });
});

test('a thread is replaced after as many calls as its task allows, and nothing is blamed', async () => {
  const { values } = await run('short', [0, 0, 0, 0]);
  expect(values).toEqual([1, 2, 3]);
  expect(await died()).toEqual({
    type: 'slotDied',
    slot: 0,
    run: 1,
    position: null,
    message: 'its thread was to be replaced',
  });
  await driver.next('slotReady', false);
  expect((await run('short', [0])).values).toEqual([1]);
});
