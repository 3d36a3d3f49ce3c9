import {
  decodeMsgpack,
  encodeMsgpack,
  jobId,
  type Message,
  type Page,
  PageBuilder,
  readValues,
} from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TestPeer } from './testing/peer.ts';
import { Setting } from './testing/setting.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');

describe.each(['memory', 'sqlite'] as const)('graph jobs, with the %s store', (store) => {
  let hive: Setting;
  beforeEach(async () => {
    hive = new Setting(store);
    await hive.start();
  });
  afterEach(() => hive.dispose());

  function submit(
    parents: readonly (readonly number[])[],
    spec: Partial<Message<'Submit'>['spec']> = {},
  ): void {
    const full = {
      kind: 'echo',
      encoding: 'msgpack',
      attached: false,
      retries: 0,
      graph: 'failChildren',
      ...spec,
    } as const;
    hive.client.send({ type: 'Submit', job: JOB, spec: full });
    const count = parents.length;
    const values = Uint8Array.from({ length: count }, (_, i) => i);
    const lists = parents.flatMap((list) => [list.length, ...list]);
    hive.client.send({ type: 'Append', job: JOB, first: 0, count, sizes: 1, data: values, parents: lists });
    hive.client.send({ type: 'Seal', job: JOB, count });
  }

  /** Adds up what each task is given, nil as 1000; tasks in `failing` fail. Returns the order in which they ran. */
  async function work(count: number, failing: readonly number[] = []): Promise<number[]> {
    const order: number[] = [];
    while (order.length < count) {
      const assign = await hive.worker.next('TaskAssign');
      const page: Page = { first: 0, count: total(assign), sizes: assign.sizes!, data: assign.data! };
      const inputs = [...readValues(page, 'msgpack')];
      let at = 0;
      for (let i = 0; i < assign.ranges.length; i += 2) {
        for (let k = 0; k < assign.ranges[i + 1]!; k++, at++) {
          const index = assign.ranges[i]! + k;
          order.push(index);
          answer(assign, at, index, inputs[at] as (number | null)[], failing.includes(index));
        }
      }
    }
    return order;
  }
  const total = ({ ranges }: Message<'TaskAssign'>) =>
    ranges.reduce((sum, n, i) => (i % 2 === 0 ? sum : sum + n), 0);

  function answer(
    assign: Message<'TaskAssign'>,
    at: number,
    index: number,
    input: (number | null)[],
    fails: boolean,
  ): void {
    const builder = new PageBuilder(index);
    builder.push(
      fails
        ? new Uint8Array(0)
        : encodeMsgpack(input.reduce<number>((sum, value) => sum + (value ?? 1000), 0)),
    );
    const isLast = at === total(assign) - 1;
    hive.worker.send({
      type: 'TaskComplete',
      lease: assign.lease,
      at,
      ...builder.take(),
      busyMicros: 10,
      ...(fails && { failures: [{ index, outcome: 'failed' as const, message: 'no' }] }),
      ...(isLast && { ended: true, request: true }),
    });
  }

  async function results(): Promise<unknown[]> {
    hive.client.send({ type: 'ResultCredit', job: JOB, order: 'index', after: 0, bytes: 100_000 });
    const values: unknown[] = [];
    for (let isLast = false; !isLast; ) {
      const page = await hive.client.next('Results');
      let offset = 0;
      for (let k = 0; k < page.count; k++) {
        const failure = page.failures?.find(({ index }) => index === page.first + k);
        const size =
          typeof page.sizes === 'number'
            ? page.sizes
            : new DataView(page.sizes.buffer, page.sizes.byteOffset).getUint32(k * 4);
        values.push(
          failure === undefined
            ? decodeMsgpack(page.data.subarray(offset, offset + size))
            : (failure.code ?? failure.outcome),
        );
        offset += size;
      }
      isLast = page.last === true;
    }
    return values;
  }

  // 0 and 1 are roots, 2 = 0 + 1, 3 = 2, 4 = 2 + 3 + 0
  const DIAMOND = [[], [], [0, 1], [2], [2, 3, 0]];

  test('run children after their parents, and hand the results on', async () => {
    submit(DIAMOND);
    const order = await work(5);
    for (const [child, parents] of DIAMOND.entries()) {
      for (const parent of parents) expect(order.indexOf(parent)).toBeLessThan(order.indexOf(child));
    }
    expect(await hive.client.next('JobDone')).toMatchObject({ state: 'succeeded', counts: { succeeded: 5 } });
    // own input i plus what the parents gave
    expect(await results()).toEqual([0, 1, 3, 6, 13]);
  });

  test('fail the descendants of a task that failed, with a reason, and run the rest', async () => {
    submit([...DIAMOND, []]);
    await work(3, [1]);
    expect(await hive.client.next('JobDone')).toMatchObject({
      state: 'failed',
      counts: { succeeded: 2, failed: 4 },
    });
    expect(await results()).toEqual([0, 'failed', 'parentFailed', 'parentFailed', 'parentFailed', 5]);
  });

  test('run children of failed parents when the job says so', async () => {
    submit(DIAMOND, { graph: 'runChildren' });
    await work(5, [1]);
    expect(await hive.client.next('JobDone')).toMatchObject({ counts: { succeeded: 4, failed: 1 } });
    expect((await results())[2]).toBe(1002);
  });

  test('go on after a restart, and after a retry', async () => {
    submit(DIAMOND);
    await work(3, [2]);
    await hive.client.next('JobDone');
    hive.client.send({ type: 'Manage', request: 1, action: 'retry', job: JOB });
    await hive.client.next('Answer');
    if (store === 'sqlite') {
      await hive.stop();
      await hive.start();
      hive.client.send({ type: 'ResultCredit', job: JOB, bytes: 0 });
    }
    expect((await work(3)).sort()).toEqual([2, 3, 4]);
    expect(await hive.client.next('JobDone')).toMatchObject({
      state: 'succeeded',
      counts: { succeeded: 5, failed: 0 },
    });
    expect(await results()).toEqual([0, 1, 3, 6, 13]);
  });

  test.each<[string, number[][]]>([
    ['a parent that does not come before its child', [[0]]],
    ['a parent that is named twice', [[], [0, 0]]],
  ])('refuse %s', async (_, parents) => {
    submit(parents);
    await hive.client.next('Goodbye');
    await hive.client.closed();
    hive.client = await TestPeer.client(hive.queen.address);
  });
});
