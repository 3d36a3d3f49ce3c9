/** Sessions that lie about who they are, Drones that lie about what they did: nobody else's work may suffer. */
import { jobId, type KeyIdentity, peerId, type Role, type SessionNumber } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');

let stage: Stage;
let client: SessionNumber;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
});

describe('a report of a fold', () => {
  const fold = () => {
    const drone = stage.drone({ slots: 1 });
    stage.submit(client, JOB, { range: { start: 0, step: 1, count: 3 }, reduce: { op: 'sum' } });
    for (;;) {
      const lease = stage.take('TaskAssign')!;
      if (lease.fold !== undefined) return { drone, lease: lease.lease };
      const [first, count] = lease.ranges as [number, number];
      const done = { at: 0, first, count, sizes: 1, data: new Uint8Array(1), busyMicros: 1 };
      stage.say(drone, {
        type: 'TaskComplete',
        lease: lease.lease,
        ...done,
        reduced: true,
        ended: true,
        request: true,
      });
    }
  };
  const values = () => stage.log.filter(({ type }) => type === 'pagesFolded');

  test('that has done nothing of it folds nothing', () => {
    const { drone, lease } = fold();
    const nothing = { at: 0, first: 0, count: 0, sizes: 0, data: new Uint8Array(0), busyMicros: 1 };
    stage.say(drone, { type: 'TaskComplete', lease, ...nothing, ended: true, request: true });
    expect(values()).toEqual([]);
    expect(stage.job(JOB).isActive).toBe(true);
    expect(stage.take('TaskAssign')).toMatchObject({ fold: expect.anything() });
  });

  test('is one value, however its size is told', () => {
    const { drone, lease } = fold();
    const sizes = Uint8Array.of(0, 0, 0, 1);
    const done = { at: 0, first: 0, count: 1, sizes, data: Uint8Array.of(3), busyMicros: 1 };
    stage.say(drone, { type: 'TaskComplete', lease, ...done, ended: true });
    expect(values()).toMatchObject([{ page: { first: 0, count: 3, sizes: 1, data: Uint8Array.of(3) } }]);
    expect(stage.job(JOB).state).toBe('succeeded');
  });
});

describe('a Drone that says it has worked for centuries', () => {
  const OTHER = jobId('01890000-0000-7000-8000-000000000002');
  test('does not keep the job that it worked for from having its share', () => {
    const liar = stage.drone({ name: 'e' });
    stage.submit(client, JOB, { range: { start: 0, step: 1, count: 100 } });
    const { lease } = stage.take('TaskAssign')!;
    const done = { at: 0, first: 0, count: 1, sizes: 1, data: new Uint8Array(1) };
    stage.say(liar, {
      type: 'TaskComplete',
      lease,
      ...done,
      busyMicros: Number.MAX_SAFE_INTEGER,
      ended: true,
    });
    stage.say(liar, { type: 'Goodbye', message: '' });
    stage.submit(client, OTHER, { range: { start: 0, step: 1, count: 10_000 } });
    const drone = stage.drone();
    const jobs: string[] = [];
    for (let n = 0; n < 100; n++) {
      const next = stage.take('TaskAssign')!;
      jobs.push(next.job);
      stage.advance(100);
      const [first, count] = next.ranges as [number, number];
      const page = { at: 0, first, count, sizes: 1, data: new Uint8Array(count) };
      stage.say(drone, {
        type: 'TaskComplete',
        lease: next.lease,
        ...page,
        busyMicros: 100_000,
        ended: true,
        request: true,
      });
    }
    expect(jobs.filter((job) => job === JOB).length).toBeGreaterThan(30);
  });
});

test('a node that asks for no jobs at all gets none', () => {
  stage.submit(client, JOB, { range: { start: 0, step: 1, count: 1 } });
  const node = stage.node();
  stage.say(node, { type: 'Query', request: 1, about: 'jobs', everywhere: true, limit: 0 });
  expect(stage.take('Answer')).toMatchObject({ request: 1, body: { jobs: [] } });
});

describe('who knows the id of a Drone', () => {
  const DRONE = peerId('d'.repeat(32));
  const key = (role: Role, keyId: string) => ({ generation: 1, role, keyId });
  test.each<[string, Role, KeyIdentity]>([
    ['an observer', 'observer', key('observer', 'oooo')],
    ['a client', 'client', key('client', 'cccc')],
    ['a node', 'node', key('node', 'nnnn')],
    ['another Drone', 'drone', key('drone', 'eeee')],
    ['a task of another Drone', 'client', key('drone', 'eeee')],
  ])('%s, does not take its place', (_, role, own) => {
    const drone = stage.join('drone', DRONE, { slots: 1, kinds: ['echo'] }, key('drone', 'aaaa'));
    stage.say(drone, { type: 'Holdings', leases: [] });
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    stage.submit(client, JOB, { range: { start: 0, step: 1, count: 1 } });
    const lease = stage.take('TaskAssign')!;
    const other = stage.join(role, DRONE, role === 'drone' ? { slots: 1, kinds: ['echo'] } : {}, own);
    expect(stage.state.sessions.get(drone)?.drone).toBeDefined();
    expect(stage.state.sessions.has(other)).toBe(role !== 'drone');
    stage.lose(other);
    stage.complete(drone, lease);
    expect(stage.job(JOB).state).toBe('succeeded');
    expect(stage.state.totals.returned).toBe(0);
  });

  test('and has its key takes it: it has come back', () => {
    const hello = { slots: 1, kinds: ['echo'] };
    const drone = stage.join('drone', DRONE, hello, key('drone', 'aaaa'));
    const again = stage.join('drone', DRONE, hello, { ...key('drone', 'aaaa'), generation: 2 });
    expect([...stage.state.sessions.keys()]).toEqual([client, again]);
    stage.lose(drone);
    expect(stage.state.sessions.has(again)).toBe(true);
  });
});
