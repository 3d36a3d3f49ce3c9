import { describe, expect, test } from '@jest/globals';
import { collect, count, rejection, withFake } from './testing/with-fake.ts';

describe('after the connection is lost', () => {
  test('calls in flight get their results, and new ones wait', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const before = hive.call('echo', 'before');
      await queen.until(() => queen.jobs.size === 1 && queen.job().inputs.length === 1);
      queen.cut();
      const after = hive.call('echo', 'after');
      await queen.until(() => queen.job().inputs.length === 2 && queen.job().client !== null);
      queen.release();
      expect(await Promise.all([before, after])).toEqual(['before', 'after']);
      expect(queen.jobs.size).toBe(1);
    }));

  test('no input is lost or doubled, wherever it is cut', () =>
    withFake({ inputCredit: 300, resultsPerPage: 3 }, async (queen, hive) => {
      let appends = 0;
      let cuts = 0;
      // Every 3rd Append the connection breaks, before she has the page or after: in turn.
      queen.intercept = (message, connection) => {
        if (message.type !== 'Append' || ++appends % 3 !== 0 || cuts === 8) return false;
        const isLost = cuts++ % 2 === 0;
        // What follows a lost page in the same chunk is lost with it.
        if (isLost) connection.destroy();
        else setImmediate(() => connection.destroy());
        return isLost;
      };
      const values = await hive.map('echo', count(1_000)).all();
      expect(values).toEqual([...count(1_000)]);
      expect(queen.job().inputs).toEqual([...count(1_000)]);
      expect(cuts).toBe(8);
    }));

  test.each([true, false])('no result is lost or doubled (ordered: %s)', (ordered) =>
    withFake({ resultsPerPage: 10, task: (n) => `${n}${'.'.repeat(1_000)}` }, async (queen, hive) => {
      const results = hive.map('echo', count(500), { ordered });
      const seen: number[] = [];
      for await (const value of results) {
        seen.push(Number.parseInt(value as string, 10));
        if (seen.length % 150 === 0) queen.cut();
      }
      expect(seen).toEqual([...count(500)]);
    }),
  );

  test('questions are asked again, and overviews go on', () =>
    withFake({}, async (queen, hive) => {
      const watching = hive.watch(500);
      await watching.next();
      queen.intercept = ({ type }) => type === 'Query';
      const status = hive.status();
      await queen.until(() => queen.heard.some(({ type }) => type === 'Query'));
      queen.intercept = () => false;
      queen.cut();
      expect(await status).toEqual({ name: 'fake' });
      expect((await watching.next()).value).toEqual({ clients: 1 });
    }));

  test('the end of a job is heard although it came meanwhile', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: [1] });
      await queen.until(() => queen.job().isSealed);
      queen.cut();
      queen.release();
      expect((await job.done).state).toBe('succeeded');
    }));

  test('a cancelled call is cancelled again', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      queen.intercept = (message) => message.type === 'Cancel';
      const abort = new AbortController();
      const call = rejection(hive.call('echo', 1, { signal: abort.signal }));
      await queen.until(() => queen.jobs.size === 1 && queen.job().inputs.length === 1);
      abort.abort();
      await call;
      const cancels = () => queen.heard.filter(({ type }) => type === 'Cancel').length;
      await queen.until(() => cancels() === 1);
      queen.cut();
      await queen.until(() => cancels() === 2);
    }));

  test('a silent Queen is left, and found again', () =>
    withFake({ heartbeatMillis: 20 }, async (queen, hive) => {
      queen.intercept = ({ type }) => type === 'Heartbeat';
      const [first] = queen.clients;
      await queen.until(() => queen.clients.size > 0 && !queen.clients.has(first!));
      queen.intercept = () => false;
      expect(await hive.status()).toEqual({ name: 'fake' });
    }));
});

describe('when the Queen comes back without her store', () => {
  test('a job of which she had inputs fails as lost', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: [1, 2, 3] });
      const results = rejection(collect(job.results()));
      await queen.until(() => queen.job().isSealed);
      await hive.status();
      await queen.restartEmpty();
      const error = await rejection(job.done);
      expect(error).toMatchObject({ name: 'UsageError', code: 'jobLost' });
      expect(error.message).toContain(
        'another Queen answers now, or this one has lost what she had in memory',
      );
      expect(await results).toBe(error);
    }));

  test('calls that she had fail as lost, and the next ones work', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const lost = rejection(hive.call('echo', 1));
      await queen.until(() => queen.jobs.size === 1 && queen.job().inputs.length === 1);
      await hive.status();
      await queen.restartEmpty();
      expect((await lost).code).toBe('jobLost');
      queen.isHolding = false;
      expect(await hive.call('echo', 2)).toBe(2);
    }));

  test('a range that has given results is not run again from the start', () =>
    withFake({ resultsPerPage: 2 }, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', range: { start: 0, step: 1, count: 10 } });
      const results = job.results();
      queen.run(queen.job(), 4);
      expect((await results.next()).value).toMatchObject({ index: 0 });
      await queen.restartEmpty();
      expect((await rejection(job.done)).code).toBe('jobLost');
    }));

  test('a job of which she had nothing yet is simply submitted again', () =>
    withFake({}, async (queen, hive) => {
      queen.intercept = ({ type }) => type === 'Append' || type === 'Seal';
      const all = hive.map('echo', [1, 2, 3]).all();
      await queen.until(() => queen.heard.some(({ type }) => type === 'Append'));
      queen.intercept = () => false;
      await queen.restartEmpty();
      expect(await all).toEqual([1, 2, 3]);
    }));
});
