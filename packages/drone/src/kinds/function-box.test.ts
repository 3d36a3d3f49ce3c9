/** Functions in processes of their own, in real sandboxes: as in a thread, and what ends one costs one task. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeHiveJs } from '@hive/shared';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { removeCgroups } from '../sandbox/cgroups.ts';
import { type OpenSandbox, openSandbox } from '../sandbox/setup.ts';
import { type DockerEngineOfTest, IMAGE, NODE_IMAGE, tryEngine } from '../testing/docker-engine.ts';
import { until } from '../testing/sandboxed.ts';
import { SlotDriver, type SlotOutcome } from '../testing/slot-driver.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const drone = `test${randomBytes(6).toString('hex')}`;
const engine: DockerEngineOfTest | string = await tryEngine();
if (typeof engine !== 'string') await engine.makeNodeImage();
const images = typeof engine === 'string' ? [] : [NODE_IMAGE, IMAGE];
const environment = typeof engine === 'string' ? process.env : { ...process.env, ...engine.env };
const POLICY = { minimum: 'none', images, network: false, limits: {}, readable: [], hidden: [] } as const;
const sandbox: OpenSandbox = openSandbox(POLICY, { drone, environment });
const { machine } = sandbox;

/** As a client bundles it. */
const CODE = `
const mark = Symbol.for('hive.task');
const task = (run) => ({ [mark]: { run, settings: {} } });
class QuotaError extends RangeError {
  name = 'QuotaError';
  code = 'E_QUOTA';
}
export default task(async (what, context) => {
  console.log('about to', what);
  if (what === 'pid') return process.pid;
  if (what === 'exit') process.exit(3);
  if (what === 'abort') process.abort();
  if (what === 'outside') { setImmediate(() => { throw new Error('nobody caught this'); }); return new Promise(() => {}); }
  if (what === 'memory') { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)); }
  if (what === 'spin') for (;;);
  if (what === 'quota') throw new QuotaError('no room', { cause: new Error('deep') });
  if (what === 'write') { context.write('ab'); context.write('cd'); return; }
  if (what === 'node') return { node: process.execPath, isShown: (await import('node:fs')).existsSync(context.params.folder) };
  if (what === 'prints') { (await import('node:fs')).writeSync(1, 'hello'); return what; }
  if (what === 'late') { setTimeout(() => process.exit(7), 10); return process.pid; }
  if (what === 'leave') {
    const { spawn } = await import('node:child_process');
    const left = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'inherit' });
    left.unref();
    return left.pid;
  }
  if (what === 'files') return (await import('node:fs')).readFileSync('/proc/self/environ', 'utf8');
  if (what?.bytes) { let sum = 0; for await (const chunk of what) for (const byte of chunk) sum += byte; return sum; }
  if (what === 'finish') context.finish('the end');
  return { what, index: context.index, by: context.params.by, when: new Date(0) };
});
`;
const hash = createHash('sha256').update(CODE).digest('hex');

let driver: SlotDriver;
beforeEach(async () => {
  driver = new SlotDriver(undefined, sandbox);
  const incoming = await driver.blobCache.create();
  writeFileSync(incoming.path, CODE);
  await driver.blobCache.adopt(incoming, hash, []);
});
afterEach(() => driver.close());
afterAll(async () => {
  if (machine.cgroups !== null) removeCgroups(machine.cgroups);
  if (typeof engine !== 'string') await engine.close();
}, 180_000);

const specOf = (level: string | object, more: object = {}) => ({
  kind: 'function',
  encoding: 'hive-js' as const,
  params: { module: hash, file: 'a.task.ts', sandbox: level, params: { by: 7 }, ...more } as never,
});
async function run(
  level: string | object,
  inputs: readonly unknown[],
  more: object = {},
): Promise<SlotOutcome> {
  await driver.start(specOf(level, more), inputs);
  return driver.outcome();
}

function signalIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Its cgroup has ended it.
  }
}

