/** How long a task may wait in the queue: since when it counts, what ends it, and what a restart remembers. */
import { jobId } from '@hive/shared';
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
