/** Users' reducers in a real slot: what it reports of its tasks, leases that fold, and in whose process they run. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { decodeHiveJs, encodeHiveJs, type Reduce, type Spec } from '@hive/shared';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { SlotReport } from '../agent/events.ts';
import { slotFolder } from '../commands/workplace.ts';
import { removeCgroups } from '../sandbox/cgroups.ts';
import { openSandbox } from '../sandbox/setup.ts';
import { SlotDriver } from '../testing/slot-driver.ts';

/** As a client bundles it. */
const CODE = `
const task = (run) => ({ [Symbol.for('hive.task')]: { run, settings: {} } });
const reducer = (run) => ({ [Symbol.for('hive.reducer')]: { run } });
export default task((what) => {
  if (what === 'fails') throw new Error('it went wrong');
  if (what === 'big') return 'x'.repeat(700000);
  if (what === 'talks') console.log('a task talks');
  if (what === 'huge') return 'x'.repeat(2000000);
  return what;
});
export const join = reducer((left, right) => {
  if (right === 'talks') {
    console.log('joining', left, 'and', right);
    console.error('carefully');
  }
  if (right === 'throws') throw new RangeError('not this one');
  if (right === 'exits') process.exit(5);
  if (right === 'spins') for (;;);
  if (right === 'memory') { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)); }
  return left + right;
});
export const joinThenExit = reducer((left) => {
  console.log('last words of', left);
  process.exit(6);
});
/** Says who folds. */
export const pids = reducer((left, right) => [...new Set([...[left].flat(), ...[right].flat(), process.pid])]);
export const later = reducer(async (left) => left);
export const nothing = reducer(() => {});
`;
const hash = createHash('sha256').update(CODE).digest('hex');
const reduceWith = (own: string): Reduce => ({
  op: 'function',
  module: hash,
  export: own,
  file: 'a.task.ts',
});
const specOf = (own = 'join', params: object = {}): Partial<Spec> => ({
  kind: 'function',
  encoding: 'hive-js',
  params: { module: hash, file: 'a.task.ts', ...params } as never,
  reduce: reduceWith(own),
});

const POLICY = { minimum: 'none', images: [], network: false, limits: {}, readable: [], hidden: [] } as const;
const drone = `test${randomBytes(6).toString('hex')}`;
const sandbox = openSandbox(POLICY, { drone, environment: process.env });
const { machine } = sandbox;
const inLimits = machine.limits.isThere ? test : test.skip;

let driver: SlotDriver;
async function open(of = sandbox): Promise<void> {
  driver = new SlotDriver(undefined, of);
  const incoming = await driver.blobCache.create();
  writeFileSync(incoming.path, CODE);
  await driver.blobCache.adopt(incoming, hash, []);
}
afterEach(() => driver.close());
afterAll(() => {
  if (machine.cgroups !== null) removeCgroups(machine.cgroups);
});

/** What the slot tells of a lease, up to its end or its thread's: folded values, and what has failed. */
interface Told {
  readonly folds: [number, number, unknown][];
  readonly failures: SlotReport['failures'];
}
async function told(): Promise<Told> {
  await driver.ended();
  const reports = driver.events.filter((event) => event.type === 'slotReported');
  const folds = reports.flatMap(({ folds: all = [] }) =>
    all.map(({ position, count, data }): [number, number, unknown] => [position, count, decodeHiveJs(data)]),
  );
  return { folds, failures: reports.flatMap(({ failures }) => failures) };
}
/** Every task but those that failed is in a value, once and in its order, however the values were cut. */
function expectWhole(inputs: readonly string[], told: Told, end = inputs.length): void {
  const failed = new Set(told.failures.map(({ position }) => position));
  let at = 0;
  for (const [position, count, value] of told.folds) {
    while (failed.has(at)) at++;
    expect(position).toBe(at);
    at += count;
    expect(value).toBe(inputs.slice(position, at).join(''));
  }
  while (failed.has(at)) at++;
  expect(at).toBe(end);
}
/** A value, and one at which the reducer goes wrong if there is one before it, so many times. */
const pairs = (bad: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => [`${i},`, bad]).flat();
/** Resolves with the task that is folded by a function that does not end. */
async function untilFolding(): Promise<number> {
  let seen = -1;
  for (;;) {
    driver.sample();
    const { task } = await driver.next('slotProgressed');
    if (task?.foldingMillis === undefined) await new Promise<void>((resolve) => setImmediate(resolve));
    else if (task.position === seen && task.foldingMillis > 0) return seen;
    else seen = task.position;
  }
}
async function fold(
  values: readonly unknown[],
  own = 'join',
  params: object = {},
  isWatched = false,
): Promise<void> {
  const data = encodeHiveJs(values);
  const order = { ranges: [7, 1], end: 1, sizes: data.length, data, isFold: true, isWatched };
  await driver.start(specOf(own, params), [], order);
}