const inDocker = machine.docker.isThere ? test : test.skip;
inDocker('a container ends with its slot', async () => {
  const docker = (...args: string[]) => (engine as DockerEngineOfTest).docker(...args);
  await run('docker', ['a']);
  expect(await docker('ps', '--quiet')).not.toBe('');
  await driver.close();
  await until('it is gone', async () => (await docker('ps', '--all', '--quiet')) === '');
});

const levels = (['limits', 'bwrap', 'docker'] as const).map((level) => {
  const found = machine[level];
  if (!found.isThere) console.warn(`Functions in "${level}" are skipped: ${found.why}`);
  return [level, found.isThere ? test : test.skip] as const;
});

describe.each(levels)('a function in %s', (level, check) => {
  check('takes and gives what one in a thread does, in one process of its own', async () => {
    const { values, failures } = await run(level, ['a', 'pid', 'pid', new Map([[1, 2n]])]);
    expect(failures).toEqual([]);
    expect(values[0]).toEqual({ what: 'a', index: 0, by: 7, when: new Date(0) });
    expect(values[1]).toBe(values[2]);
    expect(values[1]).not.toBe(process.pid);
    expect(values[3]).toMatchObject({ what: new Map([[1, 2n]]) });
  });

  check('that ends its process costs its own task, and says how', async () => {
    const { values, failures } = await run(level, ['a', 'exit', 'b', 'abort', 'outside', 'c']);
    expect(failures).toMatchObject([
      { position: 1, outcome: 'crashed', code: 'exit' },
      // Inside of bwrap and docker, a signal shows as an exit code.
      { position: 3, outcome: 'crashed', code: level === 'limits' ? 'signal' : 'exit' },
      { position: 4, outcome: 'crashed', code: 'uncaught' },
    ]);
    expect(failures[0]!.message).toContain('exit code 3.\nIt had printed:\nabout to exit');
    expect(failures[2]!.message).toContain('Error: nobody caught this');
    expect(values.filter((value) => value !== undefined)).toMatchObject([
      { what: 'a' },
      { what: 'b' },
      { what: 'c' },
    ]);
  });

  check('that ends while what it has started holds its outputs open is not waited for', async () => {
    const { values, failures } = await run(level, ['leave', 'exit', 'c']);
    if (level === 'limits') signalIfThere(values[0] as number);
    expect(failures).toMatchObject([{ position: 1, outcome: 'crashed', code: 'exit' }]);
    expect(values[2]).toMatchObject({ what: 'c' });
  });

  check('that writes over its answers costs its own task', async () => {
    const { values, failures } = await run(level, ['prints', 'next']);
    expect(failures).toMatchObject([{ position: 0, outcome: 'crashed', code: 'badOutput' }]);
    expect(values[1]).toMatchObject({ what: 'next' });
  });

  check('that takes too much memory is told so', async () => {
    const { failures } = await run(level, ['memory'], { memoryMiB: 64 });
    expect(failures).toMatchObject([{ outcome: 'crashed', code: 'outOfMemory' }]);
  });

  check('that never ends is ended, and the thread goes on', async () => {
    await driver.start(specOf(level), ['spin', 'next'], { isWatched: true });
    const hasPrinted = () => driver.events.some(({ type }) => type === 'slotPrinted');
    while (!hasPrinted()) {
      driver.sample();
      await driver.next('slotProgressed');
      await sleep(LOOK_MILLIS);
    }
    driver.kill('timedOut');
    const { values, failures } = await driver.outcome();
    expect(failures).toMatchObject([{ position: 0, outcome: 'timedOut', message: 'It was timedOut.' }]);
    expect(values[1]).toMatchObject({ what: 'next' });
  });

  check('throws its errors as they are, writes its output, and finishes its job', async () => {
    const { values, failures, streams } = await run(level, ['quota', 'write', 'finish']);
    expect(failures).toMatchObject([{ position: 0, outcome: 'failed', code: 'E_QUOTA', message: 'no room' }]);
    const error = decodeHiveJs(Buffer.from(failures[0]!.error!, 'base64')) as Error;
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ name: 'QuotaError', cause: { message: 'deep' } });
    expect(streams).toMatchObject([{ position: 1, bytes: 4 }]);
    expect(values[2]).toBe('the end');
  });

  check('leaves its process when another job has the slot', async () => {
    const [first] = (await run(level, ['pid'])).values as number[];
    driver.events.splice(0);
    driver.events.push({ type: 'slotReady', slot: 0 });
    expect((await run(level, ['again'], { params: { by: 8 } })).values).toMatchObject([{ by: 8 }]);
    // In a namespace of its own the number means another process here.
    if (level === 'limits') expect(() => process.kill(first!, 0)).toThrow('ESRCH');
  });

  check('whose module cannot be loaded says so for every task', async () => {
    const code = "throw new Error('no such table');";
    const module = createHash('sha256').update(code).digest('hex');
    const incoming = await driver.blobCache.create();
    writeFileSync(incoming.path, code);
    await driver.blobCache.adopt(incoming, module, []);
    const { failures } = await run(level, ['a', 'b'], { module });
    const message = 'a.task.ts could not be loaded: no such table';
    expect(failures).toMatchObject([
      { position: 0, code: 'badModule', message },
      { position: 1, code: 'badModule', message },
    ]);
  });

  (level === 'limits' ? check : test.skip)('whose process has gone while its input came fails', async () => {
    await driver.start(specOf(level), ['late', null], { streams: [{ index: 1, bytes: 3 }] });
    const { offset } = await driver.next('slotPulled');
    driver.sample();
    const report = driver.events.find((event) => event.type === 'slotReported');
    const pid = decodeHiveJs((report as { data: Uint8Array }).data) as number;
    await until('its process has ended', async () => !existsSync(`/proc/${pid}`));
    const chunk = { position: 1, offset, data: new Uint8Array(3), last: true, error: null };
    driver.slot.obey({ type: 'deliverChunk', slot: 0 as never, run: driver.run, ...chunk });
    const { failures } = await driver.outcome();
    expect(failures).toMatchObject([{ position: 1, outcome: 'crashed', code: 'exit' }]);
  });

  check('reads a stream', async () => {
    await driver.start(specOf(level), [null], { streams: [{ index: 0, bytes: 3 }] });
    const pulled = await driver.next('slotPulled');
    const data = Uint8Array.of(1, 2, 3);
    const chunk = { position: 0, offset: pulled.offset, data, last: true, error: null };
    driver.slot.obey({ type: 'deliverChunk', slot: 0, run: driver.run, ...chunk });
    expect((await driver.outcome()).values).toEqual([6]);
  });
});

