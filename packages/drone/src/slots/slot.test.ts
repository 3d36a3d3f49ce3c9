import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@hive/shared';
import { afterEach, describe, expect, test } from '@jest/globals';
import { outputFile } from '../agent/events.ts';
import { SlotDriver } from '../testing/slot-driver.ts';

let driver: SlotDriver;
afterEach(() => driver.close());
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a slot', () => {
  test('echoes values of every size, in order', async () => {
    driver = new SlotDriver();
    const inputs = [0, 'x', 'y'.repeat(300), [1, { a: true }], new Uint8Array(70_000), -5, 2 ** 40, ''];
    await driver.start({}, inputs);
    const { values, failures } = await driver.outcome();
    expect(failures).toEqual([]);
    expect(values).toEqual(inputs.map((v) => (v instanceof Uint8Array ? expect.anything() : v)));
  });

  test('says one size when all values are equally long', async () => {
    driver = new SlotDriver();
    await driver.start({}, [1, 2, 3]);
    expect((await driver.outcome()).pages).toMatchObject([{ sizes: 1, count: 3 }]);
  });

  test('computes the inputs of a range job, over several ranges', async () => {
    driver = new SlotDriver();
    const range = { start: -100, step: 70_000, count: 2 ** 40 };
    await driver.start({ range }, [], { ranges: [0, 3, 100_000, 2], end: 5, sizes: 0 });
    const { values } = await driver.outcome();
    expect(values).toEqual([-100, 69_900, 139_900, 6_999_999_900, 7_000_069_900]);
  });

  test('runs one lease after the other, and jobs of several kinds', async () => {
    driver = new SlotDriver();
    for (let i = 0; i < 20; i++) {
      await driver.start(i % 2 === 0 ? { kind: 'hash' } : {}, [`text ${i}`]);
      const { values } = await driver.outcome();
      expect(values).toEqual([i % 2 === 0 ? sha256(`text ${i}`) : `text ${i}`]);
      driver.events.splice(1);
    }
  });

  test('moves far more results than its ring holds, of all sizes', async () => {
    driver = new SlotDriver();
    const sizes = numbers(60).map((i) => 5 + ((i * 37_123) % (LIMITS.valueBytesMax - 10)));
    await driver.start(
      { kind: 'unruly', encoding: 'msgpack' },
      sizes.map((size) => `big ${size}`),
    );
    const pages = (await driver.outcome()).pages;
    const found = pages.flatMap(({ count, sizes: s }) =>
      numbers(count).map((i) =>
        typeof s === 'number' ? s : new DataView(s.slice().buffer).getUint32(i * 4),
      ),
    );
    expect(found).toEqual(sizes);
  });

  test('fails one task and goes on with the next', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'unruly' }, [
      'ok',
      'error',
      'ok',
      `reserve ${LIMITS.valueBytesMax + 1}`,
      'ok',
    ]);
    const { values, failures } = await driver.outcome();
    expect(values).toEqual(['ok', undefined, 'ok', undefined, 'ok']);
    expect(failures).toMatchObject([
      { position: 1, outcome: 'failed', message: 'it went wrong' },
      { position: 3, outcome: 'failed', code: 'tooLarge', retryable: false },
    ]);
  });

  test('puts outputs over 1 MiB into files, and leaves none of a task that fails', async () => {
    driver = new SlotDriver();
    const size = LIMITS.valueBytesMax + 1;
    await driver.start({ kind: 'unruly' }, [`big ${size}`, 'ok', 'pour 3000000', 'pour nothing']);
    const { values, failures, streams } = await driver.outcome();
    expect(streams).toEqual([
      { position: 0, bytes: size, encoded: true },
      { position: 2, bytes: 3_000_000, encoded: false },
    ]);
    expect(values).toEqual([undefined, 'ok', undefined, undefined]);
    expect(failures).toMatchObject([{ position: 3, message: 'the jug broke' }]);
    const files = streams.map(({ position }) => outputFile(0, driver.run, position));
    expect(readdirSync(driver.outputs.folder).sort()).toEqual(files.sort());
    expect(statSync(join(driver.outputs.folder, files[1]!)).size).toBe(3_000_000);
  });

  test('gives back what it had not started, and nothing of it runs', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'sleep' }, [0, 0, 600_000, 1, 1]);
    await driver.untilRunning(2);
    driver.slot.obey({ type: 'retractLease', slot: 0, run: driver.run, end: 0 });
    const retracted = await driver.next('slotRetracted');
    expect(retracted).toMatchObject({ end: 3, task: { position: 2 } });
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: null, reason: 'enough' });
    const { values, failures } = await driver.outcome();
    expect(values).toHaveLength(3);
    expect(failures).toEqual([
      expect.objectContaining({ position: 2, outcome: 'cancelled', message: 'enough' }),
    ]);
  });

  test('neither loses nor repeats a task, however its end is lowered while it races', async () => {
    driver = new SlotDriver();
    for (let round = 0; round < 60; round++) {
      const count = 20_000;
      await driver.start({ range: { start: 0, step: 1, count } }, [], {
        ranges: [0, count],
        end: count,
        sizes: 0,
      });
      let end = count;
      for (let asked = count - 1_000; asked > 0 && driver.slot.isBusy; asked -= 1_000 + round * 10) {
        driver.slot.obey({ type: 'retractLease', slot: 0, run: driver.run, end: asked });
        end = (await driver.next('slotRetracted')).end;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const { values } = await driver.outcome();
      expect(values).toEqual(numbers(end));
      driver.events.splice(1);
    }
  });

  test('stands still while it is paused, and then goes on where it was', async () => {
    driver = new SlotDriver();
    const count = 100_000;
    await driver.start({ range: { start: 0, step: 1, count } }, [], {
      ranges: [0, count],
      end: count,
      sizes: 0,
    });
    for (let i = 0; i < 30 && driver.slot.isBusy; i++) {
      driver.slot.obey({ type: 'pauseSlot', slot: 0, run: driver.run });
      await new Promise<void>((resolve) => setImmediate(resolve));
      driver.slot.obey({ type: 'resumeSlot', slot: 0, run: driver.run });
    }
    expect((await driver.outcome()).values).toEqual(numbers(count));
  });

  test('ends at once when it is paused and what is left is taken back', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'sleep' }, [1, 1, 1]);
    driver.slot.obey({ type: 'pauseSlot', slot: 0, run: driver.run });
    driver.slot.obey({ type: 'retractLease', slot: 0, run: driver.run, end: 0 });
    const { end } = await driver.next('slotRetracted');
    expect((await driver.outcome()).values).toHaveLength(end);
  });

  test('reports what is finished while the next task blocks', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'unruly' }, ['ok', 'ok', 'spin', 'ok']);
    await driver.untilRunning(2);
    // What finishes between a sample's report and its look at the running task is reported by the next sample.
    driver.sample();
    const reports = driver.events.filter((event) => event.type === 'slotReported');
    expect(reports.map(({ ended }) => ended)).not.toContain(true);
    expect(reports.flatMap(({ at, count }) => Array.from({ length: count }, (_, i) => at + i))).toEqual([
      0, 1,
    ]);
    driver.kill('timedOut');
    expect(await driver.next('slotDied')).toMatchObject({ position: 2 });
  });

  test('does not start a task that was cancelled before its turn', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'sleep' }, [600_000, 1, 2]);
    await driver.untilRunning(0);
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: 1, reason: 'not that one' });
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: 0, reason: 'nor that' });
    const { values, failures } = await driver.outcome();
    expect(values).toEqual([undefined, undefined, 2]);
    expect(failures.map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
  });
});

