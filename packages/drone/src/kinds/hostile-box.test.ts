/**
 * Code in a sandbox may write to the pipe of its answers whatever it likes, and may do as it pleases in its folder. It must
 * reach nothing outside, and cost nobody but its own task.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { serialize } from 'node:v8';
import { decodeHiveJs } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { outputFile } from '../agent/events.ts';
import { type BoxAnswer, BoxReader, boxFrame } from '../functions/box-wire.ts';
import { openSandbox } from '../sandbox/setup.ts';
import { SlotDriver, type SlotOutcome } from '../testing/slot-driver.ts';

const POLICY = { minimum: 'none', images: [], network: false, limits: {}, readable: [], hidden: [] } as const;
const sandbox = openSandbox(POLICY, {
  drone: `test${randomBytes(6).toString('hex')}`,
  environment: process.env,
});
const inBox = sandbox.machine.bwrap.isThere ? describe : describe.skip;

let folder: string;
let driver: SlotDriver;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-hostile-'));
  driver = new SlotDriver(undefined, sandbox);
});
afterEach(async () => {
  await driver.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A job of which each task runs these lines with its input, `what`. */
async function jobOf(lines: string): Promise<object> {
  const code = `
    import { serialize } from 'node:v8';
    import fs from 'node:fs';
    import { Worker } from 'node:worker_threads';
    const out = (bytes) => { for (let done = 0; done < bytes.length; ) done += fs.writeSync(1, bytes, done); };
    const frame = (body) => { const length = Buffer.alloc(4); length.writeUInt32BE(body.length); return Buffer.concat([length, body]); };
    const say = (answer) => out(frame(serialize(answer)));
    export default { [Symbol.for('hive.task')]: { settings: {}, run: async (what, context) => { ${lines} } } };`;
  const hash = createHash('sha256').update(code).digest('hex');
  const incoming = await driver.blobCache.create();
  writeFileSync(incoming.path, code);
  await driver.blobCache.adopt(incoming, hash, []);
  const params = { module: hash, file: 'a.task.ts', sandbox: 'bwrap' };
  return { kind: 'function', encoding: 'hive-js', params };
}
async function run(spec: object, inputs: readonly unknown[], more: object = {}): Promise<SlotOutcome> {
  await driver.start(spec as never, inputs, more);
  return driver.outcome();
}
const BROKEN = [{ position: 0, outcome: 'crashed', code: 'badOutput' }];

inBox('a sandboxed function', () => {
  test.each([true, false])('names no file of its own to print to (watched: %s)', async (isWatched) => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'precious');
    const name = `/../../../../../../../..${victim}`;
    const spec =
      await jobOf(`say({ type: 'printed', name: ${JSON.stringify(name)}, bytes: Buffer.from('x') });
      say({ type: 'printed', name: ${JSON.stringify(`${name}2`)}, bytes: Buffer.from('x') });`);
    expect((await run(spec, ['x'], { isWatched })).failures).toMatchObject(BROKEN);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(existsSync(`${victim}2`)).toBe(false);
  });

  test('has no input written through a link that it has put there', async () => {
    const target = join(folder, 'target');
    writeFileSync(target, 'original');
    const spec = await jobOf(`if (what !== 'prepare') return;
      const link = ${JSON.stringify(`const fs = require('fs'); for (;;) try { fs.symlinkSync(${JSON.stringify(target)}, 'input'); } catch {}`)};
      const linking = new Worker(link, { eval: true });
      await new Promise((resolve) => linking.once('online', resolve));
      while (!fs.lstatSync('input', { throwIfNoEntry: false })) await new Promise(setImmediate);`);
    await driver.start(spec as never, ['prepare', null], { streams: [{ index: 1, bytes: 4 }] } as never);
    const { offset } = await driver.next('slotPulled');
    const chunk = { position: 1, offset, data: new Uint8Array(4), last: true, error: null };
    driver.slot.obey({ type: 'deliverChunk', slot: 0 as never, run: driver.run, ...chunk });
    await driver.outcome();
    expect(readFileSync(target, 'utf8')).toBe('original');
  });

  test('costs the jobs after it nothing by what it says when nobody has asked', async () => {
    const spec =
      await jobOf(`setTimeout(() => out(Buffer.concat([frame(Buffer.from('garbage')), Buffer.alloc(8)])), 20);
      setInterval(() => out(Buffer.alloc(65_536)), 1);`);
    expect((await run(spec, ['x'])).failures).toEqual([]);
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 as never });
    await driver.start({ kind: 'sleep', encoding: 'msgpack' } as never, [500]);
    await driver.ended();
    expect(driver.events.filter(({ type }) => type === 'slotDied')).toEqual([]);
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 as never });
    expect((await run(spec, ['y'])).failures).toEqual([]);
  });
});

inBox('a sandboxed function that nobody has asked', () => {
  test('does not make the task of another job look as if it folded', async () => {
    const spec = await jobOf(`setTimeout(() => say({ type: 'folding' }), 20);`);
    expect((await run(spec, ['x'])).failures).toEqual([]);
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 as never });
    await driver.start({ kind: 'sleep', encoding: 'msgpack' } as never, [500]);
    const looking = setInterval(() => driver.sample(), 10);
    await driver.ended();
    clearInterval(looking);
    const looks = driver.events.flatMap((event) => (event.type === 'slotProgressed' ? [event.task] : []));
    expect(looks.filter((task) => task !== null).length).toBeGreaterThan(0);
    expect(looks.filter((task) => task?.foldingMillis !== undefined)).toEqual([]);
  });
});

