/** How many ended jobs are kept: those that must stay for now do not keep those behind them from going. */
import { jobId, LIMITS, peerId, type SessionNumber } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const id = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);
/** Behind the most that may be kept, so that some must go. */
const BEHIND = LIMITS.retainedJobsMax + 500;
/** Ended jobs go a few at a time, when there are so many too many. */
const SPARE = 32;

test.each([0, SPARE - 1, SPARE, 3 * SPARE])(
  'with %d at the front whose readers stand still, no more are kept than may be',
  (read) => {
    const stage = new Stage();
    const client = stage.client();
    const reader = stage.client(peerId('b'.repeat(32)));
    const drone = stage.drone();
    const give = (n: number, count: number) =>
      stage.say(client, {
        type: 'Submit',
        job: id(n),
        spec: { kind: 'echo', encoding: 'msgpack', attached: false },
        inputs: { count, sizes: 1, data: new Uint8Array(count) },
        follow: false,
      });
    for (let n = 1; n <= read; n++) {
      give(n, 1);
      stage.say(reader, { type: 'ResultCredit', job: id(n), bytes: 0, order: 'seq', after: 0 });
      stage.complete(drone, stage.take('TaskAssign')!);
    }
    expect(stage.state.ended.size).toBe(read);
    for (let n = 1; n <= BEHIND; n++) {
      give(read + n, 0);
      stage.said.length = 0;
    }
    expect(stage.state.ended.size).toBeLessThan(LIMITS.retainedJobsMax + 2 * SPARE);
    expect(stage.state.ended.size).toBe(stage.state.jobs.size);
    // Who reads still can; the oldest of the others went, the newest did not.
    for (let n = 1; n <= read; n++) expect(stage.state.jobs.has(id(n))).toBe(true);
    expect([read + 1, read + BEHIND].map((n) => stage.state.jobs.has(id(n)))).toEqual([false, true]);
  },
);

describe('a job whose time is over', () => {
  const READ = id(1);
  let stage: Stage;
  let reader: SessionNumber;
  const credit = (bytes: number, more: object = {}) =>
    stage.say(reader, { type: 'ResultCredit', job: READ, bytes, ...more });
  /** Time passes, in which the jobs that may go do. */
  const wait = (millis: number) => stage.advance(millis);
  beforeEach(() => {
    stage = new Stage();
    const client = stage.client();
    reader = stage.client(peerId('b'.repeat(32)));
    const drone = stage.drone();
    stage.submit(client, READ, { range: { start: 0, step: 1, count: 20 }, retentionMillis: 0 });
    credit(0, { order: 'seq', after: 0 });
    for (let lease = stage.take('TaskAssign'); lease !== undefined; lease = stage.take('TaskAssign')) {
      stage.complete(drone, lease);
      stage.say(drone, { type: 'TaskRequest', slots: 1 });
    }
    expect(stage.job(READ).state).toBe('succeeded');
  });

  test('stays for who reads it a page at a time, to the end', () => {
    const pages = [...stage.job(READ).results.values()].length;
    expect(pages).toBeGreaterThan(2);
    for (let page = 1; page <= pages; page++) {
      wait(LIMITS.readerIdleMillis - 5_000);
      credit(100);
      expect(stage.take('Results')?.last ?? false).toBe(page === pages);
    }
    wait(5_000);
    expect(stage.job(READ)).toBeUndefined();
  });

  test('stays for who has begun to read it, and goes when he stands still for long', () => {
    wait(LIMITS.readerIdleMillis - 5_000);
    expect(stage.job(READ)).toBeDefined();
    wait(10_000);
    expect(stage.job(READ)).toBeUndefined();
    credit(1);
    expect(stage.take('Refused')).toMatchObject({ job: READ, code: 'unknownJob' });
  });

  test.each([
    ['opens it again and again', { order: 'seq', after: 0 }],
    ['owes credit, and gives a little of it now and then', {}],
  ])('does not stay for who %s and gets nothing', (_, more) => {
    credit(1);
    for (let n = 0; n < 4 && stage.job(READ) !== undefined; n++) {
      wait(LIMITS.readerIdleMillis / 2);
      credit('order' in more ? 0 : 1, more);
    }
    expect(stage.job(READ)).toBeUndefined();
  });
});

test('readers that stand still keep no more than twice as many jobs as may be kept, but for a minute', () => {
  const stage = new Stage();
  const client = stage.client();
  const reader = stage.client(peerId('b'.repeat(32)));
  const drone = stage.drone();
  const give = (n: number) => {
    const inputs = { count: 1, sizes: 1, data: new Uint8Array(1) };
    const spec = { kind: 'echo', encoding: 'msgpack', attached: false } as const;
    stage.say(client, { type: 'Submit', job: id(n), spec, inputs, follow: false });
    stage.say(reader, { type: 'ResultCredit', job: id(n), bytes: 0, order: 'seq', after: 0 });
    stage.complete(drone, stage.take('TaskAssign')!, { request: true });
    stage.said.length = 0;
  };
  const most = 2 * LIMITS.retainedJobsMax + SPARE;
  for (let n = 1; n <= most; n++) give(n);
  expect(stage.state.ended.size).toBe(most);
  stage.advance(LIMITS.keptMillisMin);
  for (let n = most + 1; n <= most + 2 * SPARE; n++) give(n);
  expect(stage.state.ended.size).toBeLessThanOrEqual(2 * LIMITS.retainedJobsMax + SPARE);
});
