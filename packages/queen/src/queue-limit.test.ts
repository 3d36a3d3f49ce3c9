/** How long a task may wait in the queue: since when it counts, what ends it, and what a restart remembers. */
import { type Incarnation, jobId, type QueenId } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { GRACE, Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const LATER = jobId('01890000-0000-7000-8000-000000000002');
/** Times are rounded up by less than this share of the limit. */
const LIMIT = 6_400;
const SPARE = 2 * (LIMIT / 64);
const TIMED_OUT = 'timedOut queueTimeout';
const limited = { queueTimeoutMillis: LIMIT };
const range = (count: number) => ({ ...limited, range: { start: 0, step: 1, count } });

let stage: Stage;
let client: ReturnType<Stage['client']>;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
});
/** Nothing has timed out until the limit is over, everything of it soon after. Time stands at the start of the wait. */
function expectToTimeOut(job = JOB, from = stage.now): void {
  const before = stage.outcomes(job).filter((outcome) => outcome === TIMED_OUT).length;
  stage.advance(from + LIMIT - stage.now);
  expect(stage.outcomes(job).filter((outcome) => outcome === TIMED_OUT)).toHaveLength(before);
  stage.advance(SPARE);
  expect(stage.outcomes(job).filter((outcome) => outcome === TIMED_OUT).length).toBeGreaterThan(before);
}

describe('a task that waits longer than its queue time limit ends, counted', () => {
  test('from the submission of a range, however long that is', () => {
    stage.submit(client, JOB, range(10_000));
    expectToTimeOut();
    expect(stage.job(JOB)).toMatchObject({ state: 'failed', failed: 10_000 });
    expect(stage.scheduler.nextDeadline()).toBeGreaterThan(stage.now);
  });

  test('from its own append', () => {
    stage.submit(client, JOB, limited);
    stage.append(client, JOB, 1);
    stage.advance(LIMIT / 2);
    stage.append(client, JOB, 1);
    const second = stage.now;
    expectToTimeOut(JOB, 0);
    expect(stage.outcomes(JOB)).toEqual([TIMED_OUT]);
    expectToTimeOut(JOB, second);
  });

  test('from the end of the jobs that come first', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, { range: { start: 0, step: 1, count: 1 } });
    stage.submit(client, LATER, { ...range(1), after: [{ job: JOB, on: 'success' }] });
    stage.advance(5 * LIMIT);
    stage.complete(drone, stage.take('TaskAssign')!, { request: false });
    expectToTimeOut(LATER);
  });

  test('in a graph, from the end of its parents', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, { ...limited, graph: 'failChildren' });
    stage.append(client, JOB, 2, [0, 1, 0]);
    stage.advance(5 * LIMIT);
    expect(stage.outcomes(JOB)).toEqual([]);
    stage.complete(drone, stage.take('TaskAssign')!, { request: false });
    expectToTimeOut();
    expect(stage.outcomes(JOB)).toEqual(['succeeded', TIMED_OUT]);
  });

  test('after a failure, from the end of its backoff', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, { ...range(1), retries: 1, backoffMillis: 1_000 });
    stage.advance(5 * LIMIT);
    stage.complete(drone, stage.take('TaskAssign')!, { fails: true, request: false });
    stage.advance(750);
    expectToTimeOut();
  });

  test('anew when its Drone was lost', () => {
    stage.submit(client, JOB, range(1));
    const drone = stage.drone();
    stage.advance(5 * LIMIT);
    stage.lose(drone);
    expectToTimeOut();
  });

  test('when its job was run again, from then', () => {
    stage.submit(client, JOB, range(2));
    stage.advance(2 * LIMIT);
    expect(stage.job(JOB).state).toBe('failed');
    stage.say(client, { type: 'Manage', request: 1, action: 'retry', job: JOB });
    expect(stage.job(JOB).state).toBe('running');
    stage.advance(LIMIT);
    expect(stage.job(JOB).state).toBe('running');
    stage.advance(SPARE);
    expect(stage.job(JOB).state).toBe('failed');
  });
});

describe('a queue time limit leaves alone', () => {
  test('what runs, however long', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, range(2));
    stage.advance(5 * LIMIT);
    expect(stage.outcomes(JOB)).toEqual([undefined, TIMED_OUT]);
    stage.complete(drone, stage.take('TaskAssign')!);
    expect(stage.outcomes(JOB)).toEqual(['succeeded', TIMED_OUT]);
  });

  test('what is given back unstarted, no longer than what was not given out', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, range(1));
    const { lease } = stage.take('TaskAssign')!;
    stage.advance(LIMIT / 2);
    stage.say(drone, { type: 'Retracted', lease, end: 0 });
    expectToTimeOut(JOB, 0);
  });
});

