import { jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TestPeer } from './testing/peer.ts';
import { Setting } from './testing/setting.ts';

const FIRST = jobId('01890000-0000-7000-8000-000000000001');
const SECOND = jobId('01890000-0000-7000-8000-000000000002');
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'msgpack', attached: false, retries: 0 };
const range = { start: 0, step: 1, count: 1 };

let hive: Setting;
beforeEach(async () => {
  hive = new Setting('memory');
  await hive.start();
});
afterEach(() => hive.dispose());

function manage(what: Omit<Message<'Manage'>, 'type' | 'request'>): void {
  hive.client.send({ type: 'Manage', request: 1, ...what });
}
/** The one task of a range job fails on the Drone. */
async function fail(): Promise<void> {
  const { lease } = await hive.worker.next('TaskAssign');
  const failures = [{ index: 0, outcome: 'failed' as const, message: 'no' }];
  const data = new Uint8Array(0);
  const page = { at: 0, first: 0, count: 1, sizes: 0, data };
  hive.worker.send({
    type: 'TaskComplete',
    lease,
    ...page,
    busyMicros: 1,
    failures,
    ended: true,
    request: true,
  });
}

test('a drained Drone that dials again gets no work until it is to go on', async () => {
  manage({ action: 'drain', drone: 'test drone' });
  await hive.client.next('Answer');
  const { peer } = hive.worker;
  hive.worker.end();
  hive.worker = await TestPeer.dial(hive.queen.address);
  hive.worker.hello('drone', { peer, slots: 1, kinds: ['echo'] });
  await hive.worker.next('Welcome');
  hive.worker.send({ type: 'Holdings', leases: [] });
  hive.worker.send({ type: 'TaskRequest', slots: 1 });
  hive.client.send({ type: 'Submit', job: FIRST, spec: { ...SPEC, range } });
  hive.worker.send({ type: 'Heartbeat' });
  await hive.client.next('Accepted');
  await hive.worker.next('Heartbeat');
  expect(hive.worker.received.map(({ type }) => type)).not.toContain('TaskAssign');
  manage({ action: 'resume', drone: 'test drone' });
  expect(await hive.worker.next('TaskAssign')).toMatchObject({ job: FIRST });
});

test('a range job that comes after another does not start before it', async () => {
  hive.client.send({ type: 'Submit', job: FIRST, spec: { ...SPEC, range } });
  const { lease } = await hive.worker.next('TaskAssign');
  const after = [{ job: FIRST, on: 'end' as const }];
  hive.worker.send({ type: 'TaskRequest', slots: 1 });
  hive.client.send({ type: 'Submit', job: SECOND, spec: { ...SPEC, range, after } });
  hive.client.send({ type: 'Query', request: 2, about: 'job', job: SECOND });
  expect(await hive.client.next('Answer')).toMatchObject({
    body: { state: 'waiting', counts: { running: 0 } },
  });
  expect(hive.worker.received.map(({ type }) => type)).not.toContain('TaskAssign');
  const page = { at: 0, first: 0, count: 1, sizes: 1, data: Uint8Array.of(1) };
  hive.worker.send({ type: 'TaskComplete', lease, ...page, busyMicros: 1, ended: true, request: true });
  expect(await hive.worker.next('TaskAssign')).toMatchObject({ job: SECOND });
});

test('a job whose forerunner failed and was removed is not retried into running', async () => {
  hive.client.send({ type: 'Submit', job: FIRST, spec: { ...SPEC, range } });
  const after = [{ job: FIRST, on: 'success' as const }];
  hive.client.send({ type: 'Submit', job: SECOND, spec: { ...SPEC, range, after } });
  await fail();
  expect(await hive.client.next('JobDone')).toMatchObject({ job: FIRST, state: 'failed' });
  expect(await hive.client.next('JobDone')).toMatchObject({ job: SECOND, state: 'cancelled' });
  manage({ action: 'gc', job: FIRST });
  expect(await hive.client.next('Answer')).toMatchObject({ body: { removed: 1 } });
  manage({ action: 'retry', job: SECOND });
  expect(await hive.client.next('Refused')).toMatchObject({
    code: 'badSpec',
    message: expect.stringContaining(`after job ${FIRST}, which is not here any more`),
  });
});