inBox('a slot whose sandboxed function is not there yet', () => {
  test('can be closed while its code is still to come', async () => {
    const params = { module: 'ab'.repeat(32), file: 'a.task.ts', sandbox: 'bwrap' };
    await driver.start({ kind: 'function', encoding: 'hive-js', params } as never, ['x']);
    const runs = () => driver.events.some((event) => event.type === 'slotProgressed' && event.task !== null);
    while (!runs()) {
      driver.sample();
      await nextTurn();
    }
    await expect(driver.slot.close()).resolves.toBeUndefined();
  });
});

inBox('what a sandboxed function says', () => {
  test.each<[string, string]>([
    ['is no outcome of a call', `say({ type: 'loaded', tasks: [], reducers: [] });`],
    ['is folded, and nothing folds', `say({ type: 'misfolded', problem: 'nothing' });`],
    [
      'is no value that can be sent on',
      'let deep = []; for (let i = 0; i < 600; i++) deep = [deep]; context.emit(deep);',
    ],
  ])('that %s costs its own task, and not the thread', async (_, lines) => {
    const spec = await jobOf(`if (what === 'next') return what; ${lines} await new Promise(() => {});`);
    const { values, failures } = await run(spec, ['x', 'next']);
    expect(failures).toMatchObject([{ position: 0, code: expect.stringMatching(/^bad/) }]);
    expect(values[1]).toBe('next');
    expect(driver.events.filter(({ type }) => type === 'slotDied')).toEqual([]);
  });

  test('goes to a file in pieces where it is large', async () => {
    const spec = await jobOf(`const text = 'ö'.repeat(2_000_000);
      return what === 'bytes' ? new Uint8Array(20_000_000).fill(7)
        : [new Map([[text, 2n]]), Array.from({ length: 2_000_000 }, (_, i) => i / 3)];`);
    const { streams, failures } = await run(spec, ['bytes', 'map']);
    expect(failures).toEqual([]);
    const [bytes, map] = streams.map(({ position }) => {
      const all = readFileSync(join(driver.outputs.folder, outputFile(0, driver.run, position)));
      return decodeHiveJs(all) as unknown[];
    });
    expect(Buffer.alloc(20_000_000, 7).equals(bytes as never)).toBe(true);
    expect(map![0]).toEqual(new Map([['ö'.repeat(2_000_000), 2n]]));
    expect((map![1] as number[])[1_999_999]).toBe(1_999_999 / 3);
    expect(streams.map(({ encoded }) => encoded)).toEqual([true, true]);
  });

  test('is refused with a sentence when it is too much to be held at once', async () => {
    const spec = await jobOf(`if (what === 'emit') context.emit(new Uint8Array(20_000_000));
      if (what === 'finish') context.finish(new Uint8Array(20_000_000));
      throw Object.assign(new Error('x'.repeat(20_000_000)), { code: 'E_LARGE', also: new Uint8Array(20_000_000) });`);
    expect((await run(spec, ['emit', 'finish', 'throw'])).failures).toMatchObject([
      { code: 'RangeError', message: expect.stringContaining('context.write') },
      { code: 'tooLarge', message: 'What ends a job early has at most 1 MiB.' },
      { code: 'E_LARGE', message: expect.stringMatching(/xxx/) },
    ]);
  });
});

describe('frames of a sandboxed process', () => {
  test('that are longer than is held at once are told by their length', () => {
    const answers: BoxAnswer[] = [];
    const reader = new BoxReader((answer) => answers.push(answer));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(17 * 1024 * 1024);
    reader.push(length);
    expect(answers).toMatchObject([{ type: 'broken' }]);
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['text', 'result'],
    ['an unknown type', { type: 'constructor' }],
    ['bytes that only look so', { type: 'printed', name: 'stdout', bytes: { length: 4e9 } }],
    ['an unknown output', { type: 'printed', name: 'events', bytes: new Uint8Array(1) }],
    ['a result without its fields', { type: 'result', value: 1 }],
    ['a question without arguments', { type: 'ask', ask: 1, method: 'map', args: { length: 1 } }],
    ['an unknown method', { type: 'ask', ask: 1, method: 'constructor', args: [] }],
  ])('that are %s end the reading, whatever follows', (_, body) => {
    const answers: BoxAnswer[] = [];
    const reader = new BoxReader((answer) => answers.push(answer));
    const bytes = serialize(body);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    reader.push(Buffer.concat([length, bytes, boxFrame({ type: 'folding' }), Buffer.alloc(9)]));
    reader.push(boxFrame({ type: 'folding' }));
    expect(answers).toMatchObject([{ type: 'broken' }]);
  });

  test('may come in any pieces', () => {
    const answers: BoxAnswer[] = [];
    const reader = new BoxReader((answer) => answers.push(answer));
    const all = Buffer.concat([
      boxFrame({ type: 'await', ask: 3 }),
      boxFrame({ type: 'write', bytes: new Uint8Array(9) }),
    ]);
    for (const byte of all) reader.push(Buffer.of(byte));
    expect(answers).toMatchObject([{ type: 'await', ask: 3 }, { type: 'write' }]);
  });
});
