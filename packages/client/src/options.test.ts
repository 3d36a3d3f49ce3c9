import { UsageError } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { millisOf } from './duration.ts';
import { specOf } from './options.ts';
import { rejection, withFake } from './testing/with-fake.ts';

const ID = '018f0000-0000-7000-8000-000000000000';

describe('a length of time', () => {
  test.each([
    [250, 250],
    [0.1, 1],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['5 min', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['30', 30],
    ['0', 0],
  ])('may be written as %j', (written, millis) => {
    expect(millisOf('x', written)).toBe(millis);
  });

  test.each(['', 'soon', '5x', '-1s', '1h30m', -1, Number.NaN, Number.POSITIVE_INFINITY])(
    'is not %j',
    (written) => {
      expect(() => millisOf('deadline', written)).toThrow(/^deadline: .* is not a length of time\. Write /);
    },
  );
});

describe('a sandbox', () => {
  test('that a job wishes for is in its params, and places it', () => {
    const wish = { level: 'docker', image: 'debian:12', network: true } as const;
    const labels = { 'sandbox.docker': 'yes', 'sandbox.image.debian:12': 'yes', 'sandbox.network': 'yes' };
    expect(
      specOf('command', { sandbox: wish, params: { line: 'id' }, labels: { os: 'linux' } }),
    ).toMatchObject({
      params: { line: 'id', sandbox: wish },
      labels: { os: 'linux', ...labels },
    });
    expect(specOf('command', { params: { sandbox: 'bwrap' } })).toMatchObject({
      params: { sandbox: 'bwrap' },
      labels: { 'sandbox.bwrap': 'yes' },
    });
    expect(specOf('command', { sandbox: 'none' })).not.toHaveProperty('labels');
    expect(specOf('echo', { params: { sandbox: 'sand' } })).not.toHaveProperty('labels');
    expect(() => specOf('command', { params: { sandbox: 'sand' } })).toThrow(UsageError);
  });
});

describe('the options of a job', () => {
  test('travel in the words of the wire', () => {
    const spec = specOf('echo', {
      priority: 1,
      weight: 2,
      retries: 3,
      backoff: '1s',
      backoffMax: 5_000,
      attemptTimeout: '1m',
      queueTimeout: '2m',
      deadline: '1h',
      crashLimit: 5,
      labels: { os: 'linux' },
      slots: 2,
      after: [ID, `${ID}:end`, { id: ID }, { id: ID, on: 'end' }],
      haltOn: '10%',
      retention: '1d',
    });
    expect(spec).toEqual({
      kind: 'echo',
      encoding: 'msgpack',
      priority: 1,
      weight: 2,
      retries: 3,
      backoffMillis: 1_000,
      backoffMillisMax: 5_000,
      attemptTimeoutMillis: 60_000,
      queueTimeoutMillis: 120_000,
      deadlineMillis: 3_600_000,
      crashLimit: 5,
      labels: { os: 'linux' },
      slots: 2,
      after: [
        { job: ID, on: 'success' },
        { job: ID, on: 'end' },
        { job: ID, on: 'success' },
        { job: ID, on: 'end' },
      ],
      haltOn: { share: 0.1 },
      retentionMillis: 86_400_000,
    });
    expect(specOf('echo', { haltOn: 3 })).toMatchObject({ haltOn: { failures: 3 } });
    expect(specOf('echo', { haltOn: '3' })).toMatchObject({ haltOn: { failures: 3 } });
    const both = { failures: 3, share: 0.5 };
    expect(specOf('echo', { haltOn: both })).toMatchObject({ haltOn: both });
  });

  test.each([
    [{ deadline: 'soon' }, 'deadline: "soon" is not a length of time.'],
    [{ haltOn: '0%' }, 'haltOn: "0%" is neither'],
    [{ haltOn: '101%' }, 'haltOn: "101%" is neither'],
    [{ haltOn: -1 }, 'haltOn: -1 is neither'],
    [{ after: ['x'] }, 'after: "x" is not a job id'],
    [{ after: ID }, 'after: a list of jobs is needed. Put it in a list: after: [job].'],
    [{ after: { id: ID } }, 'after: a list of jobs is needed. Put it in a list: after: [job].'],
    [{ after: 5 }, 'after: a list of jobs is needed. Give job ids or handles: after: [job].'],
    [{ after: null }, 'after: a list of jobs is needed. Give job ids or handles: after: [job].'],
    [{ after: [null] }, 'after: null is not a job. Give its id, or its handle.'],
    [{ after: [5] }, 'after: 5 is not a job. Give its id, or its handle.'],
    [{ after: [{ job: ID }] }, `after: {"job":"${ID}"} is not a job.`],
    [{ after: [{ id: ID, on: 'failure' }] }, 'after: on is "success" or "end", not failure.'],
    [{ haltOn: null }, 'haltOn: null is neither'],
    [{ priority: 10_000 }, '.priority is not -1000..1000'],
    [{ backoff: '60d' }, '.backoffMillis is not u32'],
    [{ prioritty: 1 }, 'A job has no option "prioritty".'],
  ])('are refused if they make no sense: %j', (options, text) => {
    expect(() => specOf('echo', options as object)).toThrow(text);
    expect(() => specOf('echo', options as object)).toThrow(UsageError);
  });

  test('make calls share a job only if they are the same', () =>
    withFake({}, async (queen, hive) => {
      const { signal } = new AbortController();
      await hive.call('echo', 1, { queueTimeout: '1s' });
      await hive.call('echo', 2, { queueTimeout: '1s', signal });
      await hive.call('echo', 3, { queueTimeout: '2s' });
      await hive.call('echo', 4);
      await hive.call('echo', 5, { signal });
      expect([...queen.jobs.values()].map(({ inputs }) => inputs)).toEqual([[1, 2], [3], [4, 5]]);
      expect((await rejection(hive.call('echo', 1, { backoff: 'x' }))).message).toContain('backoff: "x"');
    }));
});
