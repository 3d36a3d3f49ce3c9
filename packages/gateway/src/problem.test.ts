/** What the Queen and the client refuse becomes a problem whose status says what to do with it. */
import { UsageError } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Problem, problemOf } from './problem.ts';

test('too many open jobs are a matter of time: 429, with when to come back', () => {
  const text = 'This client has 100000 jobs that have not ended. Submit it again when some have.';
  const problem = problemOf(new UsageError(text, 'tooManyJobs'));
  expect(problem.headers).toEqual({ 'retry-after': '1' });
  expect(problem.body('/api/v1/jobs')).toEqual({
    type: 'urn:hive:problem:too_many_jobs',
    title: 'Too many requests',
    status: 429,
    detail: text,
    instance: '/api/v1/jobs',
    code: 'too_many_jobs',
  });
});

test('a node, or the Queen, that is away is a matter of time, too: 503', () => {
  for (const code of ['nodeAway', 'noQueen', 'stopping'])
    expect(problemOf(new UsageError('Away.', code))).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
});

test('what a problem says beyond the usual stands in its document', () => {
  const problem = new Problem(503, 'node_away', 'Away.', { members: { node_id: 'cellar-1' } });
  expect(problem.body('/x')).toMatchObject({ status: 503, code: 'node_away', node_id: 'cellar-1' });
});

test('what nobody foresaw says nothing of the inside', () => {
  expect(problemOf(new TypeError('secret'))).toMatchObject({ status: 500, code: 'internal' });
  expect(problemOf(new TypeError('secret')).message).not.toContain('secret');
});
