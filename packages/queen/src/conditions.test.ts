/** Jobs that come after others: what becomes of them when those are cancelled, removed, or end as the Queen is killed. */
import { jobId } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const LATER = jobId('01890000-0000-7000-8000-000000000002');
const LAST = jobId('01890000-0000-7000-8000-000000000003');
const one = { range: { start: 0, step: 1, count: 1 } };

let stage: Stage;
let client: ReturnType<Stage['client']>;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
  stage.submit(client, JOB, one);
});
const cancel = () => stage.say(client, { type: 'Cancel', request: 1, job: JOB });
const collect = () => stage.say(client, { type: 'Manage', request: 2, action: 'gc' });
const after = (on: 'success' | 'end', job = JOB) => ({ ...one, after: [{ job, on }] });
function run(): void {
  const drone = stage.drone();
  for (let lease = stage.take('TaskAssign'); lease !== undefined; lease = stage.take('TaskAssign'))
    stage.complete(drone, lease);
  stage.say(drone, { type: 'Goodbye', message: '' });
}

describe('a job whose dependency was cancelled', () => {
  test('is cancelled if that had to succeed, and so are those after it, and says why', () => {
    stage.submit(client, LATER, after('success'));
    stage.submit(client, LAST, after('success', LATER));
    cancel();
    for (const [job, first] of [
      [LATER, JOB],
      [LAST, LATER],
    ] as const) {
      expect(stage.job(job)).toMatchObject({
        state: 'cancelled',
        message: `job ${first}, which comes first, was cancelled`,
      });
    }
    expect(stage.state.ended.size).toBe(3);
  });

  test('starts if any end would do', () => {
    stage.submit(client, LATER, after('end'));
    stage.submit(client, LAST, after('success', LATER));
    cancel();
    run();
    expect([LATER, LAST].map((job) => stage.job(job).state)).toEqual(['succeeded', 'succeeded']);
  });

  test('is cancelled when it is submitted only then', () => {
    cancel();
    stage.submit(client, LATER, after('success'));
    stage.submit(client, LAST, after('end'));
    expect([LATER, LAST].map((job) => stage.job(job).state)).toEqual(['cancelled', 'waiting']);
  });

  test('is cancelled by the next start when the Queen was killed in between', () => {
    stage.submit(client, LATER, after('success'));
    stage.submit(client, LAST, after('end'));
    cancel();
    // Nothing after the end of the first job reached the disk.
    stage.log.length = 1 + stage.log.findIndex((record) => record.type === 'jobEnded');
    stage.restart();
    expect([LATER, LAST].map((job) => stage.job(job).state)).toEqual(['cancelled', 'waiting']);
    expect(stage.job(LAST).isReady).toBe(true);
  });
});

describe('a job whose dependency was removed after it was accepted', () => {
  test('goes on by itself, also after a restart', () => {
    stage.submit(client, LATER, { ...after('success'), labels: { nobody: 'has this' } });
    run();
    collect();
    expect(stage.job(JOB)).toBeUndefined();
    stage.restart();
    expect(stage.job(LATER)).toMatchObject({ isActive: true, isWaitingForOthers: false, isReady: true });
  });

  test('keeps its dependency from being removed before that has ended', () => {
    stage.submit(client, LATER, after('success'));
    stage.say(client, { type: 'Manage', request: 2, action: 'gc', job: JOB });
    expect(stage.take('Refused')?.message).toContain('has not ended');
    expect(stage.job(LATER).isWaitingForOthers).toBe(true);
    run();
    expect(stage.job(LATER).state).toBe('succeeded');
  });

  test('does not outlive the removal of one that was cancelled in the same turn', () => {
    stage.submit(client, LATER, after('success'));
    const messages = [
      { type: 'Cancel', request: 1, job: JOB },
      { type: 'Manage', request: 2, action: 'gc' },
    ] as const;
    // Both are stepped before the turn is settled.
    for (const message of messages) {
      const effects = stage.scheduler.step({ type: 'messageReceived', session: client, message }, stage.now);
      stage.log.push(...effects.append);
    }
    stage.step({ type: 'timePassed' });
    expect(stage.job(LATER).state).toBe('cancelled');
    stage.restart();
    expect(stage.job(LATER).state).toBe('cancelled');
  });
});
