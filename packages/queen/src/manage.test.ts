import { type Failure, jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Setting } from './testing/setting.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const LATER = jobId('01890000-0000-7000-8000-000000000002');
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'msgpack', attached: false, retries: 0 };

describe.each(['memory', 'sqlite'] as const)('jobs under control, with the %s store', (store) => {
  let hive: Setting;
  beforeEach(async () => {
    hive = new Setting(store);
    await hive.start();
  });
  afterEach(() => hive.dispose());

  function submit(job = JOB, spec: Partial<Message<'Submit'>['spec']> = {}, count = 6): void {
    hive.client.send({ type: 'Submit', job, spec: { ...SPEC, ...spec } });
    const values = Uint8Array.from({ length: count }, (_, i) => i);
    hive.client.send({ type: 'Append', job, first: 0, count, sizes: 1, data: values });
    hive.client.send({ type: 'Seal', job, count });
  }
  /** Runs leases until `count` tasks are done; tasks that `fails` names fail. */
  async function work(count: number, fails: (index: number) => boolean = () => false): Promise<void> {
    for (let done = 0; done < count; ) {
      const { lease, ranges, data: values } = await hive.worker.next('TaskAssign');
      let at = 0;
      for (let i = 0; i < ranges.length; i += 2) {
        const [first, length] = [ranges[i]!, ranges[i + 1]!];
        const failures: Failure[] = [];
        const sizes = new Uint8Array(length * 4);
        const kept: number[] = [];
        for (let k = 0; k < length; k++) {
          if (fails(first + k)) failures.push({ index: first + k, outcome: 'failed', message: 'no' });
          else {
            sizes[k * 4 + 3] = 1;
            kept.push(values![at + k]!);
          }
        }
        const isLast = i + 2 === ranges.length;
        hive.worker.send({
          type: 'TaskComplete',
          lease,
          at,
          first,
          count: length,
          sizes,
          data: Uint8Array.from(kept),
          busyMicros: 10,
          ...(failures.length > 0 && { failures }),
          ...(isLast && { ended: true, request: true }),
        });
        at += length;
        done += length;
      }
    }
  }
  async function results(job = JOB): Promise<Map<number, number | string>> {
    hive.client.send({ type: 'ResultCredit', job, order: 'index', after: 0, bytes: 100_000 });
    const found = new Map<number, number | string>();
    for (let isLast = false; !isLast; ) {
      const page = await hive.client.next('Results');
      let at = 0;
      for (let k = 0; k < page.count; k++) {
        const failure = page.failures?.find(({ index }) => index === page.first + k);
        expect(found.has(page.first + k)).toBe(false);
        found.set(page.first + k, failure?.outcome ?? page.data[at++]!);
      }
      isLast = page.last === true;
    }
    return found;
  }

  test('a retry runs what failed, and nothing else', async () => {
    submit();
    await work(6, (index) => index === 1 || index === 4);
    expect(await hive.client.next('JobDone')).toMatchObject({
      state: 'failed',
      counts: { succeeded: 4, failed: 2 },
    });
    expect([...(await results()).values()]).toEqual([0, 'failed', 2, 3, 'failed', 5]);
    // Whoever asks for results after the end is told of it again.
    expect(await hive.client.next('JobDone')).toMatchObject({ state: 'failed' });
    hive.client.send({ type: 'Manage', request: 1, action: 'retry', job: JOB });
    expect((await hive.client.next('Answer')).body).toMatchObject({ retried: 2, state: 'running' });
    if (store === 'sqlite') {
      await hive.stop();
      await hive.start();
      hive.client.send({ type: 'ResultCredit', job: JOB, bytes: 0 });
    }
    await work(2);
    expect(await hive.client.next('JobDone')).toMatchObject({
      state: 'succeeded',
      counts: { succeeded: 6, failed: 0 },
    });
    expect([...(await results()).values()]).toEqual([0, 1, 2, 3, 4, 5]);
    hive.client.send({ type: 'Manage', request: 2, action: 'retry', job: JOB });
    expect((await hive.client.next('Refused')).message).toContain('nothing to run again');
  });

  test('a task has a story: every attempt, where, and how it ended', async () => {
    submit(JOB, { retries: 1, backoffMillis: 1, backoffMillisMax: 1 }, 1);
    await work(1, () => true);
    await work(1);
    await hive.client.next('JobDone');
    hive.client.send({ type: 'Query', request: 7, about: 'task', job: JOB, index: 0 });
    const story = (await hive.client.next('Answer')).body as {
      attempts: { outcome: string; drone: string }[];
    };
    expect(story.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'succeeded']);
    expect(story.attempts[0]!.drone).toBe('test drone');
  });

  test('a job waits for another to succeed, and never starts when that fails', async () => {
    submit();
    submit(LATER, { after: [{ job: JOB, on: 'success' }] });
    await work(6, (index) => index === 0);
    const ends = [await hive.client.next('JobDone'), await hive.client.next('JobDone')];
    expect(ends.map(({ job, state }) => [job, state])).toEqual([
      [JOB, 'failed'],
      [LATER, 'cancelled'],
    ]);
    expect(ends[1]!.message).toContain('has failed');
  });

  test('a job that comes after any end starts then', async () => {
    submit();
    await hive.worker.next('TaskAssign');
    submit(LATER, { after: [{ job: JOB, on: 'end' }] });
    hive.client.send({ type: 'Cancel', request: 1, job: JOB });
    await hive.client.next('JobDone');
    // The place of the cancelled job's task comes back when the Drone says so.
    const { lease } = await hive.worker.next('CancelTask');
    hive.worker.send({
      type: 'TaskComplete',
      lease,
      at: 0,
      first: 0,
      count: 0,
      sizes: 0,
      data: new Uint8Array(0),
      busyMicros: 0,
      ended: true,
      request: true,
    });
    await work(6);
    expect(await hive.client.next('JobDone')).toMatchObject({ job: LATER, state: 'succeeded' });
  });

  test('a job after one that is not there is refused', async () => {
    submit(LATER, { after: [{ job: JOB, on: 'success' }] });
    expect((await hive.client.next('Refused')).message).toContain('not here');
  });

  test('a job is halted after so many failures', async () => {
    submit(JOB, { haltOn: { failures: 2 } }, 100);
    await work(2, () => true).catch(() => {});
    const done = await hive.client.next('JobDone');
    expect(done).toMatchObject({ state: 'failed' });
    expect(done.message).toContain('halted');
  });

  test('a deadline ends what runs', async () => {
    // Whole in one message, so that its task runs before any time has passed.
    const range = { start: 0, step: 1, count: 1 };
    hive.client.send({ type: 'Submit', job: JOB, spec: { ...SPEC, range, deadlineMillis: 30 } });
    await hive.worker.next('TaskAssign');
    expect((await hive.client.next('JobDone')).message).toContain('deadline');
    await hive.worker.next('CancelTask');
  });

  test('tasks that wait too long in the queue end as timed out, before they start', async () => {
    submit();
    const { lease } = await hive.worker.next('TaskAssign');
    submit(LATER, { queueTimeoutMillis: 20 }, 3);
    expect(await hive.client.next('JobDone')).toMatchObject({
      job: LATER,
      state: 'failed',
      counts: { failed: 3 },
    });
    expect([...(await results(LATER)).values()]).toEqual(['timedOut', 'timedOut', 'timedOut']);
    expect(lease).toBeGreaterThan(0);
  });

  test('a Drone that is drained gets no more work until it is resumed', async () => {
    hive.client.send({ type: 'Manage', request: 1, action: 'drain', drone: 'test drone' });
    expect((await hive.client.next('Answer')).body).toMatchObject({ draining: true });
    submit();
    await hive.client.next('Accepted');
    hive.client.send({ type: 'Query', request: 2, about: 'job', job: JOB });
    expect((await hive.client.next('Answer')).body).toMatchObject({ state: 'waiting' });
    hive.client.send({ type: 'Manage', request: 3, action: 'resume', drone: hive.worker.peer });
    await work(6);
    await hive.client.next('JobDone');
  });

  test('ended jobs can be removed before their time', async () => {
    submit();
    await work(6);
    await hive.client.next('JobDone');
    hive.client.send({ type: 'Manage', request: 1, action: 'gc' });
    expect((await hive.client.next('Answer')).body).toEqual({ removed: 1 });
    hive.client.send({ type: 'Query', request: 2, about: 'job', job: JOB });
    expect((await hive.client.next('Refused')).code).toBe('unknownJob');
  });
});
