/** Short lists of inputs go with the job where the Queen takes them so; all others, and to other Queens, as ever. */
import { describe, expect, test } from '@jest/globals';
import { newJobId } from './hive.ts';
import type { FakeQueen } from './testing/fake-queen.ts';
import { collect, count, rejection, withFake } from './testing/with-fake.ts';

const NEW = { wholeJobs: true };
/** What the client has said, without the session. A page leaves when it has taken long, so there may be several in a row. */
const said = ({ heard }: FakeQueen) =>
  heard
    .map(({ type }) => type)
    .filter((type) => !['Hello', 'Goodbye', 'ResultCredit'].includes(type))
    .filter((type, n, all) => type !== 'Append' || all[n - 1] !== 'Append');

describe('a short list of inputs', () => {
  test('goes with the job, and a detached one is known to be durable by one answer', () =>
    withFake(NEW, async (queen, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: [1, 'two', [3]], attached: false });
      await job.sealed;
      expect(said(queen)).toEqual(['Submit']);
      expect((await collect(job.results())).map(({ value }) => value)).toEqual([1, 'two', [3]]);
      expect(await job.done).toMatchObject({ state: 'succeeded' });
    }));

  test('saves a map its round trip', () =>
    withFake(NEW, async (queen, hive) => {
      expect(await hive.map('echo', [5, 6])).toEqual([5, 6]);
      expect(said(queen)).toEqual(['Submit']);
    }));

  test('may be empty', () =>
    withFake(NEW, async (queen, hive) => {
      expect(await hive.map('echo', [])).toEqual([]);
      expect(said(queen)).toEqual(['Submit']);
    }));

  test('is appended for a Queen who does not take it so', () =>
    withFake({}, async (queen, hive) => {
      expect(await hive.map('echo', [5, 6])).toEqual([5, 6]);
      expect(said(queen)).toEqual(['Submit', 'Append', 'Seal']);
    }));

  test('goes again after a reconnect, until it is known to be there', () =>
    withFake(NEW, async (queen, hive) => {
      let isFirst = true;
      queen.intercept = (message, connection) => {
        if (message.type !== 'Submit' || !isFirst) return false;
        isFirst = false;
        connection.destroy();
        return true;
      };
      expect(await hive.map('echo', [5, 6])).toEqual([5, 6]);
      expect(said(queen)).toEqual(['Submit', 'Submit']);
    }));

  test('that has too much in it is appended', () =>
    withFake(NEW, async (queen, hive) => {
      expect(await hive.map('echo', [...count(257)])).toEqual([...count(257)]);
      const long = 'x'.repeat(40_000);
      expect(await hive.map('echo', [long, long])).toEqual([long, long]);
      expect(said(queen).filter((type) => type === 'Append').length).toBeGreaterThanOrEqual(2);
    }));

  test('with a value that cannot be sent says which, as ever', () =>
    withFake(NEW, async (_, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: [1, () => 2] });
      expect((await rejection(job.done)).code).toBe('badValue');
    }));

  test('that comes as a generator is pulled', () =>
    withFake(NEW, async (queen, hive) => {
      expect(await hive.map('echo', count(3))).toEqual([0, 1, 2]);
      expect(said(queen)).toEqual(['Submit', 'Append', 'Seal']);
    }));
});

describe('a job that is handed over', () => {
  const echo = { kind: 'echo', inputs: [1, 2], name: 'mine' };

  test('is one message, and nothing of it stays here', () =>
    withFake(NEW, async (queen, hive) => {
      const id = newJobId();
      expect(await hive.handOver({ ...echo, id })).toEqual({
        id,
        kind: 'echo',
        name: 'mine',
        state: 'waiting',
        createdAt: 'today',
      });
      expect(said(queen)).toEqual(['Submit']);
      expect(queen.job()).toMatchObject({ client: null, isSealed: true, inputs: [1, 2] });
      expect(queen.job().spec.attached).toBe(false);
      // The same id is free again: submitting twice is harmless.
      expect((await hive.handOver({ ...echo, id })).id).toBe(id);
    }));

  test('may be a range', () =>
    withFake(NEW, async (queen, hive) => {
      await hive.handOver({ kind: 'echo', range: { start: 0, step: 1, count: 5 } });
      expect(said(queen)).toEqual(['Submit']);
    }));

  test('is submitted again when the connection is lost before the answer', () =>
    withFake(NEW, async (queen, hive) => {
      let lost = 0;
      queen.intercept = (message, connection) => {
        if (message.type !== 'Submit' || lost++ >= 2) return false;
        setImmediate(() => connection.destroy());
        return lost === 1;
      };
      const receipts = await Promise.all(Array.from({ length: 20 }, () => hive.handOver(echo)));
      expect(new Set(receipts.map(({ id }) => id)).size).toBe(20);
      expect(queen.jobs.size).toBe(20);
      for (const { inputs } of queen.jobs.values()) expect(inputs).toEqual([1, 2]);
    }));

  test('is submitted like any other where it is long, or the Queen does not know how', async () => {
    await withFake(NEW, async (queen, hive) => {
      expect((await hive.handOver({ kind: 'echo', inputs: count(1_000) })).id).toBe(queen.job().id);
      expect(queen.job()).toMatchObject({ isSealed: true });
      expect(queen.job().inputs.length).toBe(1_000);
    });
    await withFake({}, async (queen, hive) => {
      expect((await hive.handOver(echo)).id).toBe(queen.job().id);
      expect(queen.job()).toMatchObject({ isSealed: true, inputs: [1, 2] });
    });
  });

  test('is refused for what any job is refused for', () =>
    withFake(NEW, async (_, hive) => {
      expect((await rejection(hive.handOver({ kind: 'nothing', inputs: [] }))).code).toBe('unknownKind');
      expect((await rejection(hive.handOver({ kind: 'echo' }))).message).toBe(
        'A job has either inputs or a range.',
      );
      const id = newJobId();
      const first = hive.handOver({ ...echo, id });
      expect((await rejection(hive.handOver({ ...echo, id }))).code).toBe('jobHeld');
      await first;
      const late = rejection(hive.handOver(echo));
      await hive.close();
      expect((await late).code).toBe('closed');
    }));
});
