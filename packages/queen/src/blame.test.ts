import { jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { TEST_KEYS } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
let queen: Queen;
let client: TestPeer;
const peers: TestPeer[] = [];

beforeEach(async () => {
  queen = await startQueen({ port: 0, keys: TEST_KEYS });
  client = await TestPeer.client(queen.address);
});
afterEach(async () => {
  for (const peer of [client, ...peers.splice(0)]) peer.end();
  await queen.stop();
});

function submit(count: number, spec: Partial<Message<'Submit'>['spec']> = {}): void {
  client.send({ type: 'Submit', job: JOB, spec: { kind: 'echo', encoding: 'raw', ...spec } });
  const data = new Uint8Array(count);
  client.send({ type: 'Append', job: JOB, first: 0, count, sizes: 1, data });
  client.send({ type: 'Seal', job: JOB, count });
  client.send({ type: 'ResultCredit', job: JOB, order: 'seq', after: 0, bytes: 1_000_000 });
}

/** What a Drone does with a lease: the prefix that it reports, and whether its process dies then. */
type Behaviour = (indices: readonly number[]) => { done: number; dies: boolean; failed?: readonly number[] };

/** Serves leases until the job is done; a Drone that dies is followed by a new one. Returns how many died. */
async function serve(drones: number, behave: Behaviour): Promise<number> {
  let deaths = 0;
  let isOver = false;
  const loop = async () => {
    while (!isOver) {
      const peer = await TestPeer.drone(queen.address);
      peers.push(peer);
      try {
        while (!isOver) if (answer(peer, await peer.next('TaskAssign'), behave)) break;
      } catch {
        return;
      }
      deaths++;
      peer.end();
      await peer.closed();
    }
  };
  const loops = Array.from({ length: drones }, loop);
  await client.next('JobDone').then((done) => client.received.push(done));
  isOver = true;
  for (const peer of peers) peer.end();
  await Promise.all(loops);
  return deaths;
}

/** Reports what the behaviour says. True when the Drone dies. */
function answer(peer: TestPeer, { lease, ranges }: Message<'TaskAssign'>, behave: Behaviour): boolean {
  const indices: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let k = 0; k < ranges[i + 1]!; k++) indices.push(ranges[i]! + k);
  }
  const { done, dies, failed = [] } = behave(indices);
  for (let at = 0; at < done; at++) {
    const index = indices[at]!;
    const isFailed = failed.includes(index);
    const isLast = !dies && at === done - 1;
    peer.send({
      type: 'TaskComplete',
      lease,
      at,
      first: index,
      count: 1,
      sizes: isFailed ? 0 : 1,
      data: new Uint8Array(isFailed ? 0 : 1),
      busyMicros: 5,
      ...(isFailed && { failures: [{ index, outcome: 'failed' as const, message: 'no' }] }),
      ...(isLast && { ended: true, request: true }),
    });
  }
  return dies;
}

describe('blame', () => {
  test('finds the one task that kills its Drone, and everything else succeeds', async () => {
    const poison = 137;
    submit(300, { crashLimit: 3, backoffMillis: 1, backoffMillisMax: 1 });
    const deaths = await serve(2, (indices) => {
      const at = indices.indexOf(poison);
      return at < 0 ? { done: indices.length, dies: false } : { done: 0, dies: true };
    });
    expect(await client.next('JobDone')).toMatchObject({
      state: 'failed',
      counts: { succeeded: 299, failed: 1 },
    });
    const failures = client.received.flatMap((message) =>
      message.type === 'Results' ? (message.failures ?? []) : [],
    );
    expect(failures).toMatchObject([{ index: poison, outcome: 'crashed', code: 'processLost' }]);
    // Halving finds it in a number of deaths that grows with the logarithm of the lease, and three more convict it.
    expect(deaths).toBeLessThan(20);
  });

  test('a Drone that is killed for no fault of its tasks costs none of them an attempt', async () => {
    submit(50, { retries: 0, crashLimit: 1 });
    let kills = 2;
    await serve(2, (indices) =>
      kills-- > 0 ? { done: 0, dies: true } : { done: indices.length, dies: false },
    );
    expect(await client.next('JobDone')).toMatchObject({ state: 'succeeded', counts: { succeeded: 50 } });
  });
});

describe('quarantine', () => {
  test('a Drone that fails what succeeds elsewhere gets no more work', async () => {
    const bad = await TestPeer.drone(queen.address);
    const good = await TestPeer.drone(queen.address);
    peers.push(bad, good);
    submit(200, { backoffMillis: 1, backoffMillisMax: 1 });
    const runs = { bad: 0, good: 0 };
    const serveOne = async (peer: TestPeer, name: 'bad' | 'good') => {
      for (;;) {
        const assign = await peer.next('TaskAssign').catch(() => null);
        if (assign === null) return;
        answer(peer, assign, (indices) => {
          runs[name] += indices.length;
          return { done: indices.length, dies: false, failed: name === 'bad' ? indices : [] };
        });
      }
    };
    const loops = [serveOne(bad, 'bad'), serveOne(good, 'good')];
    expect(await client.next('JobDone')).toMatchObject({ state: 'succeeded', counts: { succeeded: 200 } });
    client.send({ type: 'Query', request: 1, about: 'drones' });
    const { drones } = (await client.next('Answer')).body as { drones: { id: string; state: string }[] };
    expect(drones.find(({ id }) => id === bad.peer)?.state).toBe('quarantined');
    expect(runs.good).toBe(200);
    for (const peer of peers) peer.end();
    await Promise.all(loops);
  });
});
