/** A disk that takes its time: the Queen goes on with everything that does not wait for it. */
import { jobId } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { type Queen, startQueen } from './queen.ts';
import { folder, removeFoldersAfterEach } from './testing/folders.ts';
import { TEST_KEYS } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

removeFoldersAfterEach();
const job = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);
const SPEC = { kind: 'echo', encoding: 'raw', attached: false } as const;

describe('on a slow disk', () => {
  let queen: Queen;
  let data: string;
  const peers: TestPeer[] = [];
  const client = async () => {
    const peer = await TestPeer.client(queen.address);
    peers.push(peer);
    return peer;
  };
  beforeEach(async () => {
    data = folder();
    queen = await startQueen({ port: 0, keys: TEST_KEYS, store: 'sqlite', data, simulatedCommitMillis: 150 });
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.end();
    await queen.stop();
  });

  test('heartbeats are answered and other sessions served while a commit is under way', async () => {
    const [one, two] = [await client(), await client()];
    one.send({ type: 'Submit', job: job(1), spec: SPEC });
    // A hundred of them come and go, on old and new sessions, before the one commit has ended.
    for (let beat = 0; beat < 100; beat++) {
      const peer = beat === 50 ? await client() : beat % 2 === 0 ? one : two;
      peer.send({ type: 'Heartbeat' });
      await peer.next('Heartbeat');
      if (one.received.some(({ type }) => type === 'Accepted')) throw new Error(`only ${beat} heartbeats`);
    }
    await one.next('Accepted');
  });

  test('an assignment does not wait for the commit of what it assigns', async () => {
    const worker = await TestPeer.drone(queen.address);
    peers.push(worker);
    const one = await client();
    one.send({ type: 'Submit', job: job(1), spec: SPEC });
    one.send({ type: 'Append', job: job(1), first: 0, count: 1, sizes: 1, data: Uint8Array.of(5) });
    await worker.next('TaskAssign');
    expect(one.received.filter(({ type }) => type === 'Accepted' || type === 'InputCredit')).toEqual([]);
    await one.next('InputCredit');
  });

  test('one commit takes all that gathered during the one before', async () => {
    const one = await client();
    for (let n = 1; n <= 40; n++) {
      one.send({ type: 'Submit', job: job(n), spec: SPEC });
      // Each in a turn of its own.
      one.send({ type: 'Heartbeat' });
      await one.next('Heartbeat');
    }
    for (let n = 1; n <= 40; n++) await one.next('Accepted');
    const database = new Database(`${data}/hive.db`, { readonly: true });
    const batches = Number(database.prepare("SELECT value FROM meta WHERE key = 'batch'").pluck().get());
    database.close();
    expect(batches).toBeLessThan(10);
  });
});
