/** What must not stop the Queen, and what must not be lost: each of these once did, or was. */

import { encodeMsgpack, jobId, LIMITS, type Message, PageBuilder } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { Scheduler } from './scheduler/index.ts';
import { TestPeer } from './testing/peer.ts';
import { Setting } from './testing/setting.ts';
import { Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const WIDE = jobId('01890000-0000-7000-8000-000000000002');
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'msgpack', attached: false, retries: 0 };

let hive: Setting;
beforeEach(async () => {
  hive = new Setting('sqlite');
  await hive.start();
});
afterEach(() => hive.dispose());

function submit(spec: Partial<Message<'Submit'>['spec']> = {}, job = JOB, count = 3): void {
  hive.client.send({ type: 'Submit', job, spec: { ...SPEC, ...spec } });
  const data = Uint8Array.from({ length: count }, (_, i) => i);
  hive.client.send({ type: 'Append', job, first: 0, count, sizes: 1, data });
  hive.client.send({ type: 'Seal', job, count });
}
/** Echoes the tasks of the next lease. */
async function serve(worker: TestPeer): Promise<void> {
  const { lease, ranges, sizes, data } = await worker.next('TaskAssign');
  const [first, count] = [ranges[0]!, ranges[1]!];
  worker.send({
    type: 'TaskComplete',
    lease,
    at: 0,
    first,
    count,
    sizes: sizes!,
    data: data!,
    busyMicros: 5,
    ended: true,
    request: true,
  });
}

describe('the Queen goes on', () => {
  test('when an input page is damaged: its tasks fail, other jobs run', async () => {
    hive.client.send({ type: 'Manage', request: 1, action: 'drain', drone: hive.worker.peer });
    await hive.client.next('Answer');
    submit();
    await hive.client.next('Accepted');
    await hive.stop();
    const database = new Database(hive.path);
    database.prepare('UPDATE input_pages SET checksum = checksum + 1').run();
    database.close();
    await hive.start();
    hive.client.send({ type: 'Submit', job: JOB, spec: SPEC });
    expect(await hive.client.next('JobDone')).toMatchObject({ state: 'failed', counts: { failed: 3 } });
    submit({}, WIDE, 1);
    await serve(hive.worker);
    expect(await hive.client.next('JobDone')).toMatchObject({ job: WIDE, state: 'succeeded' });
  });

  test('when a result page is damaged: whoever reads it is told', async () => {
    submit({}, JOB, 1);
    await serve(hive.worker);
    await hive.client.next('JobDone');
    await hive.stop();
    const database = new Database(hive.path);
    database.prepare('UPDATE result_pages SET checksum = checksum + 1').run();
    database.close();
    await hive.start();
    hive.client.send({ type: 'ResultCredit', job: JOB, order: 'seq', after: 0, bytes: 1_000 });
    expect((await hive.client.next('Refused')).code).toBe('damagedStore');
  });

  test('when a Drone reports failures with more text than fits a frame', async () => {
    submit({}, JOB, 1);
    const { lease } = await hive.worker.next('TaskAssign');
    const message = 'x'.repeat(LIMITS.textMax);
    hive.worker.send({
      type: 'TaskComplete',
      lease,
      at: 0,
      first: 0,
      count: 1,
      sizes: 0,
      data: new Uint8Array(0),
      failures: [{ index: 0, outcome: 'failed', message }],
      busyMicros: 1,
      ended: true,
      request: true,
    });
    hive.client.send({ type: 'ResultCredit', job: JOB, order: 'seq', after: 0, bytes: 1_000 });
    expect((await hive.client.next('Results')).failures?.[0]?.message).toBe(message);
  });

  test('when a held-back graph has a child whose parents say too much', async () => {
    const count = 40;
    hive.client.send({ type: 'Submit', job: JOB, spec: { ...SPEC, attached: true, graph: 'failChildren' } });
    const lists = [
      ...Array.from({ length: count }, () => 0),
      count,
      ...Array.from({ length: count }, (_, i) => i),
    ];
    const data = new Uint8Array(count + 1);
    hive.client.send({
      type: 'Append',
      job: JOB,
      first: 0,
      count: count + 1,
      sizes: 1,
      data,
      parents: lists,
    });
    hive.client.send({ type: 'Seal', job: JOB, count: count + 1 });
    const large = encodeMsgpack(new Uint8Array(LIMITS.valueBytesMax - 16));
    for (let done = 0; done < count; ) {
      const { lease, ranges } = await hive.worker.next('TaskAssign');
      let at = 0;
      for (let i = 0; i < ranges.length; i += 2) {
        for (let k = 0; k < ranges[i + 1]!; k++, at++, done++) {
          const builder = new PageBuilder(ranges[i]! + k);
          builder.push(large);
          hive.worker.send({ type: 'TaskComplete', lease, at, ...builder.take(), busyMicros: 5 });
        }
      }
      const end = { at, first: ranges[ranges.length - 2]! + ranges[ranges.length - 1]!, count: 0 };
      const empty = { sizes: 0, data: new Uint8Array(0), busyMicros: 0 };
      hive.worker.send({ type: 'TaskComplete', lease, ...end, ...empty, ended: true, request: true });
    }
    expect(await hive.client.next('JobDone')).toMatchObject({ counts: { succeeded: count, failed: 1 } });
  });
});

