/** G10 for tasks that submit work: a Drone's key opens no client's session, but with the token of a lease that runs. */
import { jobId } from '@hive/shared';
import { Keyring, PeerKey, readSecret } from '@hive/shared/node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { folder, removeFoldersAfterEach } from './testing/folders.ts';
import { TestPeer } from './testing/peer.ts';

removeFoldersAfterEach();
const JOB = jobId('01890000-0000-7000-8000-000000000001');
const CHILD = jobId('01890000-0000-7000-8000-000000000002');

let data: string;
let queen: Queen;
const peers: TestPeer[] = [];
beforeEach(async () => {
  data = folder();
  queen = await startQueen({ port: 0, data, keys: Keyring.ofFolder(data) });
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  await queen.stop();
});
async function dial(role: 'drone' | 'client' | 'observer', keyId: string): Promise<TestPeer> {
  const peer = await TestPeer.dial(queen.address, PeerKey.from(readSecret(data)![0], role, keyId));
  peers.push(peer);
  return peer;
}

/** A Drone with the key "aaaa" that runs a task which submits work, and the token of that. */
async function running() {
  const client = await dial('client', 'cccc');
  client.hello('client');
  await client.next('Welcome');
  const spec = {
    kind: 'echo',
    encoding: 'msgpack',
    nested: true,
    range: { start: 0, step: 1, count: 1 },
  } as const;
  client.send({ type: 'Submit', job: JOB, spec });
  await client.next('Accepted');
  const drone = await dial('drone', 'aaaa');
  drone.hello('drone', { slots: 1, kinds: ['echo'] });
  await drone.next('Welcome');
  drone.send({ type: 'Holdings', leases: [] });
  drone.send({ type: 'TaskRequest', slots: 1 });
  const { lease, token } = await drone.next('TaskAssign');
  return { drone, pass: { job: JOB, lease, token: token! } };
}

test('with its token a task is let in by the key of its Drone, submits, and is put out when the task has ended', async () => {
  const { drone, pass } = await running();
  const task = await dial('drone', 'aaaa');
  task.hello('client', { task: pass });
  await task.next('Welcome');
  const spec = {
    kind: 'echo',
    encoding: 'msgpack',
    parent: JOB,
    range: { start: 0, step: 1, count: 1 },
  } as const;
  task.send({ type: 'Submit', job: CHILD, spec });
  expect(await task.next('Accepted')).toMatchObject({ job: CHILD });
  task.send({ type: 'Query', request: 1, about: 'jobs' });
  expect(await task.next('Refused')).toMatchObject({ request: 1, code: 'notPermitted' });
  // Taken in by what keeps files, before the scheduler hears of it, if it were let through.
  task.send({ type: 'BlobHave', hash: 'a'.repeat(64), bytes: 1 });
  expect(await task.next('Refused')).toMatchObject({ code: 'notPermitted' });
  const page = { at: 0, first: 0, count: 1, sizes: 1, data: new Uint8Array(1) };
  drone.send({ type: 'TaskComplete', lease: pass.lease, ...page, busyMicros: 1, ended: true });
  expect(await task.next('Goodbye')).toMatchObject({ code: 'notPermitted' });
  await task.closed();
});

describe('it is rejected', () => {
  const rejected = async (peer: TestPeer) =>
    expect(await peer.next('Reject')).toMatchObject({ code: 'badRole' });

  test('without a token', async () => {
    const peer = await dial('drone', 'aaaa');
    peer.hello('client');
    await rejected(peer);
  });

  test.each([
    ['with another token', { token: new Uint8Array(32) }],
    ['with none at all', { token: new Uint8Array(0) }],
    ['for another lease', { lease: 99 as never }],
    ['for another job', { job: CHILD }],
  ])('%s', async (_, wrong) => {
    const { pass } = await running();
    const peer = await dial('drone', 'aaaa');
    peer.hello('client', { task: { ...pass, ...wrong } });
    await rejected(peer);
  });

  test('with the key of another Drone, or of an observer', async () => {
    const { pass } = await running();
    for (const [role, keyId] of [
      ['drone', 'bbbb'],
      ['observer', 'aaaa'],
    ] as const) {
      const peer = await dial(role, keyId);
      peer.hello('client', { task: pass });
      await rejected(peer);
    }
  });

  test('in another role', async () => {
    const { pass } = await running();
    for (const role of ['observer', 'node', 'drone'] as const) {
      const peer = await dial('drone', 'aaaa');
      peer.hello(role, { task: pass, ...(role === 'drone' ? { slots: 1, kinds: ['echo'] } : {}) });
      await rejected(peer);
    }
  });
});
