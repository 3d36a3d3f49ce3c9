/** Reduced jobs in the scheduler: what is recorded, what is folded by whom, and how they end. */
import { type Failure, jobId, LIMITS, type Message, type SessionNumber, type Spec } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { GRACE, Stage } from './testing/stage.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
type Assign = Message<'TaskAssign'>;

class Folding extends Stage {
  readonly owner = this.client();
  fold(count: number, more: Partial<Spec> = {}): void {
    const spec = { range: { start: 0, step: 1, count }, reduce: { op: 'count' as const }, ...more };
    this.submit(this.owner, JOB, spec);
  }
  /** Reports a part of a lease as one value. */
  report(drone: SessionNumber, { lease, ranges }: Assign, at: number, count: number, ended = false): void {
    this.say(drone, {
      type: 'TaskComplete',
      lease,
      at,
      first: ranges[0]! + at,
      count,
      sizes: 1,
      data: Uint8Array.of(count),
      reduced: true,
      busyMicros: 10,
      ...(ended ? { ended: true, request: true } : {}),
    });
  }
  /** The answer to a fold. */
  answer(drone: SessionNumber, { lease, ranges }: Assign, failure?: Partial<Failure>): void {
    const failures = [{ index: ranges[0]!, outcome: 'failed' as const, message: 'no', ...failure }];
    this.say(drone, {
      type: 'TaskComplete',
      lease,
      at: 0,
      first: ranges[0]!,
      count: 1,
      ...(failure === undefined
        ? { sizes: 1, data: Uint8Array.of(99) }
        : { sizes: 0, data: new Uint8Array(0), failures }),
      busyMicros: 10,
      ended: true,
      request: true,
    });
  }
  /** Runs whatever is assigned until a fold comes, or the job has ended. */
  untilFold(drone: SessionNumber): Assign {
    for (let next = this.take('TaskAssign'); next !== undefined; next = this.take('TaskAssign')) {
      if (next.fold !== undefined) return next;
      this.report(drone, next, 0, next.ranges[1]!, true);
    }
    throw new Error('no fold came');
  }
  get recorded(): readonly (readonly [number, number])[] {
    return [...this.job(JOB).recorded];
  }
}

describe('a reduced page', () => {
  test('counts whole or not at all: what of it nobody has done runs again', () => {
    const stage = new Folding();
    stage.fold(1_000);
    const first = stage.drone({ name: 'a' });
    // Its rate is learned, so that leases are long.
    for (let i = 0; i < 4; i++) {
      const lease = stage.take('TaskAssign')!;
      stage.report(first, lease, 0, lease.ranges[1]!, true);
    }
    const held = stage.take('TaskAssign')!;
    const [from, count] = held.ranges as [number, number];
    expect(count).toBeGreaterThan(3);
    stage.lose(first);
    const other = stage.drone({ name: 'b' });
    while (!stage.job(JOB).recorded.has(from)) {
      const next = stage.take('TaskAssign')!;
      stage.report(other, next, 0, next.ranges[1]!, true);
    }
    expect(stage.job(JOB).recorded.covers(from, from + count)).toBe(false);
    // The lost Drone comes back with its lease, and reports all of it as one value.
    const { queen, incarnation } = stage.state.identity;
    const lease = { queen, incarnation, lease: held.lease, job: JOB, ranges: held.ranges, done: 0 };
    const back = stage.drone({ name: 'a', asks: false, leases: [lease as never] });
    const before = stage.state.dropped.duplicateResults;
    stage.report(back, held, 0, count, true);
    expect(stage.state.dropped.duplicateResults - before).toBe(count);
    // Nothing of it is lost, and nothing is recorded twice.
    stage.lose(back);
    while (stage.job(JOB).isActive) stage.answer(other, stage.untilFold(other));
    expect(stage.job(JOB)).toMatchObject({ state: 'succeeded', succeeded: 1_000 });
  });

  test('is not taken of a job that folds nothing, nor a plain one of a job that does', () => {
    for (const reduce of [undefined, { op: 'count' as const }]) {
      const stage = new Folding();
      stage.submit(stage.owner, JOB, {
        range: { start: 0, step: 1, count: 5 },
        ...(reduce === undefined ? {} : { reduce }),
      });
      const drone = stage.drone();
      const lease = stage.take('TaskAssign')!;
      if (reduce === undefined) stage.report(drone, lease, 0, 1);
      else stage.complete(drone, lease);
      expect(stage.state.drones).toBe(0);
    }
  });
});