describe('a slot whose thread dies', () => {
  test.each([
    ['exit', 'exit code 3'],
    ['outside', 'nobody caught this'],
    ['memory', 'memory'],
  ])('by %s keeps what was finished, names its one task, and is replaced', async (word, reason) => {
    driver = new SlotDriver(word === 'memory' ? 32 : undefined);
    await driver.start({ kind: 'unruly' }, ['ok', 'ok', word, 'ok']);
    const { values } = await driver.outcome();
    expect(values).toEqual(['ok', 'ok']);
    const died = await driver.next('slotDied');
    expect(died).toMatchObject({ position: 2, message: expect.stringContaining(reason) });
    driver.events.length = 0;
    await driver.start({ kind: 'unruly' }, ['ok']);
    expect((await driver.outcome()).values).toEqual(['ok']);
  });
});

describe('streams', () => {
  const bytes = 3 * LIMITS.chunkBytesMax * LIMITS.chunksAhead + 17;
  const content = Uint8Array.from({ length: bytes }, (_, i) => (i * 7) >>> 3);
  const streams = [{ index: 7, bytes }];
  const start = () =>
    driver.start({ kind: 'hash', encoding: 'raw' }, [new Uint8Array(0)], { ranges: [7, 1], streams });
  const answer = async (more: { error?: string; short?: number } = {}) => {
    const { position, offset, length } = await driver.next('slotPulled');
    const data = content.subarray(offset, offset + Math.min(length, more.short ?? length));
    const error = more.error ?? null;
    const last = offset + data.length === bytes;
    driver.slot.obey({ type: 'deliverChunk', slot: 0, run: driver.run, position, offset, data, last, error });
  };

  test('are hashed as they come, also in chunks shorter than asked for', async () => {
    driver = new SlotDriver();
    await start();
    while (driver.slot.isBusy) await Promise.race([answer({ short: 200_000 }), driver.outcome()]);
    const { pages } = await driver.outcome();
    expect(Buffer.from(pages[0]!.data).toString('hex')).toBe(sha256(content));
  });

  test('are asked for only so far ahead', async () => {
    driver = new SlotDriver();
    await start();
    await driver.next('slotPulled', false);
    await driver.untilRunning(0);
    const pulls = driver.events.filter((event) => event.type === 'slotPulled');
    expect(pulls.length).toBeLessThanOrEqual(LIMITS.chunksAhead);
  });

  test('fail their task when they cannot be read; it may be tried again', async () => {
    driver = new SlotDriver();
    await start();
    await answer({ error: 'the file is gone' });
    const { failures } = await driver.outcome();
    expect(failures).toMatchObject([{ outcome: 'failed', message: 'the file is gone' }]);
    expect(failures[0]).not.toHaveProperty('retryable');
  });

  test('stop being read when the task is cancelled', async () => {
    driver = new SlotDriver();
    await start();
    await driver.untilRunning(0);
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: null, reason: 'enough' });
    expect((await driver.outcome()).failures).toMatchObject([{ outcome: 'cancelled' }]);
  });
});
