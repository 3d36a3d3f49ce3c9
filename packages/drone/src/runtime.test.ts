import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  appendValue,
  jobId,
  leaseNumber,
  type Message,
  PageBuilder,
  readValues,
  type Spec,
} from '@hive/shared';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { DroneEvent } from './events.ts';
import { type Drone, startDrone } from './runtime.ts';
import { FakeQueen } from './testing/fake-queen.ts';
import { TEST_KINDS } from './testing/slot-driver.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

const JOB = jobId('01900000-0000-7000-8000-000000000001');
let queen: FakeQueen;
let drone: Drone | null = null;
let events: DroneEvent[] = [];
afterEach(async () => {
  await drone?.stop({ drain: false });
  await queen.stop();
  drone = null;
});

async function begin(slots = 1, more: Partial<Parameters<typeof startDrone>[0]> = {}): Promise<void> {
  queen = await FakeQueen.listen();
  start(slots, more);
  await queen.next('Holdings');
  let credit = 0;
  while (credit < slots) credit += (await queen.next('TaskRequest')).slots;
}
function start(slots: number, more: Partial<Parameters<typeof startDrone>[0]> = {}): Drone {
  events = [];
  drone = startDrone({
    queens: () => [queen.address],
    insecure: true,
    slots,
    kindModules: TEST_KINDS,
    onEvent: (event) => events.push(event),
    ...more,
  });
  return drone;
}
function assign(lease: number, spec: Partial<Spec>, inputs: readonly unknown[], behind?: number): void {
  queen.send({ type: 'JobSpec', job: JOB, spec: { kind: 'echo', encoding: 'msgpack', ...spec } });
  const builder = new PageBuilder();
  for (const input of inputs) appendValue(builder, 'msgpack', input);
  const { sizes, data } = builder.take();
  const ranges = [10, inputs.length];
  const after = behind === undefined ? {} : { behind: leaseNumber(behind) };
  queen.send({ type: 'TaskAssign', lease: leaseNumber(lease), job: JOB, ranges, sizes, data, ...after });
}
/** Everything that is reported of a lease up to its end. */
async function results(lease: number) {
  const values: unknown[] = [];
  const failures = [];
  const messages: Message<'TaskComplete'>[] = [];
  for (;;) {
    const message = await queen.next('TaskComplete');
    expect(message).toMatchObject({ lease, at: values.length });
    messages.push(message);
    if (message.failures === undefined) values.push(...readValues(message, 'msgpack'));
    else values.push(...new Array(message.count).fill('failed'));
    failures.push(...(message.failures ?? []));
    if (message.ended) return { values, failures, message, messages };
  }
}

/** Asks again and again until a task of the lease runs; `end` is the lease's, so nothing is taken back. */
async function untilRunning(lease: number, end: number): Promise<void> {
  for (;;) {
    queen.send({ type: 'Retract', lease: leaseNumber(lease), end });
    if ((await queen.next('Retracted')).startedMillis !== undefined) return;
    await sleep(LOOK_MILLIS);
  }
}