describe('a slot whose tasks are folded by a function', () => {
  test('reports one value for the tasks of a lease, a range of it at a time', async () => {
    await open();
    const inputs = Array.from({ length: 300 }, (_, i) => `${i},`);
    await driver.start(specOf(), inputs, { ranges: [0, 3, 10, 297] });
    const all = await told();
    expectWhole(inputs, all);
    expect(all.failures).toEqual([]);
    expect(all.folds.some(([position, count]) => position < 3 && position + count > 3)).toBe(false);
    expect(all.folds.length).toBeLessThan(inputs.length);
  });

  test('names each task at which the reducer threw, and loses nothing of the others', async () => {
    await open();
    const inputs = [...pairs('throws', 100), 'fails', 'z'];
    await driver.start(specOf(), inputs);
    const all = await told();
    expectWhole(inputs, all);
    const [first, ...more] = all.failures;
    expect(inputs[first!.position]).toBe('throws');
    expect(first).toMatchObject({ code: 'RangeError', outcome: 'failed', retryable: false });
    expect(first!.message).toMatch(/^The reducer "join" of a\.task\.ts threw: not this one/);
    expect(decodeHiveJs(Buffer.from(first!.error!, 'base64'))).toBeInstanceOf(RangeError);
    expect(more.at(-1)).toMatchObject({ position: 200, message: 'it went wrong' });
  });

  test('names the task at which the reducer ended the thread; nothing that was folded is lost', async () => {
    await open();
    const inputs = pairs('exits', 100);
    await driver.start(specOf(), inputs);
    const { position, code, message } = await driver.next('slotDied', false);
    expect(inputs[position!]).toBe('exits');
    expect([code, message]).toEqual(['exit', 'The reducer has ended its thread: process.exit(5).']);
    expectWhole(inputs, await told(), position!);
  });

  test('knows that it is the reducer which does not end', async () => {
    await open();
    const inputs = pairs('spins', 100);
    await driver.start(specOf(), inputs);
    const position = await untilFolding();
    expect(inputs[position]).toBe('spins');
    driver.kill('timedOut');
    expect(await driver.next('slotDied', false)).toMatchObject({ position });
    expectWhole(inputs, await told(), position);
  });

  test('reports values that are too large together, and refuses one that is so alone', async () => {
    await open();
    await driver.start(specOf(), ['a', 'big', 'big', 'huge', 'b']);
    const { folds, failures } = await told();
    expect(folds.reduce((tasks, [, count]) => tasks + count, 0)).toBe(4);
    expect(folds.every(([, , value]) => (value as string).length < 1_000_000)).toBe(true);
    expect(folds.map(([, , value]) => value).join('')).toHaveLength(1_400_002);
    expect(failures).toMatchObject([{ position: 3, code: 'tooLarge' }]);
  });

  test('fails its tasks where there is no such reducer', async () => {
    await open();
    await driver.start(specOf('absent'), ['a']);
    const message = 'a.task.ts exports no reducer "absent", only join, joinThenExit, later, nothing, pids.';
    expect((await told()).failures).toMatchObject([{ code: 'badModule', message, retryable: false }]);
  });
});

