import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Spec } from '@hive/shared';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { SlotDriver } from '../testing/slot-driver.ts';
import { defaultMemory, isTooMuch } from './memory.ts';
import { buffersFor, heapFor, type ThreadOptions } from './start-thread.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

describe('what a slot has by default', () => {
  test('is its share of the machine, and never more heap than fails soon, or than V8 would take', () => {
    expect(defaultMemory(2, 24 * GIB, 4 * GIB)).toEqual({ heapMiB: 2_048, buffersMiB: 3_072 });
    expect(defaultMemory(1, 6 * GIB, 1.5 * GIB)).toEqual({ heapMiB: 1_536, buffersMiB: 1_536 });
    expect(defaultMemory(8, 16 * GIB, 4 * GIB)).toEqual({ heapMiB: 1_024, buffersMiB: 512 });
    expect(defaultMemory(1, 256 * GIB, 4 * GIB)).toEqual({ heapMiB: 2_048, buffersMiB: 65_536 });
  });

  test('is enough to work with, however small the machine', () => {
    expect(defaultMemory(64, 2 * GIB, GIB / 4)).toEqual({ heapMiB: 512, buffersMiB: 512 });
    const here = defaultMemory(1);
    expect(here.heapMiB).toBeGreaterThanOrEqual(512);
    expect(here.buffersMiB).toBeGreaterThanOrEqual(512);
  });

  test('gives way to what the job and the operator say', () => {
    const memory = { heapMiB: 1_000, buffersMiB: 700 };
    const limits = (params: object, options: Pick<ThreadOptions, 'heapMiB'>, kind = 'function') => {
      const order = { spec: { kind, encoding: 'hive-js', params } as Spec };
      const all = { kindModules: {}, outputs: {} as never, memory, ...options };
      return [heapFor(order, all), buffersFor(order, all)];
    };
    expect(limits({}, {})).toEqual([1_000, 700]);
    expect(limits({ memoryMiB: 64 }, {})).toEqual([64, 64]);
    expect(limits({ memoryMiB: 8_000 }, {})).toEqual([8_000, 8_000]);
    expect(limits({ memoryMiB: 8_000 }, { heapMiB: 256 })).toEqual([256, 256]);
    expect(limits({}, { heapMiB: 256 })).toEqual([256, 256]);
    // What a command or a hash holds in buffers is ours.
    expect(limits({}, {}, 'hash')).toEqual([1_000, undefined]);
  });

  test('leaves room for what is not collected yet', () => {
    expect([192, 193].map((mib) => isTooMuch(mib * MIB, 64))).toEqual([false, true]);
    expect([2_048, 2_049].map((mib) => isTooMuch(mib * MIB, 1_024))).toEqual([false, true]);
    // Seen of threads that held no more than 60 of 64, and 500 of 512, and took pieces of 30 and 100 in a loop.
    expect([isTooMuch(153 * MIB, 64), isTooMuch(803 * MIB, 512)]).toEqual([false, false]);
  });
});

describe('a function', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hive-memory-'));
  let driver: SlotDriver;
  beforeAll(() => {
    mkdirSync(join(folder, 'node_modules', '@hive'), { recursive: true });
    const client = fileURLToPath(new URL('../../../client', import.meta.url));
    symlinkSync(client, join(folder, 'node_modules', '@hive', 'client'));
    // The bounded are what the unbounded would be, without taking this machine down if they are not ended.
    writeFileSync(
      join(folder, 'buffers.task.ts'),
      `import { existsSync } from 'node:fs';
import { task } from '@hive/client';
const MIB = 2 ** 20;
export default task((what: string): unknown => {
  console.log('about to', what);
  const all: Buffer[] = [];
  if (what === 'hold') { for (let i = 0; i < 256; i++) all.push(Buffer.alloc(MIB)); for (;;) all.at(-1)!.fill(1); }
  if (what.startsWith('/')) while (!existsSync(what));
  let sum = 0;
  if (what === 'use large') {
    all.push(Buffer.alloc(30 * MIB, 1));
    for (let i = 0; i < 50; i++) sum += Buffer.alloc(30 * MIB, 1)[i]!;
    return sum;
  }
  for (let i = 0; i < 500; i++) sum += Buffer.alloc(MIB, 1)[i]!;
  return sum;
});`,
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => driver.close());

  async function start(inputs: readonly string[], params: object): Promise<void> {
    driver = new SlotDriver(undefined, undefined, folder);
    const spec = { kind: 'function', encoding: 'hive-js', params: { name: 'buffers', ...params } } as const;
    await driver.start(spec as unknown as Spec, inputs);
  }
  /** Looks at it again and again, as a Drone does. */
  async function lookUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      driver.sample();
      await turn();
    }
  }
  const isThere = (type: string) => driver.events.some((event) => event.type === type);

  test('that holds too much in buffers is ended, and its thread is there again', async () => {
    await start(['use', 'hold'], { memoryMiB: 64 });
    await lookUntil(() => isThere('slotDied'));
    expect(await driver.next('slotDied', false)).toMatchObject({
      position: 1,
      code: 'outOfMemory',
      message: 'The task had more than 64 MiB in buffers.\nIt had printed:\nabout to hold',
    });
    expect((await driver.outcome()).values).toEqual([500]);
  });

  test('that uses much, but holds little, is left alone', async () => {
    await start(['use', 'use large', 'use'], { memoryMiB: 64 });
    await lookUntil(() => driver.events.some((event) => event.type === 'slotReported' && event.ended));
    expect((await driver.outcome()).values).toEqual([500, 50, 500]);
    expect(isThere('slotDied')).toBe(false);
  });

  test('that begins while it is found that the one before held too much is not ended for that', async () => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    const { getHeapStatistics } = Worker.prototype;
    let looks = 0;
    let answer = () => {};
    Worker.prototype.getHeapStatistics = async () => {
      if (++looks === 2) await new Promise<void>((resolve) => (answer = resolve));
      return { external_memory: GIB } as never;
    };
    try {
      await start([first, second], { memoryMiB: 64 });
      await lookUntil(() => looks === 2);
      writeFileSync(first, '');
      await driver.untilRunning(1);
      answer();
      await turn();
      writeFileSync(second, '');
      await driver.ended();
      expect((await driver.outcome()).values).toEqual([500, 500]);
      expect(isThere('slotDied')).toBe(false);
    } finally {
      Worker.prototype.getHeapStatistics = getHeapStatistics;
    }
  });
});
