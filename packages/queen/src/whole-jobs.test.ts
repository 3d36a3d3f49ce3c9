/** Jobs that come with all of their inputs in one message, sealed: taken whole or not at all, once, by who may. */
import { jobId, LIMITS, type Message, peerId, type SessionNumber, sessionNumber } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

type Submit = Message<'Submit'>;
const id = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);
const JOB = id(1);
const SPEC: Submit['spec'] = { kind: 'echo', encoding: 'msgpack', attached: false, retries: 0 };
const inputs = (count: number): NonNullable<Submit['inputs']> => ({
  count,
  sizes: 1,
  data: new Uint8Array(count),
});
const whole = (count: number, more: Partial<Submit> = {}): Submit => ({
  type: 'Submit',
  job: JOB,
  spec: SPEC,
  inputs: inputs(count),
  ...more,
});

let stage: Stage;
let client: SessionNumber;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
  stage.said.length = 0;
});
const refusal = () => stage.take('Refused')?.code;
const recorded = () => stage.log.map(({ type }) => type);
/** The next lease is run. */
function run(drone: SessionNumber, how?: { fails?: boolean }): void {
  stage.complete(drone, stage.take('TaskAssign')!, how);
}

describe('a job that comes whole', () => {
  test('is answered once, sealed, and its records are issued together', () => {
    const before = stage.log.length;
    stage.now = 1_500;
    stage.say(client, whole(3));
    expect(stage.take('Accepted')).toEqual({
      type: 'Accepted',
      job: JOB,
      count: 3,
      sealed: true,
      bytes: LIMITS.inputBytesHeldMax,
      state: 'waiting',
      createdAt: '1970-01-01T00:00:01.500Z',
    });
    expect(recorded().slice(before)).toEqual(['jobSubmitted', 'inputsAppended', 'jobSealed']);
    expect(stage.said).toEqual([]);
  });

  test('runs and ends like any other', () => {
    stage.say(client, whole(3));
    const drone = stage.drone();
    while (stage.job(JOB).isActive) run(drone);
    expect(stage.outcomes(JOB)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(stage.take('JobDone')).toMatchObject({ job: JOB, state: 'succeeded' });
  });

  test('may have no inputs at all, and has ended then', () => {
    stage.say(client, whole(0));
    expect(stage.take('Accepted')).toMatchObject({ count: 0, sealed: true });
    expect(stage.take('JobDone')).toMatchObject({ state: 'succeeded' });
  });

  test('waits for the jobs that come first, and its queue time from their end', () => {
    stage.say(client, whole(1, { job: id(2) }));
    const spec = { ...SPEC, after: [{ job: id(2), on: 'success' as const }], queueTimeoutMillis: 6_400 };
    stage.say(client, whole(2, { spec }));
    stage.advance(20_000);
    expect(stage.job(JOB)).toMatchObject({ state: 'waiting', failed: 0 });
    run(stage.drone());
    stage.advance(1);
    expect(stage.take('TaskAssign')).toMatchObject({ job: JOB });
  });

  test('is halted as soon as its inputs are known to be all', () => {
    const spec = { ...SPEC, haltOn: { share: 0.5 } };
    stage.submit(client, JOB, spec);
    stage.append(client, JOB, 1);
    run(stage.drone(), { fails: true });
    expect(stage.job(JOB).isActive).toBe(true);
    stage.say(client, whole(2, { spec }));
    expect(stage.job(JOB).state).toBe('failed');
  });
});

describe('the same once more', () => {
  test('is answered the same, and recorded once', () => {
    stage.say(client, whole(3));
    const first = stage.take('Accepted');
    const records = stage.log.length;
    stage.say(client, whole(3));
    expect(stage.take('Accepted')).toEqual(first);
    expect(stage.log.length).toBe(records);
  });

  test('because the answer was lost with the Queen: it is there, whole, after a restart', () => {
    stage.say(client, whole(3));
    stage.restart();
    client = stage.client();
    stage.say(client, whole(3));
    expect(stage.take('Accepted')).toMatchObject({ count: 3, sealed: true, state: 'waiting' });
    expect(recorded().filter((type) => type === 'inputsAppended')).toHaveLength(1);
  });

  test('from another client, when it has ended: says how it stands', () => {
    stage.say(client, whole(1));
    run(stage.drone());
    const other = stage.client(peerId('e'.repeat(32)));
    stage.take('Accepted');
    stage.say(other, whole(1, { follow: false }));
    expect(stage.take('Accepted')).toMatchObject({ count: 1, sealed: true, state: 'succeeded' });
  });

  test.each([2, 4])('with %d inputs instead of 3 is refused', (count) => {
    stage.say(client, whole(3));
    stage.say(client, whole(count));
    expect(refusal()).toBe('jobDiffers');
    expect(stage.job(JOB).appended).toBe(3);
  });

  test('with another spec is refused', () => {
    stage.say(client, whole(3));
    stage.say(client, whole(3, { spec: { ...SPEC, priority: 1 } }));
    expect(refusal()).toBe('jobDiffers');
  });

  test('after some of it had been appended the old way: the rest is taken, and nothing twice', () => {
    stage.submit(client, JOB);
    stage.append(client, JOB, 2);
    stage.said.length = 0;
    stage.say(client, whole(5));
    expect(stage.take('Accepted')).toMatchObject({ count: 5, sealed: true });
    const drone = stage.drone();
    while (stage.job(JOB).isActive) run(drone);
    expect(stage.outcomes(JOB)).toHaveLength(5);
  });

  test('left to itself, after its upload was cut off: it needs no client any more', () => {
    stage.submit(client, JOB);
    stage.append(client, JOB, 1);
    stage.lose(client);
    stage.advance(1_000);
    const other = stage.client(peerId('e'.repeat(32)));
    stage.take('Accepted');
    stage.say(other, whole(3, { follow: false }));
    expect(stage.take('Accepted')).toMatchObject({ count: 3, sealed: true });
    stage.advance(LIMITS.abandonMillis * 2);
    expect(stage.job(JOB)).toMatchObject({ state: 'waiting', message: null });
    const drone = stage.drone();
    while (stage.job(JOB).isActive) run(drone);
    expect(stage.outcomes(JOB)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });

  test('after more had been appended than it says is refused', () => {
    stage.submit(client, JOB);
    stage.append(client, JOB, 4);
    stage.say(client, whole(3));
    expect(refusal()).toBe('jobDiffers');
    expect(stage.job(JOB)).toMatchObject({ appended: 4, isSealed: false });
  });
});

describe('what is wrong with it', () => {
  test.each<[string, Partial<Submit>]>([
    ['a range beside its inputs', { spec: { ...SPEC, range: { start: 0, step: 1, count: 3 } } }],
    ['a graph', { spec: { ...SPEC, graph: 'failChildren' } }],
    ['nobody who follows it, although it is attached', { spec: { ...SPEC, attached: true }, follow: false }],
  ])('%s is refused, and nothing is recorded', (_, more) => {
    const records = stage.log.length;
    stage.say(client, whole(3, more));
    expect(refusal()).toBe('badSpec');
    expect(stage.state.jobs.size).toBe(0);
    expect(stage.log.length).toBe(records);
  });

  test('nobody who follows it, although its inputs are still to come, is refused', () => {
    stage.say(client, { type: 'Submit', job: JOB, spec: SPEC, follow: false });
    expect(refusal()).toBe('badSpec');
    stage.submit(client, JOB, { graph: 'failChildren' });
    stage.say(client, whole(3, { spec: { ...SPEC, graph: 'failChildren' } }));
    expect(refusal()).toBe('badSpec');
    expect(stage.job(JOB).appended).toBe(0);
  });

  const tooLong = LIMITS.valueBytesMax + 1;
  test.each<[string, NonNullable<Submit['inputs']>]>([
    ['sizes that do not add up', { count: 3, sizes: 2, data: new Uint8Array(5) }],
    ['a list of sizes that is too short', { count: 3, sizes: new Uint8Array(8), data: new Uint8Array(0) }],
    ['a value over 1 MiB', { count: 1, sizes: tooLong, data: new Uint8Array(tooLong) }],
    ['a page that is too long', { count: 2, sizes: 2 ** 20, data: new Uint8Array(2 ** 21) }],
  ])('%s breaks the protocol, also of a job that is known', (_, bad) => {
    stage.say(client, whole(0, { inputs: bad }));
    expect(stage.state.jobs.size).toBe(0);
    expect(stage.state.sessions.has(client)).toBe(false);
    const again = stage.client();
    stage.say(again, whole(3));
    stage.say(again, whole(0, { inputs: bad }));
    expect(stage.state.sessions.has(again)).toBe(false);
    expect(stage.job(JOB).appended).toBe(3);
  });

  test('too little room on the disk: refused at once, and only what is new', () => {
    stage.say(client, whole(1));
    stage.step({ type: 'storeFilled', isLow: true });
    stage.say(client, whole(1, { job: id(2), follow: false }));
    expect(refusal()).toBe('storeLow');
    stage.take('Accepted');
    stage.say(client, whole(1));
    expect(stage.take('Accepted')).toMatchObject({ sealed: true });
    expect(stage.state.jobs.size).toBe(1);
  });

  test('an observer: refused, and it stays', () => {
    const session = sessionNumber(99);
    const hello: Message<'Hello'> = {
      type: 'Hello',
      magic: 'hive',
      protocolMin: 1,
      protocolMax: 1,
      role: 'observer',
      peer: peerId('0'.repeat(32)),
      name: 'o',
      capabilities: [],
    };
    stage.step({ type: 'peerJoined', session, hello, address: 'here', sessionId: '0'.repeat(32) });
    stage.say(session, whole(1, { follow: false }));
    expect(refusal()).toBe('notPermitted');
    expect(stage.state.jobs.size).toBe(0);
  });
});

describe('a job that nobody follows', () => {
  test('is told of once; who asks for its results gets them', () => {
    stage.say(client, whole(2, { follow: false }));
    expect(stage.take('Accepted')).toMatchObject({ count: 2, sealed: true, state: 'waiting', bytes: 0 });
    const drone = stage.drone();
    while (stage.job(JOB).isActive) run(drone);
    stage.advance(1_000);
    const told = stage.said.filter(({ session }) => session === client).map(({ message }) => message.type);
    expect(told).toEqual([]);
    stage.say(client, { type: 'ResultCredit', job: JOB, bytes: 1_000, order: 'index' });
    expect(stage.take('JobDone')).toMatchObject({ state: 'succeeded' });
    expect(stage.take('Results')).toMatchObject({ job: JOB });
  });

  test('may be a range', () => {
    const spec = { ...SPEC, range: { start: 0, step: 1, count: 7 } };
    stage.say(client, { type: 'Submit', job: JOB, spec, follow: false });
    expect(stage.take('Accepted')).toMatchObject({ count: 7, sealed: true, state: 'waiting' });
  });

  test('outlives its client, and leaves nothing behind in the session when it is removed', () => {
    stage.say(client, whole(1, { follow: false }));
    stage.say(client, whole(1, { job: id(2), follow: false }));
    const peer = stage.state.sessions.get(client)!;
    expect(peer.jobsLeft).toBe(2);
    const drone = stage.drone();
    run(drone);
    expect(peer.jobsLeft).toBe(1);
    stage.lose(client);
    stage.advance(LIMITS.abandonMillis * 2);
    run(drone);
    expect(stage.job(id(2)).state).toBe('succeeded');
    expect([peer.jobsLeft, peer.jobs.size]).toEqual([0, 0]);
  });

  test('counts against what one client may have open, until it ends', () => {
    const peer = stage.state.sessions.get(client)!;
    stage.say(client, whole(1, { follow: false }));
    peer.jobsLeft = LIMITS.openJobsMax;
    stage.say(client, whole(1, { job: id(2), follow: false }));
    expect(refusal()).toBe('tooManyJobs');
    run(stage.drone());
    stage.say(client, whole(1, { job: id(2), follow: false }));
    expect(stage.job(id(2)).isSealed).toBe(true);
  });

  test('that its client follows already goes on being followed', () => {
    stage.say(client, whole(1));
    stage.say(client, whole(1, { follow: false }));
    run(stage.drone());
    expect(stage.take('JobDone')).toMatchObject({ job: JOB });
  });
});