describe('a Drone and a Queen', () => {
  test('shake hands, and work is asked for and done', async () => {
    await begin(2, { name: 'd1', labels: { gpu: 'yes' }, allow: ['echo'] });
    expect(await queen.next('Hello')).toMatchObject({ role: 'drone', name: 'd1', slots: 2, kinds: ['echo'] });
    assign(1, {}, ['a', 'b']);
    const { values, message } = await results(1);
    expect(values).toEqual(['a', 'b']);
    // On a busy machine the end of the lease may come by itself, behind its two results.
    expect(message).toMatchObject({ ended: true, request: true });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['connected', 'workReceived', 'workDone']),
    );
  });

  test('show a single task with its input and output', async () => {
    await begin();
    assign(1, {}, ['hello']);
    expect((await results(1)).message.display).toBe('"hello" -> "hello"');
  });

  test('fail tasks of a kind that is not allowed, for good', async () => {
    await begin(1, { allow: ['echo'] });
    assign(1, { kind: 'hash' }, ['a', 'b']);
    const { failures, message } = await results(1);
    expect(failures).toMatchObject([{ code: 'unknownKind', retryable: false, index: 10 }, { index: 11 }]);
    expect(message.request).toBe(true);
  });

  test('start a lease behind another, and the second asks for work', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000]);
    assign(2, { kind: 'sleep' }, [1], 1);
    // Only now, when the second is there, the first may end.
    queen.send({ type: 'CancelTask', lease: leaseNumber(1), index: 10, reason: 'enough' });
    expect((await results(1)).message.request).toBeUndefined();
    expect((await results(2)).message.request).toBe(true);
  });

  test('hand back what has no place', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000]);
    assign(2, { kind: 'sleep' }, [600_000]);
    expect(await queen.next('Retracted')).toMatchObject({ lease: 2, end: 0 });
  });

  test('take back tasks that were not started', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [0, 600_000, 0, 0]);
    await queen.next('TaskComplete');
    queen.send({ type: 'Retract', lease: leaseNumber(1), end: 1 });
    expect(await queen.next('Retracted')).toMatchObject({ lease: 1, end: 2 });
  });

  test('cancel a lease, or one task of it', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000, 1]);
    queen.send({ type: 'CancelTask', lease: leaseNumber(1), index: 10, reason: 'changed my mind' });
    expect((await results(1)).failures).toMatchObject([{ index: 10, outcome: 'cancelled' }]);
    assign(2, { kind: 'sleep' }, [600_000, 1]);
    queen.send({ type: 'CancelTask', lease: leaseNumber(2), reason: 'never mind' });
    expect((await results(2)).message).toMatchObject({ count: 0, request: true });
  });

  test.each(['exit', 'outside'])(
    'blame one task when a thread dies by %s, and give back the rest',
    async (word) => {
      await begin();
      assign(1, { kind: 'unruly' }, ['ok', word, 'ok']);
      const { values, failures } = await results(1);
      expect(values).toEqual(['ok', 'failed']);
      expect(failures).toMatchObject([{ index: 11, outcome: 'crashed' }]);
      await queen.next('TaskRequest');
      assign(2, { kind: 'unruly' }, ['ok']);
      expect((await results(2)).values).toEqual(['ok']);
      expect(events.some(({ type }) => type === 'slotReplaced')).toBe(true);
    },
  );

  test('end a task that runs for too long, even one that never returns', async () => {
    await begin();
    assign(1, { kind: 'unruly', attemptTimeoutMillis: 50 }, ['spin', 'ok']);
    const { values, failures } = await results(1);
    expect(values).toEqual(['failed']);
    expect(failures).toMatchObject([{ index: 10, outcome: 'timedOut' }]);
  });
});