describe('a restart', () => {
  test('does not begin the wait anew of what was never given to a Drone', () => {
    stage.submit(client, JOB, limited);
    stage.append(client, JOB, 1);
    stage.advance(LIMIT / 2);
    stage.append(client, JOB, 1);
    for (let times = 0; times < 3; times++) stage.restart(LIMIT / 12);
    expectToTimeOut(JOB, 0);
    expectToTimeOut(JOB, LIMIT / 2);
    expect(stage.outcomes(JOB)).toEqual([TIMED_OUT, TIMED_OUT]);
  });

  test('counts the time without a Queen, but ends nothing while Drones are awaited', () => {
    stage.drone();
    stage.submit(client, JOB, range(3));
    stage.restart(10 * LIMIT);
    stage.advance(GRACE - 1);
    expect(stage.outcomes(JOB)).toEqual([]);
    stage.advance(2);
    expect(stage.outcomes(JOB)).toEqual([undefined, TIMED_OUT, TIMED_OUT]);
    // The first one may have been running, and waits anew.
    expectToTimeOut();
    expect(stage.job(JOB).state).toBe('failed');
  });

  describe('in the midst of what Drones had', () => {
    const LONG = 64_000;
    const long = (count: number) => ({ ...range(count), queueTimeoutMillis: LONG });
    /** When a task had ended as timed out, to a second. */
    const timedOutAt = (index: number): number => {
      while (stage.outcomes(JOB)[index] === undefined && stage.now < 20 * LONG) stage.advance(1_000);
      expect(stage.outcomes(JOB)[index]).toBe(TIMED_OUT);
      return stage.now;
    };
    const expectAt = (index: number, at: number) => {
      const ended = timedOutAt(index);
      expect(ended).toBeGreaterThanOrEqual(at);
      expect(ended).toBeLessThanOrEqual(at + LONG / 32 + 1_000);
    };

    test('goes on with their wait, if it is not over', () => {
      stage.drone();
      stage.submit(client, JOB, long(1));
      stage.advance(5_000);
      for (let times = 0; times < 2; times++) stage.restart(10_000);
      expectAt(0, LONG);
    });

    test('begins it anew once, if it is', () => {
      stage.drone();
      stage.submit(client, JOB, long(1));
      stage.advance(2 * LONG);
      stage.restart();
      stage.advance(GRACE);
      const released = stage.now;
      for (let times = 0; times < 2; times++) {
        stage.restart(1_000);
        stage.advance(GRACE);
      }
      expect(stage.outcomes(JOB)).toEqual([]);
      expectAt(0, released + LONG);
    });

    test('tells those that were queued at different times apart, also from those that no Drone had', () => {
      stage.drone({ slots: 2 });
      stage.submit(client, JOB, { queueTimeoutMillis: LONG });
      stage.append(client, JOB, 1);
      stage.advance(40_000);
      stage.append(client, JOB, 1);
      stage.advance(10_000);
      stage.append(client, JOB, 2);
      stage.say(client, { type: 'Seal', job: JOB, count: 4 });
      stage.advance(10_000);
      for (let times = 0; times < 2; times++) {
        stage.restart();
        stage.advance(GRACE);
      }
      const released = 60_000 + GRACE;
      expectAt(1, 40_000 + LONG);
      expectAt(2, 50_000 + LONG);
      expectAt(3, 50_000 + LONG);
      expectAt(0, released + LONG);
    });

    test('lets who comes back for them go on', () => {
      const drone = stage.drone();
      stage.submit(client, JOB, long(1));
      const { lease } = stage.take('TaskAssign')!;
      stage.advance(2 * LONG);
      stage.say(drone, { type: 'Heartbeat' });
      const incarnation = stage.state.identity.incarnation as Incarnation;
      const queen = stage.state.identity.queen as QueenId;
      stage.restart();
      const held = { queen, incarnation, lease, job: JOB, ranges: [0, 1], done: 0 };
      const back = stage.drone({ leases: [held], asks: false });
      stage.advance(3 * LONG);
      expect(stage.outcomes(JOB)).toEqual([]);
      const done = { at: 0, first: 0, count: 1, sizes: 1, data: new Uint8Array(1), busyMicros: 1 };
      stage.say(back, { type: 'TaskComplete', lease, incarnation, job: JOB, ...done, ended: true });
      expect(stage.outcomes(JOB)).toEqual(['succeeded']);
    });
  });

  test('leaves those their turn that a Drone asks for before', () => {
    stage.drone();
    stage.submit(client, JOB, range(3));
    stage.restart(10 * LIMIT);
    const drone = stage.drone();
    const assigned = stage.take('TaskAssign')!;
    expect(assigned).toBeDefined();
    stage.advance(1);
    stage.complete(drone, assigned);
    expect(stage.outcomes(JOB).filter((outcome) => outcome === 'succeeded')).toHaveLength(1);
  });

  test('remembers when the jobs that come first had ended, also when they are gone', () => {
    stage.submit(client, JOB);
    stage.submit(client, LATER, { ...range(1), after: [{ job: JOB, on: 'end' }] });
    stage.advance(5 * LIMIT);
    stage.say(client, { type: 'Cancel', request: 1, job: JOB });
    const ended = stage.now;
    stage.say(client, { type: 'Manage', request: 2, action: 'gc' });
    expect(stage.job(JOB)).toBeUndefined();
    stage.advance(LIMIT / 2);
    stage.restart();
    expectToTimeOut(LATER, ended);
  });

  test('does not end a retry whose backoff was not over', () => {
    const drone = stage.drone();
    stage.submit(client, JOB, { ...range(1), retries: 1, backoffMillis: 60_000 });
    stage.complete(drone, stage.take('TaskAssign')!, { fails: true });
    stage.say(drone, { type: 'Goodbye', message: '' });
    stage.restart();
    stage.advance(45_000);
    expectToTimeOut();
  });
});

test('times are remembered in so many stretches, however long a job stays open', () => {
  stage.submit(client, JOB, limited);
  for (let times = 0; times < 2_000; times++) {
    stage.append(client, JOB, 1);
    stage.advance(20);
  }
  expect(stage.job(JOB).queuedSince!.length).toBeLessThan(70);
  const before = stage.job(JOB).queuedSince;
  stage.restart();
  expect(stage.job(JOB).queuedSince).toEqual(before);
});
