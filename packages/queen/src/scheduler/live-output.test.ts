import { jobId, type Message, PageBuilder, peerId, type SessionNumber, sessionNumber } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Scheduler, type Send } from './index.ts';

const JOB = jobId('00000000-0000-7000-8000-000000000001');
const [DRONE, OWNER, WATCHER] = [1, 2, 3].map((n) => sessionNumber(n)) as [
  SessionNumber,
  SessionNumber,
  SessionNumber,
];
let scheduler: Scheduler;
let sent: Send[];
beforeEach(() => {
  scheduler = new Scheduler({
    queen: 'a'.repeat(32),
    incarnation: 'b'.repeat(16),
    epoch: 1,
    name: 'queen',
    store: 'memory',
    isDurable: false,
    startedAt: 0,
    formatTime: String,
    chance: () => 0.5,
  });
  sent = [];
  join(DRONE, 'drone');
  join(OWNER, 'client');
  join(WATCHER, 'client');
  say(DRONE, { type: 'Holdings', leases: [] });
  say(DRONE, { type: 'TaskRequest', slots: 1 });
  say(OWNER, { type: 'Submit', job: JOB, spec: { kind: 'command', encoding: 'msgpack', attached: false } });
});

function step(event: Parameters<Scheduler['step']>[0]): void {
  const { now, afterCommit } = scheduler.step(event, 0);
  sent.push(...now, ...afterCommit);
}
function join(session: SessionNumber, role: 'drone' | 'client'): void {
  const hello: Message<'Hello'> = {
    type: 'Hello',
    magic: 'hive',
    protocolMin: 1,
    protocolMax: 1,
    role,
    peer: peerId(String(session).padStart(32, '0')),
    name: `${role} ${session}`,
    capabilities: [],
    ...(role === 'drone' ? { slots: 1, kinds: ['command'] } : {}),
  };
  step({ type: 'peerJoined', session, hello, address: '', sessionId: 'c'.repeat(32) });
}
function say(session: SessionNumber, message: Message): void {
  step({ type: 'messageReceived', session, message });
  step({ type: 'settled' });
}
function heard(session: SessionNumber, ...types: Message['type'][]): Message[] {
  return sent
    .filter((send) => send.session === session && types.includes(send.message.type))
    .map(({ message }) => message);
}
function append(): void {
  const builder = new PageBuilder();
  builder.push(new Uint8Array([0xc0]));
  say(OWNER, { type: 'Append', job: JOB, ...builder.take() });
}
const output: Message<'TaskOutput'> = {
  type: 'TaskOutput',
  lease: 1 as never,
  index: 0,
  stream: 'stdout',
  offset: 0,
  data: new Uint8Array([7]),
};
const watch = (on: boolean): Message => ({ type: 'WatchOutput', job: JOB, on });

describe('what tasks print', () => {
  test('is asked of Drones that get a lease of a watched job, and passed on to who watches', () => {
    say(WATCHER, watch(true));
    append();
    expect(heard(DRONE, 'JobSpec', 'WatchOutput', 'TaskAssign').map(({ type }) => type)).toEqual([
      'JobSpec',
      'WatchOutput',
      'TaskAssign',
    ]);
    say(DRONE, output);
    expect(heard(WATCHER, 'Output')).toEqual([{ ...output, type: 'Output', job: JOB }]);
    expect(heard(OWNER, 'Output')).toEqual([]);
  });

  test('begins again with every watcher, and stops with the last one', () => {
    append();
    say(WATCHER, watch(true));
    say(OWNER, watch(true));
    say(WATCHER, watch(false));
    expect(heard(DRONE, 'WatchOutput')).toEqual([watch(true), watch(true)]);
    step({ type: 'sessionClosed', session: OWNER, reason: 'gone' });
    expect(heard(DRONE, 'WatchOutput')).toEqual([watch(true), watch(true), watch(false)]);
    say(DRONE, output);
    expect(heard(WATCHER, 'Output')).toEqual([]);
  });

  test('is not sent to a watcher who does not read', () => {
    append();
    say(WATCHER, watch(true));
    step({ type: 'sessionClogged', session: WATCHER, isClogged: true });
    say(DRONE, output);
    step({ type: 'sessionClogged', session: WATCHER, isClogged: false });
    say(DRONE, { ...output, offset: 1 });
    expect(heard(WATCHER, 'Output')).toMatchObject([{ offset: 1 }]);
  });

  test('of a lease that this Drone does not hold is passed over, and of a task that is none breaks the protocol', () => {
    append();
    say(WATCHER, watch(true));
    say(DRONE, { ...output, lease: 9 as never });
    expect(heard(WATCHER, 'Output')).toEqual([]);
    const { close } = scheduler.step(
      { type: 'messageReceived', session: DRONE, message: { ...output, index: 5 } },
      0,
    );
    expect(close).toMatchObject([{ session: DRONE, goodbye: { code: 'protocolError' } }]);
  });

  test('of a job that is not there is nothing, and no error', () => {
    say(WATCHER, { type: 'WatchOutput', job: jobId('00000000-0000-7000-8000-000000000009'), on: true });
    expect(heard(WATCHER, 'Refused', 'Goodbye', 'Output')).toEqual([]);
  });
});
