/** A disk that takes its time, as long as the test likes: the Queen goes on with everything that does not wait for it. */
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
  /** A commit that waited in the Queen's own thread would have given up before anything else was done. */
  const problems: unknown[] = [];
  const client = async () => {
    const peer = await TestPeer.client(queen.address);
    peers.push(peer);
    return peer;
  };
  /** Whoever has begun a transaction that writes holds up every commit. */
  let disk: Database.Database;
  const standsStill = () => disk.exec('BEGIN IMMEDIATE');
  const goesOn = () => disk.exec('COMMIT');
  const batches = () => Number(disk.prepare("SELECT value FROM meta WHERE key = 'batch'").pluck().get() ?? 0);
  beforeEach(async () => {
    data = folder();
    problems.length = 0;
    queen = await startQueen({
      port: 0,
      keys: TEST_KEYS,
      store: 'sqlite',
      data,
      simulatedCommitMillis: 1,
      onStoreProblem: (problem) => problems.push(problem),
    });
    disk = new Database(`${data}/hive.db`);
  });
  afterEach(async () => {
    disk.close();
    for (const peer of peers.splice(0)) peer.end();
    await queen.stop();
  });

  test('heartbeats are answered and other sessions served while a commit is under way', async () => {
    const [one, two] = [await client(), await client()];
    standsStill();
    one.send({ type: 'Submit', job: job(1), spec: SPEC });
    // They come and go, on old and new sessions, while the one commit is under way.
    for (let beat = 0; beat < 20; beat++) {
      const peer = beat === 10 ? await client() : beat % 2 === 0 ? one : two;
      peer.send({ type: 'Heartbeat' });
      await peer.next('Heartbeat');
    }
    expect(one.received.map(({ type }) => type)).not.toContain('Accepted');
    expect(problems).toEqual([]);
    goesOn();
    await one.next('Accepted');
  });

  test('an assignment does not wait for the commit of what it assigns', async () => {
    const worker = await TestPeer.drone(queen.address);
    peers.push(worker);
    const one = await client();
    standsStill();
    one.send({ type: 'Submit', job: job(1), spec: SPEC });
    one.send({ type: 'Append', job: job(1), first: 0, count: 1, sizes: 1, data: Uint8Array.of(5) });
    await worker.next('TaskAssign');
    expect(one.received.filter(({ type }) => type === 'Accepted' || type === 'InputCredit')).toEqual([]);
    goesOn();
    await one.next('InputCredit');
  });

  test('one commit takes all that gathered during the one before', async () => {
    const one = await client();
    standsStill();
    const before = batches();
    for (let n = 1; n <= 40; n++) {
      one.send({ type: 'Submit', job: job(n), spec: SPEC });
      // Each in a turn of its own.
      one.send({ type: 'Heartbeat' });
      await one.next('Heartbeat');
    }
    goesOn();
    for (let n = 1; n <= 40; n++) await one.next('Accepted');
    // The one that was under way, and one for all others.
    expect(batches() - before).toBe(2);
  });
});
