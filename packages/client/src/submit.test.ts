import { describe, expect, test } from '@jest/globals';
import { collect, count, rejection, withFake } from './testing/with-fake.ts';

const oddFails = (input: unknown) => {
  if ((input as number) % 2 === 1) throw new Error('odd');
  return input;
};

describe('a submitted job', () => {
  test('tells what became of each task', () =>
    withFake({ task: oddFails }, async (_, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: [0, 1, 2] });
      const error = { code: 'BOOM', message: 'odd' };
      expect(await collect(job.results())).toEqual([
        { index: 0, outcome: 'succeeded', value: 0 },
        { index: 1, outcome: 'failed', error },
        { index: 2, outcome: 'succeeded', value: 2 },
      ]);
      expect(await job.done).toMatchObject({
        state: 'failed',
        counts: { appended: 3, succeeded: 2, failed: 1 },
      });
      expect(job.progress).toMatchObject({ state: 'failed', sealed: true });
    }));

  test('may be a range, without inputs', () =>
    withFake({}, async (queen, hive) => {
      const job = await hive.submit({ kind: 'echo', range: { start: 10, step: -2, count: 4 } });
      const results = await collect(job.results({ ordered: false }));
      expect(results.map(({ value }) => value)).toEqual([10, 8, 6, 4]);
      expect(queen.heard.some(({ type }) => type === 'Append' || type === 'Seal')).toBe(false);
    }));

  test('carries its options to the Queen, and nothing that was not given', () =>
    withFake({}, async (queen, hive) => {
      const spec = {
        name: 'n',
        priority: 5,
        weight: 2,
        slots: 2,
        labels: { os: 'linux' },
        retries: 0,
        attached: false,
      };
      const job = await hive.submit({ kind: 'echo', inputs: [], params: { a: 1 }, ...spec });
      await job.done;
      expect(queen.job().spec).toEqual({ kind: 'echo', encoding: 'msgpack', params: { a: 1 }, ...spec });
    }));

  test('that is detached resolves when all of it is durable', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: count(100), attached: false });
      expect(queen.job().inputs.length).toBe(100);
      expect(queen.job().isSealed).toBe(true);
      await hive.close();
      expect(queen.job().state).toBe('running');
      expect((await rejection(job.done)).code).toBe('closed');
    }));

  test('tells when it is sealed, whenever it is asked', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const early = await hive.submit({ kind: 'echo', inputs: [1] });
      await early.sealed;
      await early.sealed;
      const late = await hive.submit({ kind: 'late', inputs: [1] });
      await queen.until(() => queen.job('late').isSealed);
      await late.sealed;
      queen.cut();
      await late.sealed;
    }));

  test('that is attached is cancelled when its client is closed', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      await hive.submit({ kind: 'echo', inputs: [1] });
      await hive.close();
      expect(queen.job().state).toBe('cancelled');
    }));

  test('reports progress', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: [1, 2] });
      const seen: number[] = [];
      const stop = job.onProgress(({ counts }) => seen.push(counts.succeeded));
      const counts = { appended: 2, succeeded: 1, failed: 0, cancelled: 0, running: 1 };
      queen.send({ type: 'Progress', job: job.id, state: 'running', counts, sealed: true });
      await hive.status();
      expect(job.progress).toEqual({ state: 'running', counts, sealed: true });
      stop();
      queen.release();
      await job.done;
      expect(seen).toEqual([1]);
    }));

  test('is cancelled by its handle', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const job = await hive.submit({ kind: 'echo', inputs: [1] });
      await job.cancel('no longer needed');
      expect(await job.done).toMatchObject({ state: 'cancelled', message: 'no longer needed' });
      await job.cancel();
    }));

  test('has one reader', () =>
    withFake({}, async (_, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: [1, 2] });
      for await (const { value } of job.results()) {
        expect(value).toBe(1);
        break;
      }
      expect(() => job.results()).toThrow('have a reader already');
      expect((await job.done).state).toBe('succeeded');
    }));

  test('can be read after it has ended', () =>
    withFake({}, async (_, hive) => {
      const job = await hive.submit({ kind: 'echo', inputs: [1, 2] });
      await job.done;
      expect((await collect(job.results())).length).toBe(2);
    }));

  test('is opened by its id from another client', () =>
    withFake({}, async (queen, hive) => {
      const job = await hive.submit({
        kind: 'echo',
        inputs: [Buffer.from('a')],
        encoding: 'raw',
        attached: false,
      });
      await job.done;
      const other = await hive.open(job.id);
      queen.job().client = [...queen.clients][0]!;
      expect(
        (await collect(other.results())).map(({ value }) => Buffer.from(value as Uint8Array).toString()),
      ).toEqual(['a']);
      expect((await rejection(hive.open('018f0000-0000-7000-8000-000000000000'))).code).toBe('unknownJob');
      expect((await rejection(hive.open('x'))).code).toBe('badJobId');
    }));

  test.each([
    [{ priority: 5_000 }, 'priority'],
    [{ retries: -1 }, 'retries'],
    [{ params: { when: new Date() as never } }, 'params'],
    [{ encoding: 'json' as never }, 'encoding'],
  ])('is refused here if the wire cannot carry it: %j', (options, field) =>
    withFake({}, async (queen, hive) => {
      const error = await rejection(hive.submit({ kind: 'echo', inputs: [], ...options }));
      expect(error).toMatchObject({ name: 'UsageError', code: 'badSpec' });
      expect(error.message).toContain(field);
      expect((await rejection(hive.call('echo', 1, options))).code).toBe('badSpec');
      expect(queen.jobs.size).toBe(0);
    }),
  );

  test('needs inputs or a range', () =>
    withFake({}, async (_, hive) => {
      expect((await rejection(hive.submit({ kind: 'echo' }))).message).toContain('either inputs or a range');
    }));
});

describe('questions', () => {
  test('are answered, or refused with a code', () =>
    withFake({}, async (_, hive) => {
      expect(await hive.status()).toEqual({ name: 'fake' });
      expect(await hive.drones()).toEqual([]);
      const job = await hive.submit({ kind: 'echo', inputs: [] });
      expect(await hive.jobs({ limit: 1 })).toEqual([{ id: job.id }]);
      expect(await hive.job(job.id)).toMatchObject({ id: job.id });
      expect(await hive.explain(job.id)).toEqual(['It is a fake.']);
    }));

  test('about jobs are asked until there are as many as were wanted', () =>
    withFake({}, async (_, hive) => {
      const ids: string[] = [];
      for (let n = 0; n < 5; n++) ids.unshift((await hive.submit({ kind: 'echo', inputs: [] })).id);
      for (const limit of [0, 1, 2, 3, 5, 6, Number.POSITIVE_INFINITY])
        expect((await hive.jobs({ limit })).map(({ id }) => id)).toEqual(ids.slice(0, limit));
    }));

  test('that are watched come again until the loop is left', () =>
    withFake({}, async (queen, hive) => {
      let seen = 0;
      for await (const overview of hive.watch(300)) {
        expect(overview).toEqual({ clients: 1 });
        if (++seen === 3) break;
        queen.send({ type: 'Overview', body: { clients: 1 } });
      }
      await hive.status();
      expect(queen.heard.filter(({ type }) => type === 'Watch')).toEqual([
        { type: 'Watch', everyMillis: 300 },
        { type: 'Watch', everyMillis: 0 },
      ]);
    }));
});
