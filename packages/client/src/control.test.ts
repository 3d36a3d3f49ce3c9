/** What a client can do to jobs and Drones, against the fake Queen. */
import type { Message } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import type { FakeQueen } from './testing/fake-queen.ts';
import { count, rejection, withFake } from './testing/with-fake.ts';

const ID = '018f0000-0000-7000-8000-000000000000';
const heard = <T extends Message['type']>(queen: FakeQueen, type: T) =>
  queen.heard.filter((message) => message.type === type) as Message<T>[];

describe('a client', () => {
  test('retries, drains, resumes, removes, and asks for a task', () =>
    withFake({}, async (queen, hive) => {
      expect(await hive.retry(ID)).toMatchObject({ retried: 1 });
      expect(await hive.drain('d')).toMatchObject({ name: 'd', draining: true });
      expect(await hive.resume('d')).toMatchObject({ draining: false });
      expect(await hive.gc(ID)).toBe(1);
      expect(await hive.gc()).toBe(0);
      expect(heard(queen, 'Manage').map(({ action, job, drone }) => [action, job ?? drone])).toEqual([
        ['retry', ID],
        ['drain', 'd'],
        ['resume', 'd'],
        ['gc', ID],
        ['gc', undefined],
      ]);
      expect(await hive.task(ID, 7)).toMatchObject({ state: 'recorded' });
      expect(heard(queen, 'Query').at(-1)).toMatchObject({ about: 'task', job: ID, index: 7 });
      expect((await rejection(hive.retry('x'))).code).toBe('badJobId');
      expect((await rejection(hive.task(ID, -1))).code).toBe('badQuestion');
    }));

  test('asks again for what it was not told before the connection was lost', () =>
    withFake({}, async (queen, hive) => {
      queen.intercept = ({ type }) => type === 'Manage';
      const removed = hive.gc(ID);
      await queen.until(() => heard(queen, 'Manage').length === 1);
      queen.intercept = () => false;
      queen.cut();
      expect(await removed).toBe(1);
    }));

  test('cancels tasks of a job, as many as it likes', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: [1, 2, 3] });
      await job.cancel({ indices: [1], reason: 'not this one' });
      await hive.cancel(job.id, { indices: [...count(140_000)] });
      await hive.cancel(job.id, { indices: [] });
      const cancels = heard(queen, 'Cancel');
      expect(cancels[0]).toMatchObject({ indices: [1], reason: 'not this one' });
      expect(cancels.map(({ indices }) => indices?.length)).toEqual([1, 131_072, 140_000 - 131_072, 0]);
      queen.release();
      expect((await job.done).state).toBe('succeeded');
    }));
});

describe('a signal', () => {
  test('cancels a submitted job, also long after it was accepted', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const abort = new AbortController();
      const job = await hive.submit({ kind: 'echo', inputs: [1], signal: abort.signal });
      abort.abort();
      expect(await job.done).toMatchObject({ state: 'cancelled', message: 'aborted by its client' });
    }));

  test('ends the submitting itself', () =>
    withFake({ inputCredit: 100 }, async (queen, hive) => {
      queen.isHolding = true;
      queen.intercept = ({ type }) => type === 'Append';
      const abort = new AbortController();
      const options = { kind: 'echo', inputs: count(1e9), attached: false, signal: abort.signal };
      const submitting = rejection(hive.submit(options));
      await queen.until(() => heard(queen, 'Append').length > 0);
      abort.abort('enough');
      expect(await submitting).toBe('enough');
      await queen.until(() => queen.job().state === 'cancelled');
      expect(await rejection(hive.submit(options))).toBe('enough');
      expect(queen.jobs.size).toBe(1);
    }));

  test('is not listened to any more when the job has ended', () =>
    withFake({}, async (queen, hive) => {
      const abort = new AbortController();
      const job = await hive.submit({ kind: 'echo', inputs: [1], signal: abort.signal });
      await job.done;
      abort.abort();
      await hive.status();
      expect(heard(queen, 'Cancel')).toEqual([]);
    }));
});

describe('results that are gone', () => {
  test('fail their reader when the Queen has lost them', () =>
    withFake({ resultsPerPage: 1, task: () => 'x'.repeat(100_000) }, async (queen, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: count(400) });
      const results = job.results();
      await job.done;
      await results.next();
      queen.intercept = (message, connection) => {
        if (message.type !== 'ResultCredit' || queen.jobs.size > 0) return false;
        connection.send({ type: 'Refused', job: message.job, code: 'unknownJob', message: 'gone' });
        return true;
      };
      await queen.restartEmpty();
      const reading = async () => {
        for await (const _ of results);
      };
      expect(await rejection(reading())).toMatchObject({ code: 'unknownJob', message: 'gone' });
    }));
});