test('a job that was retried has its deadline anew', () => {
  const stage = new Stage();
  const client = stage.client();
  const drone = stage.drone();
  stage.submit(client, JOB, { range: { start: 0, step: 1, count: 1 }, deadlineMillis: 400 });
  stage.complete(drone, stage.take('TaskAssign')!, { fails: true });
  expect(stage.job(JOB).state).toBe('failed');
  stage.advance(1_000);
  stage.say(client, { type: 'Manage', request: 1, action: 'retry', job: JOB });
  stage.advance(399);
  expect(stage.job(JOB).state).toBe('running');
  stage.complete(drone, stage.take('TaskAssign')!);
  expect(stage.job(JOB).state).toBe('succeeded');
});

test('an ended job goes when its retention is over, whatever stands before it', async () => {
  submit({}, WIDE, 1);
  await serve(hive.worker);
  await hive.client.next('JobDone');
  submit({ retentionMillis: 1 }, JOB, 1);
  await serve(hive.worker);
  await hive.client.next('JobDone');
  for (let request = 1; ; request++) {
    hive.client.send({ type: 'Query', request, about: 'jobs' });
    const { jobs } = (await hive.client.next('Answer')).body as { jobs: { id: string }[] };
    if (jobs.length > 1) continue;
    expect(jobs.map(({ id }) => id)).toEqual([WIDE]);
    break;
  }
});

test('a Drone that was drained before the Queen ended gets no work until it is to go on', async () => {
  const manage = (action: 'drain' | 'resume', drone: string) =>
    hive.client.send({ type: 'Manage', request: 1, action, drone });
  const { peer } = hive.worker;
  manage('drain', peer);
  await hive.client.next('Answer');
  await hive.stop();
  await hive.start();
  hive.worker.end();
  await hive.worker.closed();
  hive.worker = await TestPeer.dial(hive.queen.address);
  hive.worker.hello('drone', { peer, slots: 1, kinds: ['echo'] });
  await hive.worker.next('Welcome');
  hive.worker.send({ type: 'Holdings', leases: [] });
  hive.worker.send({ type: 'TaskRequest', slots: 1 });
  submit({}, JOB, 1);
  hive.worker.send({ type: 'Heartbeat' });
  await hive.client.next('Accepted');
  await hive.worker.next('Heartbeat');
  expect(hive.worker.received.map(({ type }) => type)).not.toContain('TaskAssign');
  manage('resume', peer);
  expect(await hive.worker.next('TaskAssign')).toMatchObject({ job: JOB });
});

test('a wide task does not wait for a Drone that gets no more work', async () => {
  const other = await TestPeer.drone(hive.queen.address, 2);
  const busy = await TestPeer.drone(hive.queen.address, 2);
  submit({ kind: 'sleep' }, JOB, 4);
  const held = [await other.next('TaskAssign'), await busy.next('TaskAssign')];
  submit({ slots: 2, priority: 9 }, WIDE, 1);
  await hive.client.next('Accepted');
  for (const peer of [other, busy]) {
    hive.client.send({ type: 'Manage', request: 1, action: 'drain', drone: peer.peer });
    await hive.client.next('Answer');
  }
  hive.client.send({ type: 'Manage', request: 2, action: 'resume', drone: busy.peer });
  const end = {
    at: 0,
    first: 0,
    count: 0,
    sizes: 0,
    data: new Uint8Array(0),
    busyMicros: 0,
    ended: true,
    request: true,
  };
  // Leases end without a result, so their tasks come back and compete with the wide one.
  for (
    let lease: Message<'TaskAssign'> = held[1]!;
    lease.job !== WIDE;
    lease = await busy.next('TaskAssign')
  ) {
    busy.send({ type: 'TaskComplete', lease: lease.lease, ...end, first: lease.ranges[0]! });
  }
  for (const peer of [other, busy]) peer.end();
});

test('a graph task that waited for its retry when the Queen was killed is not forgotten', () => {
  const scheduler = new Scheduler({
    queen: '0'.repeat(32),
    incarnation: '0'.repeat(16),
    epoch: 2,
    name: 'test',
    store: 'test',
    isDurable: true,
    startedAt: 0,
    formatTime: String,
    chance: () => 0.5,
  });
  const owner = 'a'.repeat(32) as never;
  const job = {
    type: 'jobRecovered',
    job: JOB,
    spec: { ...SPEC, graph: 'failChildren' },
    owner,
    order: 1,
    at: 0,
    state: 'running',
    appended: 1,
    isSealed: true,
    recorded: [],
    counts: { succeeded: 0, failed: 0, cancelled: 0 },
    seq: 0,
    mark: 64,
    message: null,
    endedAt: null,
    inputs: [{ first: 0, count: 1, bytes: 1 }],
    results: [],
    failedIndices: [],
    cancelledIndices: [],
    parents: [{ first: 0, count: 1, lists: [0] }],
    streams: [],
    failedTasks: [{ index: 0, failures: 1, crashes: 0, retryAt: 1_000, message: 'no' }],
  } as const;
  scheduler.recover([job, { type: 'droneJoined', drone: owner, name: 'gone', at: 0 }], 0);
  for (
    let now = scheduler.nextDeadline();
    now !== null && now <= LIMITS.rejoinMillis;
    now = scheduler.nextDeadline()
  ) {
    scheduler.step({ type: 'timePassed' }, now);
    scheduler.step({ type: 'settled' }, now);
  }
  expect(scheduler.state.jobs.get(JOB)?.readyTasks).toBe(1);
});
