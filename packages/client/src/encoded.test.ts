/** Pages that pass through whole: what goes in is what comes out, cut however it may be. */

import { appendValue, PageBuilder, readValues } from '@hive/shared';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from './connect.ts';
import { EncodedValues } from './encoded.ts';
import type { Hive } from './hive.ts';

let hive: Hive;
beforeAll(async () => {
  hive = await connect({ local: { drones: 1, slots: 2 } });
});
afterAll(() => hive.close());

function pageOf(values: readonly unknown[]): EncodedValues {
  const builder = new PageBuilder();
  for (const value of values) appendValue(builder, 'msgpack', value);
  return new EncodedValues(builder.take());
}
async function* mixed() {
  yield 'a';
  yield pageOf(['b', 3, null]);
  yield pageOf([]);
  yield { c: 4 };
  yield pageOf(['x'.repeat(2_000), 5]);
}
const MIXED = ['a', 'b', 3, null, { c: 4 }, 'x'.repeat(2_000), 5];

describe('encoded values', () => {
  test('are inputs beside others, in their order', async () => {
    expect(await hive.map('echo', mixed())).toEqual(MIXED);
  });

  test('come back as pages, from any index on, whose sizes add up', async () => {
    const { id } = await hive.submit({ kind: 'echo', inputs: mixed(), attached: false });
    const handle = await hive.open(id);
    const values: unknown[] = [];
    let next: number | null = null;
    for await (const page of handle.encodedResults({ after: 2 })) {
      if (next !== null) expect(page.first).toBe(next);
      next = page.first + page.count;
      for (const [i, value] of [...readValues(page, handle.encoding)].entries())
        if (page.first + i >= 2) values.push(value);
    }
    expect(values).toEqual(MIXED.slice(2));
  });

  test('name what failed and what is too large for a page', async () => {
    const large = 'y'.repeat(3 * 1024 * 1024);
    const { id } = await hive.submit({
      kind: 'command',
      inputs: ['exit 7', `yes | head -c ${large.length}`],
      retries: 0,
      attached: false,
    });
    const handle = await hive.open(id);
    const failed: number[] = [];
    let bytes = 0;
    for await (const { failures, streams } of handle.encodedResults()) {
      for (const { index } of failures) failed.push(index);
      for (const { output } of streams) for await (const chunk of output.chunks()) bytes += chunk.length;
    }
    expect(failed).toEqual([0]);
    expect(bytes).toBeGreaterThan(large.length);
  });

  test('that do not add up end the job', async () => {
    async function* wrong() {
      yield new EncodedValues({ count: 3, sizes: 2, data: new Uint8Array(5) });
    }
    await expect(hive.map('echo', wrong())).rejects.toThrow(/sizes do not add up/);
  });
});

test('jobs are listed page by page', async () => {
  for (let i = 0; i < 3; i++)
    await hive.submit({ kind: 'echo', inputs: [i], name: `page-${i}`, attached: false });
  const first = await hive.jobsPage({ limit: 2 });
  expect(first.jobs.map(({ name }) => name)).toEqual(['page-2', 'page-1']);
  const second = await hive.jobsPage({ limit: 1, before: first.next });
  expect(second.jobs.map(({ name }) => name)).toEqual(['page-0']);
});
