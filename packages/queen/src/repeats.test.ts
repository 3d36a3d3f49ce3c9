/** What a Drone says twice, or says of another life of the store, is recorded once and acknowledged every time. */
import { copyFileSync, rmSync } from 'node:fs';
import { type Incarnation, jobId, type Message, type QueenId } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TestPeer } from './testing/peer.ts';
import { Setting } from './testing/setting.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const OTHER = jobId('01890000-0000-7000-8000-000000000002');
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'msgpack', attached: false };

let hive: Setting;
beforeEach(async () => {
  hive = new Setting('sqlite');
  await hive.start();
});
afterEach(() => hive.dispose());

function submit(job = JOB, count = 3, more: Partial<Message<'Submit'>['spec']> = {}): void {
  hive.client.send({ type: 'Submit', job, spec: { ...SPEC, ...more } });
  const data = Uint8Array.from({ length: count }, (_, i) => i);
  hive.client.send({ type: 'Append', job, first: 0, count, sizes: 1, data });
  hive.client.send({ type: 'Seal', job, count });
}
/** One task's result. */
const result = (lease: number, index: number, value: number): Message<'TaskComplete'> =>
  ({
    type: 'TaskComplete',
    lease,
    at: 0,
    first: index,
    count: 1,
    sizes: 1,
    data: Uint8Array.of(value),
    busyMicros: 9,
  }) as Message<'TaskComplete'>;
const END = { ended: true, request: true } as const;

async function status(): Promise<Record<string, unknown>> {
  hive.client.send({ type: 'Query', request: 1, about: 'status' });
  return (await hive.client.next('Answer')).body as Record<string, unknown>;
}
/** All results in order, each recorded once: pages never overlap. */
async function results(job = JOB): Promise<number[]> {
  hive.client.send({ type: 'ResultCredit', job, order: 'index', after: 0, bytes: 100_000 });
  const values: number[] = [];
  for (let isLast = false; !isLast; ) {
    const page = await hive.client.next('Results');
    if (page.count > 0) expect(page.first).toBe(values.length);
    values.push(...page.data);
    isLast = page.last === true;
  }
  return values;
}
/** The same Drone in another session. */
async function cameBack(
  drone: TestPeer,
  leases: Message<'Holdings'>['leases'],
): Promise<{ peer: TestPeer; welcome: Message<'Welcome'> }> {
  const peer = await TestPeer.dial(hive.queen.address);
  peer.hello('drone', { peer: drone.peer, slots: 1, kinds: ['echo'] });
  const welcome = await peer.next('Welcome');
  peer.send({ type: 'Holdings', leases });
  return { peer, welcome };
}

