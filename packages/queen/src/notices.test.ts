/** What people are told comes in an order that makes sense to them. */
import { jobId, type Message } from '@hive/shared';
import { afterEach, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import type { Notice } from './scheduler/index.ts';
import { TEST_KEYS } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

const JOB = jobId('018f3c5e-7a10-7c3e-9f2b-3d5a60c41e77');
const peers: TestPeer[] = [];
let queen: Queen | null = null;
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await queen?.stop();
});

/** A Queen who notes what she tells, and a job of one echo task that has run. */
async function runOne(isVerbose: boolean, display: string): Promise<Notice[]> {
  const told: Notice[] = [];
  queen = await startQueen({
    port: 0,
    keys: TEST_KEYS,
    onEvent: (event) => told.push(event),
    showValues: isVerbose,
  });
  const drone = await TestPeer.drone(queen.address);
  const client = await TestPeer.client(queen.address);
  peers.push(drone, client);
  client.send({ type: 'Submit', job: JOB, spec: { kind: 'echo', encoding: 'msgpack' } });
  client.send({ type: 'Append', job: JOB, first: 0, count: 1, sizes: 2, data: Uint8Array.of(0xa1, 0x78) });
  client.send({ type: 'Seal', job: JOB, count: 1 });
  const { lease } = (await drone.next('TaskAssign')) as Message<'TaskAssign'>;
  drone.send({
    type: 'TaskComplete',
    lease,
    at: 0,
    first: 0,
    count: 1,
    sizes: 2,
    data: Uint8Array.of(0xa1, 0x79),
    busyMicros: 1,
    ended: true,
    request: true,
    display,
  });
  await client.next('JobDone');
  return told;
}

test('the last reply is told before the end of its job', async () => {
  const told = await runOne(false, '"y"');
  expect(told.map(({ type }) => type)).toEqual(['droneJoined', 'jobAccepted', 'replyReceived', 'jobEnded']);
  expect(told[2]).not.toHaveProperty('value');
});

test('a reply is told with its whole value to whoever asked for that', async () => {
  const told = await runOne(true, '"y…');
  expect(told[2]).toMatchObject({ type: 'replyReceived', display: '"y…', value: '"y"' });
});