describe('what a reducer prints', () => {
  /** All that was told of one stream, by the position of its task. */
  const heard = (stream: string): [number, string][] => {
    const pieces = driver.events.filter((event) => event.type === 'slotPrinted' && event.stream === stream);
    const texts = new Map<number, string>();
    for (const { position, data } of pieces as { position: number; data: Uint8Array }[])
      texts.set(position, (texts.get(position) ?? '') + Buffer.from(data).toString());
    return [...texts];
  };

  /** Runs tasks of which every other one talks, and so does what folds it. */
  async function expectHeard(params: object): Promise<void> {
    const inputs = pairs('talks', 100);
    await driver.start(specOf('join', params), inputs, { isWatched: true });
    expectWhole(inputs, await told());
    const texts = heard('stdout');
    expect(texts.map(([position]) => inputs[position])).toEqual(new Array(100).fill('talks'));
    // A run ends every now and then: its first value is not folded there.
    for (const [, text] of texts) expect(text).toMatch(/^a task talks\n(?:joining [^\n]+ and talks\n)?$/);
    const folded = texts.filter(([, text]) => text.includes('joining')).map(([position]) => position);
    expect(folded.length).toBeGreaterThan(0);
    expect(heard('stderr')).toEqual(folded.map((position) => [position, 'carefully\n']));
  }

  test('follows in a slot what the task at hand has printed', async () => {
    await open();
    await expectHeard({});
  });

  test('is heard of a fold, too', async () => {
    await open();
    await fold(['a', 'talks', 'b'], 'join', {}, true);
    expect((await driver.outcome()).values).toEqual(['atalksb']);
    expect(heard('stdout')).toEqual([[0, 'joining a and talks\n']]);
    expect(heard('stderr')).toEqual([[0, 'carefully\n']]);
  });

  inLimits('is heard in a sandbox, of tasks and of a fold', async () => {
    await open();
    await expectHeard({ sandbox: 'limits' });
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 });
    await fold(['a', 'talks'], 'join', { sandbox: 'limits' }, true);
    expect((await driver.outcome()).values).toEqual(['atalks']);
    expect(heard('stdout')).toEqual([[0, 'joining a and talks\n']]);
  });

  test('leaves no file where nobody watches', async () => {
    await open();
    await driver.start(specOf(), ['a', 'talks', 'b']);
    await told();
    expect(driver.events.filter(({ type }) => type === 'slotPrinted')).toEqual([]);
    const folder = slotFolder(driver.outputs.folder, 0);
    expect(readdirSync(folder).filter((name) => /std(out|err)$/.test(name))).toEqual([]);
  });

  test('stands in the message of its death', async () => {
    await open();
    await driver.start(specOf('joinThenExit'), new Array(100).fill('a'));
    expect(await driver.next('slotDied')).toMatchObject({
      message: 'The reducer has ended its thread: process.exit(6).\nIt had printed:\nlast words of a',
    });
  });
});

describe('a lease that folds with a function', () => {
  test('folds the values of neighbours in their order', async () => {
    await open();
    await fold(['ab', 'cd', 'e']);
    expect((await driver.outcome()).values).toEqual(['abcde']);
  });

  test.each<[string, unknown[], RegExp]>([
    ['join', ['a', 'throws'], /^The reducer "join" of a\.task\.ts threw: not this one/],
    ['later', ['a', 'b'], /returned a promise/],
    ['nothing', ['a', 'b'], /returned nothing/],
    ['join', ['x'.repeat(700_000), 'y'.repeat(700_000)], /at most 1048576 are allowed/],
  ])('fails for good where "%s" gives no value', async (own, values, message) => {
    await open();
    await fold(values, own);
    const { failures } = await driver.outcome();
    expect(failures).toMatchObject([{ message: expect.stringMatching(message), retryable: false }]);
  });

  test.each([
    ['exits', 'exit', 'The reducer has ended its thread: process.exit(5).'],
    ['spins', undefined, 'the thread'],
  ])('costs its thread where the reducer %s', async (what, code, message) => {
    await open();
    await fold(['a', what]);
    if (what === 'spins') {
      await driver.untilRunning(0);
      driver.kill('timedOut');
    }
    const died = await driver.next('slotDied', false);
    if (code !== undefined) expect(died).toMatchObject({ position: 0, code, message });
    else expect(died.position).toBe(0);
  });
});

