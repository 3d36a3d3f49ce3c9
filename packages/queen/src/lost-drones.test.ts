/** What is left of Drones that are gone: their leases, what these were charged, and how long a restart waits for them. */
import { jobId, LIMITS, type Message, queenId } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { GRACE, Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const OTHER = jobId('01890000-0000-7000-8000-000000000002');
const range = (count: number) => ({ range: { start: 0, step: 1, count } });

let stage: Stage;
let client: ReturnType<Stage['client']>;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
});
type Assigned = Message<'TaskAssign'>;
/** Reports the first task of a lease, and says how long it took. */
function report(drone: ReturnType<Stage['drone']>, { lease, ranges }: Assigned, millis: number): void {
  const page = { at: 0, first: ranges[0]!, count: 1, sizes: 1, data: new Uint8Array(1) };
  stage.say(drone, { type: 'TaskComplete', lease, ...page, busyMicros: millis * 1_000 });
}
/** Runs leases of one task of 20 ms until one of two tasks is out, whose rate is known. */
function longLease(drone: ReturnType<Stage['drone']>): Assigned {
  for (;;) {
    const assigned = stage.take('TaskAssign')!;
    if (assigned.ranges[1]! > 1) return assigned;
    const page = { at: 0, first: assigned.ranges[0]!, count: 1, sizes: 1, data: new Uint8Array(1) };
    const end = { busyMicros: 20_000, ended: true, request: true };
    stage.say(drone, { type: 'TaskComplete', lease: assigned.lease, ...page, ...end });
  }
}

describe("a job's share of the slots", () => {
  test('is charged with what was reported of a lost lease, not with what was expected', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, range(100));
    const assigned = longLease(drone);
    const before = stage.job(JOB).virtualTime;
    report(drone, assigned, 20);
    expect(stage.job(JOB).virtualTime).toBe(before);
    stage.lose(drone);
    // A waiting lease behind it may be lost with it, of which nothing was reported.
    const reported = stage.outcomes(JOB).length * 20;
    expect(stage.job(JOB).virtualTime).toBeCloseTo(reported);
    expect(before).toBeGreaterThan(reported);
  });

  test('is not made smaller by Drones that die: the next free place is its own', () => {
    let drone = stage.drone();
    stage.submit(client, JOB, range(1_000));
    longLease(drone);
    for (let deaths = 0; deaths < 20; deaths++) {
      stage.lose(drone);
      drone = stage.drone();
    }
    stage.lose(drone);
    const used = stage.job(JOB).virtualTime;
    expect(used).toBeCloseTo(stage.outcomes(JOB).length * 20);
    stage.submit(client, OTHER, range(1_000));
    // Both have used as much by now: the one that joins begins where the other stands.
    expect(stage.job(OTHER).virtualTime).toBeGreaterThanOrEqual(used - 20);
  });

  test('is given back for tasks that are taken back', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, range(100));
    const { lease } = longLease(drone);
    for (const end of [1, 0]) {
      stage.say(drone, { type: 'Retracted', lease, end });
      expect(stage.state.totals.retracted).toBeGreaterThan(0);
      // What was reported, and what the leases that are out are expected to take: no more, no less.
      let expected = stage.outcomes(JOB).length * 20;
      for (const { end: tasks } of stage.job(JOB).leases) expected += tasks * 20;
      expect(stage.job(JOB).virtualTime).toBeCloseTo(expected);
    }
  });
});

test('an open job of calls forgets the leases it lost, once their tasks have outcomes', () => {
  stage.submit(client, JOB, { attached: true, hidden: true });
  for (let calls = 0; calls < 2_000; calls++) {
    stage.append(client, JOB, 1);
    const lost = stage.drone({ name: 'a' });
    stage.take('TaskAssign');
    stage.lose(lost);
    const other = stage.drone({ name: 'b' });
    stage.complete(other, stage.take('TaskAssign')!);
    stage.say(other, { type: 'Goodbye', message: '' });
    stage.said.length = 0;
  }
  expect(stage.job(JOB).succeeded).toBe(2_000);
  expect(stage.state.lost.size).toBeLessThan(600);
  expect(stage.job(JOB).lost.size).toBe(stage.state.lost.size);
});

describe('after a restart, tasks that may be running are held', () => {
  /** Two Drones with a task each of a job of two, in which a third waits for both. */
  function setUp(): readonly [Assigned, Assigned] {
    stage.drone({ name: 'a' });
    stage.drone({ name: 'b' });
    stage.submit(client, JOB, range(2));
    const leases = [stage.take('TaskAssign')!, stage.take('TaskAssign')!] as const;
    stage.restart();
    return leases;
  }
  const held = ({ lease, ranges }: Assigned): Message<'Holdings'>['leases'][number] => ({
    queen: queenId('a'.repeat(32)),
    incarnation: '0000000000000001' as never,
    lease,
    job: JOB,
    ranges,
    done: 0,
    startedMillis: 1_000,
  });

  test('until all Drones are back', () => {
    setUp();
    stage.drone({ name: 'a' });
    stage.advance(LIMITS.heartbeatMillis * 2);
    expect(stage.take('TaskAssign')).toBeUndefined();
    stage.drone({ name: 'b' });
    expect(stage.take('TaskAssign')).toBeDefined();
  });

  test('for a heartbeat more when those that are back are too busy to ask for work', () => {
    const [lease] = setUp();
    stage.drone({ name: 'a', leases: [held(lease)], asks: false });
    stage.advance(LIMITS.heartbeatMillis * 2);
    expect(stage.job(JOB).held.size).toBe(1);
    stage.drone({ name: 'b', asks: false });
    stage.advance(LIMITS.heartbeatMillis);
    expect(stage.job(JOB).held.size).toBe(0);
    expect(stage.job(JOB).readyTasks).toBe(1);
  });

  test('no longer for a Drone that says goodbye', () => {
    setUp();
    const gone = stage.drone({ name: 'a', asks: false });
    stage.drone({ name: 'b' });
    expect(stage.job(JOB).held.size).toBe(2);
    stage.say(gone, { type: 'Goodbye', message: '' });
    expect(stage.take('TaskAssign')).toBeDefined();
  });

  test('for the whole grace again when a Drone that was back is cut off before it has said everything', () => {
    setUp();
    const cut = stage.drone({ name: 'a', asks: false });
    stage.drone({ name: 'b', asks: false });
    stage.lose(cut);
    stage.advance(GRACE - 1);
    expect(stage.job(JOB).held.size).toBe(2);
    stage.advance(1);
    expect(stage.job(JOB).held.size).toBe(0);
  });

  test('for the grace anew by each start of a Queen who is killed again and again', () => {
    setUp();
    for (let starts = 0; starts < 4; starts++) {
      stage.advance(GRACE - 1);
      expect(stage.job(JOB).held.size).toBe(2);
      stage.restart();
    }
    stage.advance(GRACE);
    expect(stage.job(JOB).held.size).toBe(0);
  });
});