inDocker('in docker, Node is that of the image, and nothing of the Drone is shown', async () => {
  const { values } = await run('docker', ['node'], { params: { folder: dirname(process.execPath) } });
  expect(values).toEqual([{ node: '/bin/node', isShown: false }]);
});
inDocker('an image without Node is named, with what it needs', async () => {
  const { failures } = await run({ level: 'docker', image: IMAGE }, ['a']);
  expect(failures).toMatchObject([
    {
      outcome: 'failed',
      code: 'noSandbox',
      message: expect.stringContaining(`"${IMAGE}" has no program "node"`),
    },
  ]);
});

const inBox = machine.bwrap.isThere ? test : test.skip;
inBox('a Drone that demands a sandbox runs functions in one, whatever they ask for', async () => {
  await driver.close();
  driver = new SlotDriver(undefined, { ...sandbox, policy: { ...POLICY, minimum: 'bwrap' } });
  const incoming = await driver.blobCache.create();
  writeFileSync(incoming.path, CODE);
  await driver.blobCache.adopt(incoming, hash, []);
  process.env['HIVE_TEST_SECRET'] = 'secret';
  const { values } = await run('none', ['files']);
  delete process.env['HIVE_TEST_SECRET'];
  expect(readFileSync('/proc/self/environ', 'utf8')).toContain('PATH=');
  expect(values[0]).toContain('PATH=');
  expect(values[0]).not.toContain('HIVE_TEST_SECRET');
});

test('what this Drone cannot do fails the task on it, with what to do', async () => {
  await driver.close();
  driver = new SlotDriver();
  const { failures } = await run('bwrap', ['a']);
  expect(failures[0]).toMatchObject({
    code: 'noSandbox',
    message: expect.stringContaining('hive drone --sandbox'),
  });
});