describe('in a sandbox', () => {
  inLimits('what the tasks of a slot give is folded as it goes, in order, a range at a time', async () => {
    await open();
    const inputs = Array.from({ length: 400 }, (_, i) => `${i},`);
    await driver.start(specOf('join', { sandbox: 'limits' }), inputs, { ranges: [0, 150, 200, 250] });
    const all = await told();
    expectWhole(inputs, all);
    expect(all.failures).toEqual([]);
    expect(all.folds.some(([position, count]) => position < 150 && position + count > 150)).toBe(false);
    expect(all.folds.length).toBeLessThan(400);
  });

  inLimits('a task at which the reducer fails is named, and the others are not lost', async () => {
    await open();
    const inputs = [...pairs('throws', 100), 'fails', 'x', 'y', 'huge', 'z'];
    await driver.start(specOf('join', { sandbox: 'limits' }), inputs);
    const all = await told();
    expectWhole(inputs, all);
    const [first] = all.failures;
    expect(inputs[first!.position]).toBe('throws');
    expect(first!.message).toMatch(/^The reducer "join" of a\.task\.ts threw: not this one/);
    expect(all.failures.slice(-2)).toMatchObject([
      { position: 200, message: 'it went wrong' },
      { position: 203, code: 'tooLarge' },
    ]);
  });

  inLimits('a reducer that ends the process costs the task at hand', async () => {
    await open();
    const inputs = pairs('exits', 8);
    await driver.start(specOf('join', { sandbox: 'limits' }), inputs);
    const all = await told();
    expectWhole(inputs, all);
    for (const { position, outcome, message } of all.failures) {
      expect([inputs[position], outcome]).toEqual(['exits', 'crashed']);
      expect(message).toMatch(/^The reducer has ended its process: exit code 5\./);
    }
  });

  inLimits('neither tasks nor folds call a reducer in the process of the Drone', async () => {
    await open();
    await driver.start(specOf('pids', { sandbox: 'limits' }), [1, 2, 3]);
    const { folds, failures } = await told();
    expect(failures).toEqual([]);
    expect(folds.flatMap(([, , value]) => value)).not.toContain(process.pid);
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 });
    await fold([1, 2, 3], 'pids', { sandbox: 'limits' });
    const { values } = await driver.outcome();
    expect(values).toHaveLength(1);
    expect(values[0]).not.toContain(process.pid);
    expect((values[0] as number[]).slice(2)).toHaveLength(2);
  });

  inLimits('that the operator demands, a reducer is called in, too', async () => {
    const demanded = { ...POLICY, minimum: 'limits' } as const;
    await open(openSandbox(demanded, { drone, environment: process.env }));
    await fold([1, 2, 3], 'pids');
    const { values, failures } = await driver.outcome();
    expect(failures).toEqual([]);
    expect(values[0]).toHaveLength(4);
    expect(values[0]).not.toContain(process.pid);
  });

  inLimits.each<[string, RegExp]>([
    ['throws', /^The reducer "join" of a\.task\.ts threw: not this one/],
    ['exits', /^The reducer has ended its process: exit code 5\./],
    ['memory', /^The reducer needed more than the memory of its process\./],
  ])('a reducer that %s costs its fold, and the slot goes on', async (what, message) => {
    await open();
    const params = { sandbox: 'limits', memoryMiB: 64 };
    await fold(['a', what], 'join', params);
    expect((await driver.outcome()).failures).toMatchObject([{ message: expect.stringMatching(message) }]);
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 });
    await fold(['a', 'b'], 'join', params);
    expect((await driver.outcome()).values).toEqual(['ab']);
  });

  inLimits('a reducer that blocks is ended with its process, and the thread stays', async () => {
    await open();
    await fold(['a', 'spins'], 'join', { sandbox: 'limits' });
    expect(await untilFolding()).toBe(0);
    driver.kill('timedOut');
    expect((await driver.outcome()).failures).toMatchObject([{ outcome: 'timedOut' }]);
    expect(driver.events.some(({ type }) => type === 'slotDied')).toBe(false);
  });
});
