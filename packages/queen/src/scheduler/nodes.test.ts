import { jobId, LIMITS, type Message, peerId, sessionNumber } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Scheduler } from './index.ts';

const JOB = jobId('00000000-0000-7000-8000-000000000001');
const STRANGE = jobId('00000000-0000-7000-8000-000000000002');
const NODE = 'd'.repeat(32);
const CLIENT = sessionNumber(1);
let scheduler: Scheduler;
beforeEach(() => {
  scheduler = new Scheduler({
    queen: 'a'.repeat(32),
    incarnation: 'b'.repeat(16),
    epoch: 1,
    name: 'queen',
    store: 'memory',
    isDurable: false,
    startedAt: 0,
    formatTime: (at) => `minute ${at}`,
    chance: () => 0.5,
  });
  const hello: Message<'Hello'> = {
    type: 'Hello',
    magic: 'hive',
    protocolMin: 1,
    protocolMax: 1,
    role: 'client',
    peer: peerId('c'.repeat(32)),
    name: 'client',
    capabilities: [],
  };
  scheduler.step({ type: 'peerJoined', session: CLIENT, hello, address: '', sessionId: 'e'.repeat(32) }, 0);
});

function hear(state: string): void {
  const body = { id: JOB, node: NODE, state, createdAt: '2026-01-01T00:00:00.000Z' };
  const facts = {
    node: NODE,
    name: 'attic-1',
    version: '1',
    addresses: ['10.0.0.9:8080'],
    state: 'IDLE' as const,
    slots: 1,
    busySlots: 0,
    queue: 0,
  };
  scheduler.step({ type: 'nodeHeard', facts, jobs: [body] }, 0);
}
/** What is answered to a message: the body, or the sentence of a refusal. */
function ask(message: Message): unknown {
  const { now, afterCommit } = scheduler.step({ type: 'messageReceived', session: CLIENT, message }, 0);
  const [send] = [...now, ...afterCommit];
  const reply = send?.message as Message<'Answer' | 'Refused'> | undefined;
  return reply?.type === 'Answer' ? reply.body : reply?.message;
}

describe('a job of a node that is away', () => {
  const away = 'The job belongs to the node attic-1, which is away, last heard of at minute 0';

  test.each<[string, (job: typeof JOB) => Message]>([
    ['cancel', (job) => ({ type: 'Cancel', request: 1, job })],
    ['retry', (job) => ({ type: 'Manage', request: 1, action: 'retry', job })],
    ['gc', (job) => ({ type: 'Manage', request: 1, action: 'gc', job })],
  ])('is refused to %s, with the name of its node; one that nobody knows is not there', (_, message) => {
    hear('running');
    expect(ask(message(JOB))).toMatch(`${away}; it goes on when that is back. Ask again then.`);
    expect(ask(message(STRANGE))).toBe(`There is no job ${STRANGE} here.`);
  });

  test.each([
    ['waiting', 'it was waiting.'],
    ['succeeded', 'it had succeeded.'],
    ['failed', 'it had failed.'],
    ['cancelled', 'it was cancelled.'],
  ])('that was heard of as %s is explained so', (state, words) => {
    hear(state);
    expect(ask({ type: 'Query', request: 1, about: 'explain', job: JOB })).toEqual({
      job: JOB,
      lines: [`${away}; it goes on when that is back. Ask again then.`, `Last known, at minute 0: ${words}`],
    });
  });
});

test('of more jobs than are remembered the newest are, and hearing the same again records nothing', () => {
  const nodes = ['1', '2'].map((name) => name.repeat(32));
  const at = (n: number) => new Date(n).toISOString();
  const jobOf = (node: string, n: number) => ({
    id: `00000000-0000-7000-8000-${node.slice(0, 4)}${String(n).padStart(8, '0')}`,
    node,
    state: 'succeeded',
    createdAt: at(n),
  });
  const hearAll = (count: number) =>
    nodes.flatMap((node) => {
      const jobs = Array.from({ length: count }, (_, k) => jobOf(node, count - k));
      const facts = { node, name: 'n', version: '1', addresses: ['10.0.0.9:8080'], slots: 1, busySlots: 0 };
      const event = { type: 'nodeHeard', facts: { ...facts, state: 'IDLE', queue: 0 }, jobs } as const;
      return scheduler.step(event, 0).append.map(({ type }) => type);
    });
  const remembered = () =>
    [...scheduler.state.elsewhere.values()].map(({ body }) => String(body['createdAt']));
  const max = LIMITS.jobsElsewhereMax;

  hearAll(max);
  expect(remembered()).toHaveLength(max);
  expect(remembered().filter((createdAt) => createdAt <= at(max / 2 - 1))).toEqual([]);
  expect(hearAll(max)).toEqual([]);
  // A new one of each takes the place of an old one.
  expect(hearAll(max + 1)).toEqual(['jobHeard', 'jobUnheard', 'jobHeard', 'jobUnheard']);
  expect(remembered()).toHaveLength(max);
});