describe('after the connection was cut, a Drone', () => {
  test('goes on with its lease, lists it, and sends again what was not acknowledged', async () => {
    await begin();
    assign(1, { kind: 'unruly' }, ['ok', 'ok', 'deaf', 'ok']);
    // On a busy machine they may be reported one by one.
    const before: Message<'TaskComplete'>[] = [];
    for (let done = 0; done < 2; done += before.at(-1)!.count) before.push(await queen.next('TaskComplete'));
    queen.cut();
    const holdings = await queen.next('Holdings');
    expect(holdings.leases).toMatchObject([{ lease: 1, job: JOB, ranges: [10, 4], done: 2 }]);
    for (const message of before) expect(await queen.next('TaskComplete')).toEqual(message);
    queen.send({ type: 'ResultAck', leases: [leaseNumber(1), 2] });
    await untilRunning(1, 4);
    queen.cut();
    expect((await queen.next('Holdings')).leases).toHaveLength(1);
    queen.send({ type: 'Retract', lease: leaseNumber(1), end: 0 });
    await queen.next('Retracted');
    expect(queen.heard.some(({ type }) => type === 'TaskComplete')).toBe(false);
  });

  test('names the incarnation and the job of results from before a restart of its Queen', async () => {
    await begin();
    assign(1, {}, ['a']);
    const { messages } = await results(1);
    const before = queen.incarnation;
    queen.incarnation = 'f'.repeat(16) as typeof before;
    queen.cut();
    const again = await queen.next('TaskComplete');
    const { request: _, ...rest } = messages[0]!;
    expect(again).toEqual({ ...rest, incarnation: before, job: JOB });
  });

  test('keeps to one session when the same Queen is reached under two addresses', async () => {
    queen = await FakeQueen.listen();
    const { port } = queen.address;
    start(1, { queens: () => ['127.0.0.1', '127.0.0.2'].map((host) => ({ host, port })) });
    expect(await queen.next('Goodbye')).toMatchObject({ code: 'replaced' });
    await queen.next('TaskRequest');
    assign(1, {}, ['a']);
    expect((await results(1)).values).toEqual(['a']);
    expect(queen.sessions).toBe(2);
    queen.heard.length = 0;
    queen.cut();
    await queen.next('Holdings');
    await queen.next('TaskRequest');
  });

  test('follows its Queen to another address', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000]);
    await untilRunning(1, 1);
    const old = queen;
    const moved = await FakeQueen.listen();
    moved.id = old.id;
    moved.incarnation = old.incarnation;
    queen = moved;
    await old.stop();
    expect((await moved.next('Holdings')).leases).toMatchObject([{ lease: 1 }]);
  });

  test('drops the leases of a Queen in whose place another one answers', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000]);
    queen.id = 'e'.repeat(32) as typeof queen.id;
    queen.cut();
    expect((await queen.next('Holdings')).leases).toEqual([]);
    expect(await queen.next('TaskRequest')).toMatchObject({ slots: 1 });
    assign(1, {}, ['a']);
    expect((await results(1)).values).toEqual(['a']);
  });

  test('dials again when nothing is heard for too long', async () => {
    queen = await FakeQueen.listen();
    queen.heartbeatMillis = 20;
    start(1);
    await queen.next('Heartbeat');
    await queen.next('Holdings');
    await queen.next('Holdings');
    expect(queen.sessions).toBeGreaterThanOrEqual(2);
  });
});

describe('a Drone ends', () => {
  test('after what runs is finished and acknowledged, when it is told to drain', async () => {
    await begin();
    const folder = mkdtempSync(join(tmpdir(), 'hive-drain-'));
    const go = join(folder, 'go');
    assign(1, { kind: 'command' }, [`while [ ! -e '${go}' ]; do sleep 0.02; done; echo done`, 'echo next']);
    await untilRunning(1, 2);
    const ended = drone!.stop({ drain: true });
    await queen.next('Drain');
    writeFileSync(go, '');
    const { values } = await results(1);
    rmSync(folder, { recursive: true });
    expect(values).toMatchObject([{ exitCode: 0, stdout: Buffer.from('done\n') }]);
    queen.send({ type: 'ResultAck', leases: [leaseNumber(1), 1] });
    expect(await ended).toEqual({ how: 'drained' });
    expect(await queen.next('Goodbye')).toMatchObject({ code: 'stopping' });
  });

  test('at once, when it is told to', async () => {
    await begin();
    assign(1, { kind: 'sleep' }, [600_000]);
    expect(await drone!.stop({ drain: false })).toEqual({ how: 'stopped' });
  });

  test('with a clear text, when it is refused for good', async () => {
    queen = await FakeQueen.listen();
    queen.rejection = { type: 'Reject', code: 'badVersion', message: 'too old, update it' };
    const end = await start(1).closed;
    expect(end).toMatchObject({ how: 'rejected', error: { message: expect.stringContaining('too old') } });
  });

  test('when no Queen is found for as long as it may wait', async () => {
    queen = await FakeQueen.listen();
    const end = await start(1, { queens: () => [], orphanTimeoutMillis: 30 }).closed;
    expect(end).toMatchObject({ how: 'orphaned' });
  });

  test('never begins with options that make no sense', async () => {
    queen = await FakeQueen.listen();
    expect(() => startDrone({ queens: () => [], slots: 0 })).toThrow('1 to 1024 slots');
    expect(() => startDrone({ queens: () => [], allow: ['nope'] })).toThrow('no kind "nope"');
  });
});