describe('folds', () => {
  test('are of adjacent pages, level by level, until one is left, which is the value', () => {
    const stage = new Folding();
    stage.fold(2_000_000_000_000);
    const drone = stage.drone();
    stage.job(JOB).rates.set(stage.state.sessions.get(drone)!.peer, {
      millisPerTask: 1e-9,
      lengthCap: LIMITS.leaseTasksMax,
    });
    // Cut down to what a test can wait for: everything but the first pages is recorded at once.
    const fold = stage.untilFold(drone);
    expect(fold.ranges[1]).toBe(1);
    const pages = [...stage.job(JOB).folds!.underWay][0]!.pages;
    expect(pages).toHaveLength(LIMITS.foldPagesMax);
    for (let i = 1; i < pages.length; i++) expect(pages[i]!.first).toBe(pages[i - 1]!.end);
    expect(fold.fold).toBe(pages.at(-1)!.end - pages[0]!.first);
    const stored = stage.job(JOB).results.pages;
    stage.answer(drone, fold);
    expect(stage.job(JOB).results.pages).toBe(stored - pages.length + 1);
    expect(stage.log.some(({ type }) => type === 'pagesFolded')).toBe(true);
  });

  test('end the job with its value, which outlives a restart', () => {
    const stage = new Folding();
    stage.fold(10);
    const drone = stage.drone();
    stage.answer(drone, stage.untilFold(drone));
    expect(stage.job(JOB)).toMatchObject({ state: 'succeeded', succeeded: 10 });
    const sent = stage.said.find(({ message }) => message.type === 'JobDone')!;
    expect(sent.results).toEqual({ job: JOB, seq: stage.job(JOB).valueSeq });
    stage.restart();
    const later = stage.client();
    stage.say(later, { type: 'ResultCredit', job: JOB, bytes: 0, order: 'seq', after: 0 });
    const again = stage.said.find(({ message }) => message.type === 'JobDone')!;
    expect(again.results).toEqual(sent.results);
    expect((again.message as Message<'JobDone'>).finish).toBeUndefined();
  });

  test('are tried again elsewhere when their Drone is lost, or gives them back', () => {
    const stage = new Folding();
    stage.fold(10);
    const first = stage.drone({ name: 'a' });
    const fold = stage.untilFold(first);
    stage.lose(first);
    const second = stage.drone({ name: 'b' });
    // Nothing else was in its process, so it counts as a crash of the fold, which waits a moment.
    stage.advance(2_000);
    const again = stage.take('TaskAssign')!;
    expect([again.fold, again.ranges]).toEqual([fold.fold, fold.ranges]);
    stage.say(second, { type: 'Retracted', lease: again.lease, end: 0 });
    stage.say(second, { type: 'TaskRequest', slots: 1 });
    stage.answer(second, stage.take('TaskAssign')!);
    expect(stage.job(JOB).state).toBe('succeeded');
  });

  test('of before a restart are not adopted, but done anew', () => {
    const stage = new Folding();
    stage.fold(10);
    const drone = stage.drone();
    const fold = stage.untilFold(drone);
    const { queen, incarnation } = stage.state.identity;
    stage.restart();
    const back = stage.drone({
      leases: [
        {
          queen,
          incarnation: incarnation as never,
          lease: fold.lease,
          job: JOB,
          ranges: fold.ranges,
          done: 0,
          fold: true,
        } as never,
      ],
    });
    expect(stage.take('CancelTask')).toMatchObject({ lease: fold.lease });
    // What the old one still says is acknowledged and dropped.
    stage.say(back, {
      type: 'TaskComplete',
      lease: fold.lease,
      incarnation: incarnation as never,
      job: JOB,
      at: 0,
      first: 0,
      count: 1,
      sizes: 1,
      data: Uint8Array.of(1),
      busyMicros: 1,
    });
    expect(stage.take('ResultAck')).toBeDefined();
    stage.advance(GRACE);
    stage.answer(back, stage.take('TaskAssign')!);
    expect(stage.job(JOB).state).toBe('succeeded');
  });

  test('that fail are tried as often as tasks, then the job fails; a retry goes on from there', () => {
    const stage = new Folding();
    stage.fold(10, { retries: 1, backoffMillis: 100 });
    const drone = stage.drone();
    stage.answer(drone, stage.untilFold(drone), {});
    expect(stage.take('TaskAssign')).toBeUndefined();
    stage.advance(100);
    stage.answer(drone, stage.take('TaskAssign')!, {});
    expect(stage.job(JOB)).toMatchObject({ state: 'failed', message: 'folding tasks 0 to 9 failed: no' });
    stage.say(stage.owner, { type: 'Manage', request: 1, action: 'retry', job: JOB });
    expect(stage.take('Answer')).toMatchObject({ body: { retried: 0 } });
    stage.answer(drone, stage.take('TaskAssign')!);
    expect(stage.job(JOB).state).toBe('succeeded');
  });

  test('that can never succeed end the job at once, with the error itself, which outlives a restart', () => {
    const stage = new Folding();
    stage.fold(10);
    const drone = stage.drone();
    const failure = { code: 'E_MERGE', error: 'oqFhAQ==', retryable: false };
    stage.answer(drone, stage.untilFold(drone), failure);
    const told = {
      state: 'failed',
      message: 'folding tasks 0 to 9 failed: no',
      failure: { index: 0, count: 10, outcome: 'failed', message: 'no', ...failure },
    };
    expect(stage.take('JobDone')).toMatchObject(told);
    stage.restart();
    const later = stage.client();
    stage.say(later, { type: 'ResultCredit', job: JOB, bytes: 0, order: 'seq', after: 0 });
    expect(stage.take('JobDone')).toMatchObject(told);
    stage.say(later, { type: 'Manage', request: 1, action: 'retry', job: JOB });
    expect(stage.job(JOB)).toMatchObject({ state: 'running', failure: null });
  });

  test('that fail with as long a text as there may be leave no longer one to those who are told', () => {
    const stage = new Folding();
    stage.fold(10);
    const drone = stage.drone({ name: 'a' });
    stage.answer(drone, stage.untilFold(drone), { message: 'x'.repeat(LIMITS.textMax), retryable: false });
    const { message } = stage.job(JOB);
    expect(message).toMatch(/^folding tasks 0 to 9 failed: x+$/);
    expect(message).toHaveLength(LIMITS.textMax);
  });

  test('whose process is lost again and again, with nothing else in it, end the job', () => {
    const stage = new Folding();
    stage.fold(10, { crashLimit: 2, backoffMillis: 100 });
    stage.untilFold(stage.drone());
    for (const name of ['d', 'a']) {
      const drone = [...stage.state.sessions.values()].find((peer) => peer.drone !== null)!.session;
      stage.lose(drone);
      stage.advance(200);
      if (name === 'd') stage.drone({ name: 'a' });
      if (name === 'd') expect(stage.take('TaskAssign')?.fold).toBe(10);
    }
    expect(stage.job(JOB)).toMatchObject({ state: 'failed' });
    expect(stage.job(JOB).message).toMatch(/^folding tasks 0 to 9 crashed: the process of . was lost/);
  });
});