describe('a result page that arrives twice', () => {
  test('in one session is recorded once and acknowledged both times', async () => {
    submit(JOB, 1);
    const { lease } = await hive.worker.next('TaskAssign');
    hive.worker.send(result(lease, 0, 7));
    expect((await hive.worker.next('ResultAck')).leases).toEqual([lease, 1]);
    hive.worker.send(result(lease, 0, 8));
    expect((await hive.worker.next('ResultAck')).leases).toEqual([lease, 1]);
    expect(await results()).toEqual([7]);
    expect(await status()).toMatchObject({ tasksRecorded: 1 });
  });

  test('of a job that goes on is recorded once and acknowledged both times', async () => {
    submit(JOB, 2);
    const { lease } = await hive.worker.next('TaskAssign');
    for (const value of [7, 8]) {
      hive.worker.send(result(lease, 0, value));
      expect((await hive.worker.next('ResultAck')).leases).toEqual([lease, 1]);
    }
    expect(await status()).toMatchObject({ tasksRecorded: 1, duplicateResults: 1 });
    hive.worker.send({ ...result(lease, 0, 9), ...END });
    const { lease: second } = await hive.worker.next('TaskAssign');
    hive.worker.send({ ...result(second, 1, 1), ...END });
    expect(await results()).toEqual([7, 1]);
    expect(await status()).toMatchObject({ tasksRecorded: 2 });
  });

  test('again in another session, because its acknowledgement was lost, is recorded once', async () => {
    submit(JOB, 2);
    const { lease } = await hive.worker.next('TaskAssign');
    hive.worker.send(result(lease, 0, 7));
    await hive.worker.next('ResultAck');
    hive.worker.end();
    const { peer } = await cameBack(hive.worker, []);
    peer.send({ ...result(lease, 0, 8), ended: true });
    expect((await peer.next('ResultAck')).leases).toEqual([lease, 1]);
    peer.send({ type: 'TaskRequest', slots: 1 });
    const { lease: second } = await peer.next('TaskAssign');
    peer.send({ ...result(second, 1, 1), ...END });
    expect(await results()).toEqual([7, 1]);
    expect(await status()).toMatchObject({ tasksRecorded: 2 });
    peer.end();
  });

  test('after a restart of the Queen is recorded once', async () => {
    submit(JOB, 2);
    const { lease } = await hive.worker.next('TaskAssign');
    hive.worker.send(result(lease, 0, 7));
    await hive.worker.next('ResultAck');
    const incarnation = (await status())['incarnation'] as Incarnation;
    const drone = hive.worker;
    await hive.stop();
    await hive.start();
    const { peer } = await cameBack(drone, []);
    peer.send({ ...result(lease, 0, 8), ended: true, incarnation, job: JOB });
    expect(await peer.next('ResultAck')).toMatchObject({ leases: [lease, 1], incarnation });
    const { lease: second } = await hive.worker.next('TaskAssign');
    hive.worker.send({ ...result(second, 1, 1), ...END });
    expect(await results()).toEqual([7, 1]);
    peer.end();
  });
});

test('a lease of a store that was replaced by a backup is not taken for one of the same number', async () => {
  submit(JOB, 2, { priority: 0 });
  await hive.client.next('Accepted');
  // Twice, so that numbers repeat: the backup is of the first opening.
  await hive.stop();
  const backup = `${hive.path}.backup`;
  copyFileSync(hive.path, backup);
  await hive.start();
  const incarnation = (await status())['incarnation'] as Incarnation;
  const queen = (await status())['queen'] as QueenId;
  // After the backup another job, which takes the first number.
  hive.client.send({ type: 'Manage', request: 2, action: 'drain', drone: hive.worker.peer });
  await hive.client.next('Answer');
  const given = hive.worker.received.find(({ type }) => type === 'TaskAssign') as Message<'TaskAssign'>;
  expect(given.job).toBe(JOB);
  const drone = hive.worker;
  await hive.stop();
  for (const file of ['-wal', '-shm']) rmSync(`${hive.path}${file}`, { force: true });
  copyFileSync(backup, hive.path);
  await hive.start();
  expect((await status())['queen']).toBe(queen);
  expect((await status())['incarnation']).not.toBe(incarnation);
  const again = await hive.worker.next('TaskAssign');
  expect(again.lease).toBe(given.lease);
  // The Drone of before still runs its lease of that number: it is told to stop, and the other lease goes on.
  const held = { queen, incarnation, lease: given.lease, job: JOB, ranges: given.ranges, done: 0 };
  const { peer } = await cameBack(drone, [held]);
  expect((await peer.next('CancelTask')).lease).toBe(given.lease);
  // A result for a job that this store does not know, and one for a task that it knows: by index, not by lease.
  peer.send({ ...result(given.lease, 0, 66), incarnation, job: OTHER });
  peer.send({ ...result(given.lease, 1, 1), incarnation, job: JOB });
  peer.send({ ...result(given.lease, 1, 77), incarnation, job: JOB, ended: true });
  for (let acks = 0; acks < 3; acks++) expect((await peer.next('ResultAck')).incarnation).toBe(incarnation);
  hive.worker.send({ ...result(again.lease, 0, 5), ...END });
  expect(await results()).toEqual([5, 1]);
  expect(await status()).toMatchObject({ tasksRecorded: 2, tasksRunning: 0 });
  peer.end();
});
