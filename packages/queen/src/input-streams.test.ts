import { jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TestPeer } from './testing/peer.ts';
import { Setting } from './testing/setting.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const SPEC: Message<'Submit'>['spec'] = { kind: 'hash', encoding: 'msgpack' };
const BYTES = 2_000_000;

let hive: Setting;
beforeEach(async () => {
  hive = new Setting('memory');
  await hive.start();
});
afterEach(() => hive.dispose());

/** A job of one large input; its Drone has asked for the first part. */
async function pulling(): Promise<Message<'StreamGet'>> {
  const data = new Uint8Array(0);
  hive.client.send({ type: 'Submit', job: JOB, spec: SPEC });
  const streams = [{ index: 0, bytes: BYTES }];
  hive.client.send({ type: 'Append', job: JOB, first: 0, count: 1, sizes: 0, data, streams });
  hive.client.send({ type: 'Seal', job: JOB, count: 1 });
  const { lease } = await hive.worker.next('TaskAssign');
  return { type: 'StreamGet', job: JOB, index: 0, direction: 'in', offset: 0, length: 1_000, lease };
}

test('what a client was asked for when it died is asked of the one that takes its job up', async () => {
  const get = await pulling();
  hive.worker.send(get);
  expect(await hive.client.next('StreamGet')).toEqual(get);
  hive.client.end();
  hive.client = await TestPeer.client(hive.queen.address);
  hive.client.send({ type: 'Submit', job: JOB, spec: SPEC });
  expect(await hive.client.next('StreamGet')).toEqual(get);
  const { length: _, ...place } = get;
  hive.client.send({ ...place, type: 'StreamChunk', data: new Uint8Array(1_000) });
  expect(await hive.worker.next('StreamChunk')).toMatchObject({ index: 0, offset: 0 });
});

test('what was answered is not asked again', async () => {
  const get = await pulling();
  hive.worker.send(get);
  const { length: _, ...place } = await hive.client.next('StreamGet');
  hive.client.send({ ...place, type: 'StreamChunk', data: new Uint8Array(1_000) });
  await hive.worker.next('StreamChunk');
  hive.worker.send({ ...get, offset: 1_000 });
  await hive.client.next('StreamGet');
  hive.client.send({ type: 'Submit', job: JOB, spec: SPEC });
  expect(await hive.client.next('StreamGet')).toMatchObject({ offset: 1_000 });
  expect(hive.client.received.filter(({ type }) => type === 'StreamGet')).toEqual([]);
});

test('a Drone that asks while the client is away waits for it', async () => {
  const get = await pulling();
  hive.client.end();
  // Whether the Queen has heard that the client is gone or not, the next one is asked.
  hive.worker.send(get);
  hive.client = await TestPeer.client(hive.queen.address);
  hive.client.send({ type: 'Submit', job: JOB, spec: SPEC });
  expect(await hive.client.next('StreamGet')).toEqual(get);
});
