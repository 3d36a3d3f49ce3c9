import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jobId, LIMITS, type Message } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from '../queen.ts';
import { Scheduler } from '../scheduler/index.ts';
import { folder, removeFoldersAfterEach } from '../testing/folders.ts';
import { TEST_KEYS, testKey } from '../testing/keys.ts';
import { TestPeer } from '../testing/peer.ts';
import { BlobDesk } from './desk.ts';
import { BlobShelf } from './shelf.ts';

removeFoldersAfterEach();
const hashOf = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const job = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);
let data: string;
let queen: Queen;
let client: TestPeer;
const peers: TestPeer[] = [];

async function start(): Promise<void> {
  queen = await startQueen({ port: 0, keys: TEST_KEYS, store: 'sqlite', data });
  client = await newClient();
}
async function newClient(): Promise<TestPeer> {
  const peer = await TestPeer.client(queen.address);
  peers.push(peer);
  return peer;
}
async function stop(): Promise<void> {
  for (const peer of peers.splice(0)) peer.end();
  await queen.stop();
}
beforeEach(async () => {
  data = folder();
  await start();
});
afterEach(stop);

const have = (peer: TestPeer, bytes: Uint8Array, hash = hashOf(bytes)) =>
  peer.send({ type: 'BlobHave', hash, bytes: bytes.length });
/** Gives what is asked for until something else than a question comes. */
async function give(peer: TestPeer, bytes: Uint8Array): Promise<Message> {
  for (;;) {
    const at = peer.received.findIndex(({ type }) => ['BlobGet', 'BlobHave', 'Refused'].includes(type));
    const [message] = at < 0 ? [] : peer.received.splice(at, 1);
    if (message === undefined) await new Promise((resolve) => setImmediate(resolve));
    else if (message.type !== 'BlobGet') return message;
    else {
      const { hash, offset, length } = message;
      peer.send({ type: 'BlobChunk', hash, offset, data: bytes.subarray(offset, offset + length) });
    }
  }
}
const submit = (peer: TestPeer, n: number, blobs: string[]) =>
  peer.send({ type: 'Submit', job: job(n), spec: { kind: 'echo', encoding: 'raw', attached: false, blobs } });
const fileOf = (hash: string) => join(data, 'blobs', hash);