describe('a task that ends its job', () => {
  const finish = (stage: Folding, drone: SessionNumber, { lease, ranges }: Assign) =>
    stage.say(drone, {
      type: 'TaskComplete',
      lease,
      at: 0,
      first: ranges[0]!,
      count: 1,
      sizes: 1,
      data: Uint8Array.of(42),
      finish: true,
      busyMicros: 1,
    });

  test.each([true, false])('succeeds with its value, and cancels the rest (reduced: %s)', (isReduced) => {
    const stage = new Folding();
    if (isReduced) stage.fold(1_000_000);
    else stage.submit(stage.owner, JOB, { range: { start: 0, step: 1, count: 1_000_000 } });
    const drone = stage.drone();
    const other = stage.drone({ name: 'e' });
    const [one, two] = [stage.take('TaskAssign')!, stage.take('TaskAssign')!];
    finish(stage, drone, one);
    const ended = { state: 'succeeded', succeeded: 1, cancelled: 999_999 };
    expect(stage.job(JOB)).toMatchObject(ended);
    expect(stage.take('CancelTask')).toMatchObject({ lease: two.lease });
    expect(stage.said.find(({ message }) => message.type === 'JobDone')).toMatchObject({
      message: { finish: true, state: 'succeeded' },
      results: { job: JOB, seq: 1 },
    });
    // What the others still finish does not count.
    if (isReduced) stage.report(other, two, 0, 1);
    expect(stage.job(JOB)).toMatchObject(ended);
    stage.restart();
    expect(stage.job(JOB)).toMatchObject({ ...ended, valueSeq: 1 });
    stage.say(stage.client(), { type: 'Manage', request: 2, action: 'retry', job: JOB });
    expect(stage.take('Refused')).toMatchObject({ code: 'badSpec' });
  });

  test('does not end a job of calls', () => {
    const stage = new Folding();
    stage.submit(stage.owner, JOB, { range: { start: 0, step: 1, count: 10 }, hidden: true });
    const drone = stage.drone();
    finish(stage, drone, stage.take('TaskAssign')!);
    expect(stage.job(JOB)).toMatchObject({ state: 'running', succeeded: 1 });
  });
});

test('a reduced job with a cancelled task has no value', () => {
  const stage = new Folding();
  stage.fold(3);
  stage.say(stage.owner, { type: 'Cancel', request: 1, job: JOB, indices: [1] });
  const drone = stage.drone();
  for (let next = stage.take('TaskAssign'); next !== undefined; next = stage.take('TaskAssign'))
    stage.report(drone, next, 0, next.ranges[1]!, true);
  expect(stage.job(JOB)).toMatchObject({ state: 'failed', succeeded: 2, cancelled: 1 });
});

test('readers of a reduced job are told of what failed, and of nothing else', () => {
  const stage = new Folding();
  stage.fold(3);
  stage.say(stage.owner, { type: 'ResultCredit', job: JOB, bytes: 1e6, order: 'index', after: 0 });
  const drone = stage.drone();
  let index = 0;
  for (let next = stage.take('TaskAssign'); next !== undefined; next = stage.take('TaskAssign'), index++) {
    if (index === 1) stage.complete(drone, next, { fails: true });
    else stage.report(drone, next, 0, next.ranges[1]!, true);
  }
  const read = stage.said.map(({ message }) => message).filter((message) => message.type === 'Results');
  expect(read.map(({ count }) => count).filter((count) => count > 0)).toEqual([1]);
  expect(read.at(-1)).toMatchObject({ last: true });
  expect(stage.job(JOB).state).toBe('failed');
});
