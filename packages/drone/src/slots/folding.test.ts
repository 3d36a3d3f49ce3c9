import { decodeMsgpack, encodeMsgpack, LIMITS } from '@hive/shared';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { SlotReport } from '../agent/events.ts';
import { SlotDriver } from '../testing/slot-driver.ts';

let driver: SlotDriver;
afterEach(() => driver.close());

/** On a slow machine a run of tasks may be told of in several parts. */
function joined(values: readonly [number, number, unknown][]): [number, number, unknown][] {
  const all: [number, number, unknown][] = [];
  for (const [position, count, value] of values) {
    const before = all.at(-1);
    if (before === undefined || before[0] + before[1] !== position) all.push([position, count, value]);
    else all[all.length - 1] = [before[0], before[1] + count, (before[2] as string) + (value as string)];
  }
  return all;
}

/** All that was folded: for each value its first position, the tasks that it stands for, and it. */
async function folded(): Promise<{ values: [number, number, unknown][]; reports: SlotReport[] }> {
  await driver.ended();
  const reports = driver.events.filter((event) => event.type === 'slotReported');
  const values = reports.flatMap(({ folds = [] }) =>
    folds.map(({ position, count, data }): [number, number, unknown] => [
      position,
      count,
      decodeMsgpack(data),
    ]),
  );
  return { values, reports };
}

describe('a slot of a reduced job', () => {
  test('reports one value for the tasks of a lease', async () => {
    driver = new SlotDriver();
    const range = { start: 0, step: 1, count: 2 ** 40 };
    const end = 100_000;
    await driver.start({ range, reduce: { op: 'sum' } }, [], { ranges: [0, end], end, sizes: 0 });
    const { values, reports } = await folded();
    const total = values.reduce((sum, [, , value]) => sum + (value as number), 0);
    expect(total).toBe((end * (end - 1)) / 2);
    expect(values.reduce((sum, [, count]) => sum + count, 0)).toBe(end);
    expect(reports.every(({ data }) => data.length === 0)).toBe(true);
    expect(values.length).toBeLessThan(100);
  });

  test('folds no further than to the end of a range', async () => {
    driver = new SlotDriver();
    const range = { start: 0, step: 1, count: 1_000 };
    await driver.start({ range, reduce: { op: 'count' } }, [], { ranges: [0, 3, 10, 2], end: 5, sizes: 0 });
    const { values } = await folded();
    for (const [position, count, value] of values) {
      expect(value).toBe(count);
      expect(position < 3 && position + count > 3).toBe(false);
    }
    expect(values.reduce((sum, [, count]) => sum + count, 0)).toBe(5);
  });

  test('leaves out tasks that failed, be it while they were folded', async () => {
    driver = new SlotDriver();
    const inputs = ['ok a', 'ok b', 'error', 'ok c', 'big 9', 'ok d'];
    await driver.start({ kind: 'unruly', reduce: { op: 'concat' } }, inputs);
    const { values, reports } = await folded();
    expect(joined(values)).toEqual([
      [0, 2, 'ok aok b'],
      [3, 1, 'ok c'],
      [5, 1, 'ok d'],
    ]);
    const failures = reports.flatMap((report) => report.failures);
    expect(failures).toMatchObject([
      { position: 2, message: 'it went wrong' },
      { position: 4, code: 'notReducible', retryable: false },
    ]);
  });

  test('folds far more than its ring holds', async () => {
    driver = new SlotDriver();
    const inputs = Array.from({ length: 40 }, () => `big ${300_000}`);
    await driver.start({ kind: 'unruly', reduce: { op: 'count' } }, inputs);
    const { values } = await folded();
    expect(values.reduce((sum, [, count]) => sum + count, 0)).toBe(40);
  });

  test('refuses a result that is too large to be folded', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'unruly', reduce: { op: 'count' } }, ['ok', 'pour 1500000', 'ok']);
    const { values, reports } = await folded();
    expect(values).toEqual([
      [0, 1, 1],
      [2, 1, 1],
    ]);
    expect(reports.flatMap((report) => report.failures)).toMatchObject([{ position: 1, code: 'tooLarge' }]);
  });

  test('loses nothing with its thread, and names the task that killed it', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'unruly', reduce: { op: 'concat' } }, ['ok a', 'ok b', 'exit', 'ok c']);
    expect(await driver.next('slotDied', false)).toMatchObject({ position: 2 });
    expect(joined((await folded()).values)).toEqual([[0, 2, 'ok aok b']]);
  });

  test('tells of a task that ends its job by itself, with its own value', async () => {
    driver = new SlotDriver();
    await driver.start({ kind: 'unruly', reduce: { op: 'count' } }, ['ok', 'finish', 'ok']);
    const { values, reports } = await folded();
    expect(values).toEqual([
      [0, 1, 1],
      [1, 1, 'finish'],
      [2, 1, 1],
    ]);
    expect(reports.map(({ finish }) => finish).filter((finish) => finish !== undefined)).toEqual([1]);
  });
});

describe('a lease that folds', () => {
  const start = (values: unknown[], op: 'sum' | 'concat') => {
    const data = encodeMsgpack(values);
    // The kind is not asked, and the range gives no input.
    const range = { start: 5, step: 5, count: 100 };
    return driver.start({ range, reduce: { op } }, [], {
      ranges: [7, 1],
      end: 1,
      sizes: data.length,
      data,
      isFold: true,
    });
  };

  test('merges the values of neighbours in their order', async () => {
    driver = new SlotDriver();
    await start(['a', 'b', 'c'], 'concat');
    expect((await driver.outcome()).values).toEqual(['abc']);
    driver.events.splice(1);
    await start([1, '9007199254740993', 2], 'sum');
    expect((await driver.outcome()).values).toEqual(['9007199254740996']);
  });

  test('fails for good when they make no value', async () => {
    driver = new SlotDriver();
    await start(['a', ['b']], 'concat');
    expect((await driver.outcome()).failures).toMatchObject([{ code: 'notReducible', retryable: false }]);
    driver.events.splice(1);
    const half = 'x'.repeat(LIMITS.valueBytesMax / 2);
    await start([half, half], 'concat');
    expect((await driver.outcome()).failures).toMatchObject([{ code: 'tooLarge', retryable: false }]);
  });
});

test('without a reduce a task ends its job, too', async () => {
  driver = new SlotDriver();
  await driver.start({ kind: 'unruly' }, ['ok', 'finish', 'ok']);
  await driver.ended();
  const [report] = driver.events.filter((event) => event.type === 'slotReported');
  expect(report).toMatchObject({ count: 3, finish: 1 });
});