describe('a Queen', () => {
  test('takes a blob in, and wants the same one no second time, not even after a restart', async () => {
    const bytes = Buffer.alloc(3 * LIMITS.chunkBytesMax + 5, 'x');
    have(client, bytes);
    expect(await give(client, bytes)).toMatchObject({
      type: 'BlobHave',
      hash: hashOf(bytes),
      bytes: bytes.length,
    });
    expect(readFileSync(fileOf(hashOf(bytes)))).toEqual(bytes);
    have(client, bytes);
    expect(await client.next('BlobHave')).toMatchObject({ hash: hashOf(bytes) });
    await stop();
    await start();
    have(client, bytes);
    expect(await client.next('BlobHave')).toMatchObject({ bytes: bytes.length });
    expect(client.received.filter(({ type }) => type === 'BlobGet')).toEqual([]);
  });

  test('takes an empty one', async () => {
    have(client, Buffer.alloc(0));
    expect(await client.next('BlobHave')).toMatchObject({ bytes: 0 });
  });

  test('refuses bytes with another hash, and keeps nothing of them', async () => {
    const bytes = Buffer.from('something else');
    have(client, bytes, hashOf('this'));
    const refused = await give(client, bytes);
    expect(refused).toMatchObject({ type: 'Refused', code: 'badBlob', blob: hashOf('this') });
    expect(readdirSync(join(data, 'blobs'))).toEqual(['incoming']);
    expect(readdirSync(join(data, 'blobs', 'incoming'))).toEqual([]);
    // The session goes on.
    have(client, bytes);
    expect(await give(client, bytes)).toMatchObject({ type: 'BlobHave' });
  });

  test('asks another client that has the same when the first one goes', async () => {
    const other = await newClient();
    const bytes = Buffer.from('both have it');
    have(client, bytes);
    await client.next('BlobGet');
    have(other, bytes);
    // What it says next is answered only after what it said before was seen.
    other.send({ type: 'Query', request: 1, about: 'status' });
    await other.next('Answer');
    client.end();
    expect(await give(other, bytes)).toMatchObject({ type: 'BlobHave' });
  });

  test('who ends in the middle of one has nothing of it afterwards', async () => {
    const bytes = Buffer.alloc(2 * LIMITS.chunkBytesMax, 'y');
    have(client, bytes);
    const { hash, offset, length } = await client.next('BlobGet');
    client.send({ type: 'BlobChunk', hash, offset, data: bytes.subarray(0, length) });
    await client.next('BlobGet');
    await stop();
    // As after kill -9, too: what has no name yet is removed at the next start.
    writeFileSync(join(data, 'blobs', 'incoming', '99'), 'half');
    await start();
    expect(readdirSync(join(data, 'blobs', 'incoming'))).toEqual([]);
    submit(client, 1, [hash]);
    expect(await client.next('Refused')).toMatchObject({ job: job(1), code: 'unknownBlob' });
    have(client, bytes);
    expect(await give(client, bytes)).toMatchObject({ type: 'BlobHave' });
    submit(client, 1, [hash]);
    expect(await client.next('Accepted')).toMatchObject({ job: job(1) });
  });

  test('lets a Drone read the blobs of its jobs, and no others', async () => {
    const [mine, other] = [Buffer.from('mine'), Buffer.from('other')];
    for (const bytes of [mine, other]) {
      have(client, bytes);
      await give(client, bytes);
    }
    const drone = await TestPeer.drone(queen.address);
    peers.push(drone);
    submit(client, 2, [hashOf(mine)]);
    await client.next('Accepted');
    client.send({ type: 'Append', job: job(2), first: 0, count: 1, sizes: 1, data: Buffer.from('a') });
    await drone.next('TaskAssign');
    drone.send({ type: 'BlobGet', hash: hashOf(mine), offset: 0, length: 100 });
    expect(await drone.next('BlobChunk')).toMatchObject({ last: true, bytes: 4 });
    drone.send({ type: 'BlobGet', hash: hashOf(other), offset: 0, length: 100 });
    const refused = await drone.next('BlobChunk');
    expect(refused).toMatchObject({ error: 'no job of this Drone needs the blob' });
    expect(refused.data).toHaveLength(0);
    // A client may see any job.
    client.send({ type: 'BlobGet', hash: hashOf(mine), offset: 1, length: 2 });
    expect(Buffer.from((await client.next('BlobChunk')).data).toString()).toBe('in');
  });

  test('takes none from a Drone or an observer', async () => {
    const drone = await TestPeer.drone(queen.address);
    peers.push(drone);
    drone.send({ type: 'BlobHave', hash: hashOf('a'), bytes: 1 } as never);
    expect((await drone.next('Goodbye')).message).toContain('a drone may not send BlobHave');
    const observer = await TestPeer.dial(queen.address, testKey('observer'));
    peers.push(observer);
    observer.hello('observer');
    await observer.next('Welcome');
    observer.send({ type: 'BlobHave', hash: hashOf('a'), bytes: 1 });
    expect(await observer.next('Refused')).toMatchObject({ code: 'notPermitted' });
  });
});

describe('blobs that no job needs', () => {
  const identity = {
    queen: '0'.repeat(32),
    incarnation: '0'.repeat(16),
    epoch: 1,
    name: 'q',
    store: 'memory',
    isDurable: false,
    startedAt: 0,
    formatTime: String,
    chance: () => 0,
  };
  /** A desk on a folder with these blobs, last used so many milliseconds ago. */
  function deskWith(ages: Readonly<Record<string, number>>, scheduler: Scheduler, bytes = 10) {
    const now = 1_000_000_000_000;
    const path = join(data, 'other');
    mkdirSync(path);
    for (const [text, age] of Object.entries(ages)) {
      const file = join(path, hashOf(text));
      writeFileSync(file, Buffer.alloc(bytes));
      utimesSync(file, (now - age) / 1_000, (now - age) / 1_000);
    }
    const shelf = new BlobShelf(path, true);
    shelf.open();
    const doors = { shelf, scheduler, connectionOf: () => undefined, now: () => now, isSettled: () => true };
    const desk = new BlobDesk(doors);
    desk.stop();
    return { desk, shelf, isThere: (text: string) => existsSync(join(path, hashOf(text))) };
  }
  const hour = 3_600_000;

  test('go a day after their last use; those of a job stay', async () => {
    const scheduler = new Scheduler(identity as never);
    scheduler.state.jobs.set(job(1), { spec: { blobs: [hashOf('needed')] } } as never);
    const ages = { needed: 48 * hour, old: 25 * hour, young: 2 * hour };
    const { desk, isThere, shelf } = deskWith(ages, scheduler);
    await desk.tidy();
    expect(['needed', 'old', 'young'].map(isThere)).toEqual([true, false, true]);
    await shelf.close(false);
  });

  test('go earlier when the disk is nearly full, but not in their first minute', async () => {
    const scheduler = new Scheduler(identity as never);
    scheduler.step({ type: 'storeFilled', isLow: true }, 0);
    const { desk, isThere, shelf } = deskWith({ old: 2 * hour, now: 1_000 }, scheduler);
    await desk.tidy();
    expect(['old', 'now'].map(isThere)).toEqual([false, true]);
    await shelf.close(false);
  });
});
