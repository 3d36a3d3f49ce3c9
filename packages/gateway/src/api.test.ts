/** The API as a client meets it: the fixed paths and values first, then every kind of job, and what is refused. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { connect } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Api } from './testing/api.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.start();
});
afterAll(() => api[Symbol.asyncDispose]());

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
interface Problem {
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly code: string;
  readonly detail: string;
}
interface Page {
  readonly jobs: readonly { readonly name: string }[];
  readonly next_cursor: string | null;
}
const submit = (body: unknown, headers = {}) =>
  api.json<Record<string, string>>(201, 'POST', 'jobs', body, headers);
const ndjson = { 'content-type': 'application/x-ndjson' };
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
async function refused(
  status: number,
  method: string,
  path: string,
  body?: unknown,
  headers = {},
): Promise<Problem> {
  const answer = await api.ask(method, path, body, headers);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const problem = JSON.parse(answer.text);
  expect(problem).toMatchObject({
    type: `urn:hive:problem:${problem.code}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    instance: expect.any(String),
  });
  expect(answer.status).toBe(status);
  return problem;
}

describe('the Hive', () => {
  test('says that it is well, how it is, and who works in it', async () => {
    expect(await api.json(200, 'GET', 'health')).toMatchObject({ status: 'ok', node_id: 'local' });
    expect(await api.json(200, 'GET', 'status')).toMatchObject({
      peers: 1,
      slots: 2,
      jobs: { JOB_RUNNING: 0 },
    });
    const { peers } = await api.json<{ peers: unknown[] }>(200, 'GET', 'peers');
    expect(peers).toEqual([
      {
        node_id: 'local-1',
        address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        status: expect.stringMatching(/^(IDLE|BUSY)$/),
        last_heartbeat: expect.stringMatching(RFC3339),
        metadata: expect.objectContaining({ slots: '2', node: 'local-1' }),
        version: expect.any(String),
      },
    ]);
  });
});

describe('a command', () => {
  test.each([
    ['that curl -d sends', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['without a content type', {}],
    ['as JSON', { 'content-type': 'application/json' }],
  ])('%s becomes a job, and its result is part of it', async (_, headers) => {
    const accepted = await submit('{"command": "echo Hello from the mesh!"}', headers);
    expect(accepted).toEqual({
      job_id: expect.stringMatching(UUID),
      target_node: 'local',
      command: 'echo Hello from the mesh!',
      status: 'JOB_PENDING',
      created_at: expect.stringMatching(RFC3339),
      name: 'echo Hello from the mesh!',
      kind: 'command',
    });
    const job = await api.ended(accepted['job_id']!);
    expect(job).toMatchObject({
      status: 'JOB_COMPLETED',
      created_at: accepted['created_at'],
      result: {
        job_id: accepted['job_id'],
        executor_node_id: 'local-1',
        exit_code: 0,
        stdout: 'Hello from the mesh!\n',
        stderr: '',
        started_at: expect.stringMatching(RFC3339),
        finished_at: expect.stringMatching(RFC3339),
      },
    });
  });

  test('has an environment, a folder, words, and something to read', async () => {
    const env = { DEBUG: '1', PYTHONPATH: '/app' };
    const first = await submit({
      command: 'echo $DEBUG $PYTHONPATH; pwd; cat',
      env,
      cwd: '/',
      stdin: 'in',
      timeout_seconds: 300,
    });
    const second = await submit({ command: ['printf', '%s|', 'a b', '$x'] });
    expect((await api.ended(first['job_id']!))['result']).toMatchObject({ stdout: '1 /app\n/\nin' });
    expect((await api.ended(second['job_id']!))['result']).toMatchObject({ stdout: 'a b|$x|' });
  });

  test('that ends with another exit code, or by its time limit, has failed, once, with all that it printed', async () => {
    const bad = await submit({ command: 'echo out; echo err >&2; exit 3' });
    expect(await api.ended(bad['job_id']!)).toMatchObject({
      status: 'JOB_FAILED',
      result: { exit_code: 3, stdout: 'out\n', stderr: 'err\n' },
    });
    // Long enough for it to have said something.
    let slow: Record<string, unknown>;
    for (let timeout = 0.2; ; timeout *= 2) {
      const { job_id: id } = await submit({ command: 'echo begun; sleep 600', timeout_seconds: timeout });
      slow = await api.ended(id as string);
      if ((slow['result'] as { stdout: string }).stdout !== '') break;
    }
    expect(slow).toMatchObject({
      status: 'JOB_FAILED',
      result: { exit_code: 143, timed_out: true, stdout: 'begun\n' },
    });
    const { jobs } = await api.json<{ jobs: { job_id: string; status: string }[] }>(200, 'GET', 'jobs');
    expect(jobs.find(({ job_id }) => job_id === bad['job_id'])?.status).toBe('JOB_FAILED');
    // The Queen says the same.
    await using hive = await connect(api.queen);
    expect(await hive.job(bad['job_id']!)).toMatchObject({
      state: 'failed',
      counts: { succeeded: 0, failed: 1 },
    });
    expect(await hive.job(slow['job_id'] as string)).toMatchObject({ state: 'failed' });
    const { text } = await api.get(`jobs/${bad['job_id']}/results`);
    expect(lines(text)).toMatchObject([
      { index: 0, outcome: 'failed', error: { code: 'exit' }, value: { exit_code: 3, stdout: 'out\n' } },
    ]);
    const logs = await api.get(`jobs/${bad['job_id']}/logs?format=text`);
    expect(logs.text.split('\n').sort()).toEqual(['', 'err', 'out']);
    expect((await api.get(`jobs/${bad['job_id']}/tasks/0/value`)).text).toContain('out\n');
  });

  test('with retries is tried again, and says why it failed', async () => {
    const { job_id } = await submit({ command: 'echo tried; exit 4', retries: 1, backoff_seconds: 0.001 });
    expect(await api.ended(job_id!)).toMatchObject({
      status: 'JOB_FAILED',
      result: {
        exit_code: 4,
        stdout: 'tried\n',
        error: { code: 'exit', message: 'The command ended with exit code 4.' },
      },
    });
    const { attempts } = await api.json<{ attempts: unknown[] }>(200, 'GET', `jobs/${job_id}/tasks/0`);
    expect(attempts).toMatchObject([{ outcome: 'failed', node_id: 'local-1' }, { outcome: 'failed' }]);
  });

  test('whose output is large is told in part, and given whole', async () => {
    const { job_id } = await submit({ command: 'yes | head -c 3000000' });
    const { result } = (await api.ended(job_id!)) as { result: { stdout: string } };
    expect(result).toMatchObject({
      exit_code: 0,
      truncated: true,
      stdout_bytes: 3_000_000,
      stderr_bytes: 0,
      output_url: `/api/v1/jobs/${job_id}/logs?follow=false`,
    });
    expect(result.stdout.length).toBe(1024 * 1024);
    const { text } = await api.get(`jobs/${job_id}/logs?format=text`);
    expect(text).toBe('y\n'.repeat(1_500_000));
    expect((await api.get(`jobs/${job_id}/tasks/0/value`)).text.length).toBeGreaterThan(3_000_000);
  });

  test('gives what it printed in the same way when it has failed', async () => {
    const medium = await submit({ command: 'yes | head -c 1000000; echo no >&2; exit 7' });
    const { result, status } = (await api.ended(medium['job_id']!)) as {
      result: { stdout: string };
      status: string;
    };
    expect([status, result.stdout.length]).toEqual(['JOB_FAILED', 1_000_000]);
    expect(result).toMatchObject({ exit_code: 7, stderr: 'no\n', error: { code: 'exit' } });
    expect(result).not.toHaveProperty('truncated');
    const large = await submit({ command: 'yes | head -c 3000000; echo no >&2; exit 8' });
    const job = (await api.ended(large['job_id']!)) as {
      result: { stdout: string; output_url: string };
    };
    expect(job).toMatchObject({
      status: 'JOB_FAILED',
      result: {
        exit_code: 8,
        stderr: 'no\n',
        truncated: true,
        stdout_bytes: 3_000_000,
        stderr_bytes: 3,
        error: { code: 'exit', message: 'The command ended with exit code 8.\nno' },
      },
    });
    expect(job.result.stdout.length).toBe(1024 * 1024);
    const all = lines((await api.get(job.result.output_url)).text) as { stream: string; text: string }[];
    const printed = all.flatMap(({ stream, text }) => (stream === 'stdout' ? [text] : []));
    expect(printed.join('')).toBe('y\n'.repeat(1_500_000));
    const [line] = lines((await api.get(`jobs/${large['job_id']}/results`)).text);
    expect(line).toMatchObject({ index: 0, outcome: 'failed', error: { code: 'exit' } });
    const value = await api.get(String(line!['value_url']));
    expect(value.text.length).toBeGreaterThan(3_000_000);
  });

  test('is pinned to a node, and says so while it waits for that', async () => {
    const there = await submit({ command: 'true', target_node: 'local-1' });
    expect(await api.ended(there['job_id']!)).toMatchObject({
      status: 'JOB_COMPLETED',
      target_node: 'local-1',
    });
    const nowhere = await submit({ command: 'true', labels: { node: 'node-abc123' } });
    expect(nowhere).toMatchObject({ target_node: 'node-abc123', status: 'JOB_PENDING' });
    const { lines: why } = await api.json<{ lines: string[] }>(
      200,
      'GET',
      `jobs/${nowhere['job_id']}/explain`,
    );
    expect(why.join('\n')).toMatch(/node=node-abc123/);
    expect(await api.json(200, 'DELETE', `jobs/${nowhere['job_id']}`)).toMatchObject({
      status: 'JOB_CANCELLED',
    });
  });
});

describe('any kind of job', () => {
  test('takes one input, several, or a range, and options', async () => {
    const one = await submit({
      kind: 'echo',
      input: { a: [1, null] },
      name: 'one',
      priority: 5,
      retention_seconds: 60,
    });
    const many = await submit({
      kind: 'hash',
      inputs: ['a', 'b'],
      params: { algorithm: 'md5' },
      after: [one['job_id']],
    });
    const range = await submit({ kind: 'echo', range: { start: 10, step: -5, count: 3 } });
    expect(await api.ended(one['job_id']!)).toMatchObject({
      name: 'one',
      priority: 5,
      result: { value: { a: [1, null] } },
    });
    expect(lines((await api.get(`jobs/${many['job_id']}/results`)).text)).toMatchObject([
      { index: 0, outcome: 'succeeded', value: '0cc175b9c0f1b6a831c399e269772661' },
      { index: 1, value: '92eb5ffee6ae2fec3ad71c777531578f' },
    ]);
    expect(lines((await api.get(`jobs/${range['job_id']}/results`)).text).map(({ value }) => value)).toEqual([
      10, 5, 0,
    ]);
  });

  test('of which every input is a command has no one command, whatever its name', async () => {
    const inputs = ['true', 'true'];
    for (const more of [{}, { name: 'two of them' }]) {
      const accepted = await submit({ kind: 'command', inputs, ...more });
      expect(accepted).not.toHaveProperty('command');
      expect(await api.ended(accepted['job_id']!)).not.toHaveProperty('command');
    }
  });

  test('comes in batches, each accepted or refused for itself', async () => {
    const jobs = [{ command: 'true' }, { kind: 'none', input: 1 }, { kind: 'echo', inputs: [1, 2] }, {}];
    const answer = await api.json<{ jobs: Record<string, unknown>[] }>(200, 'POST', 'jobs/batch', { jobs });
    expect(answer.jobs).toMatchObject([
      { status: 'JOB_PENDING' },
      { status: 422, code: 'unknown_kind' },
      { status: 'JOB_PENDING', kind: 'echo' },
      { status: 422, code: 'unclear' },
    ]);
  });

  test('is listed newest first, page by page, and none is missed or told twice', async () => {
    for (let i = 0; i < 5; i++) await submit({ kind: 'echo', input: i, name: `page-${i}` });
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page: Page = await api.json(200, 'GET', `jobs?limit=2${more}`);
      expect(page.jobs.length).toBeLessThanOrEqual(2);
      names.push(...page.jobs.map(({ name }) => name));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(names.slice(0, 5)).toEqual(['page-4', 'page-3', 'page-2', 'page-1', 'page-0']);
    expect(names.length).toBe((await api.json<{ jobs: [] }>(200, 'GET', 'jobs?limit=1000')).jobs.length);
  });
});

describe('lines', () => {
  test('are inputs, and results that can be taken up again where reading stopped', async () => {
    const body = Array.from({ length: 5_000 }, (_, i) => `"line ${i}"\n`).join('');
    const { job_id } = await api.json<{ job_id: string }>(
      201,
      'POST',
      'jobs?kind=echo&name=lines',
      body,
      ndjson,
    );
    const all = lines((await api.get(`jobs/${job_id}/results`)).text);
    expect(all.map(({ value }) => value)).toEqual(Array.from({ length: 5_000 }, (_, i) => `line ${i}`));
    expect(lines((await api.get(`jobs/${job_id}/results?after=4996`)).text)).toEqual(all.slice(4_997));
    const finished = lines((await api.get(`jobs/${job_id}/results?order=finished`)).text);
    expect(finished.length).toBe(5_000);
    const { cursor } = finished[2_345];
    expect(lines((await api.get(`jobs/${job_id}/results?order=finished&after=${cursor}`)).text)).toEqual(
      finished.slice(2_346),
    );
  });

  test('with parameters and labels in the query', async () => {
    const query = new URLSearchParams({
      kind: 'hash',
      params: '{"algorithm":"md5"}',
      labels: '{"os":"linux"}',
      priority: '3',
    });
    const { job_id } = await api.json<{ job_id: string }>(201, 'POST', `jobs?${query}`, '"a"', ndjson);
    expect(await api.ended(job_id)).toMatchObject({
      priority: 3,
      result: { value: '0cc175b9c0f1b6a831c399e269772661' },
    });
  });

  test('of which one is wrong make no job', async () => {
    const { detail } = await refused(400, 'POST', 'jobs?kind=echo&name=broken', '1\n2\nthree\n', ndjson);
    expect(detail).toMatch(/^Line 3 is not JSON/);
    const { jobs } = await api.json<{ jobs: { name: string; status: string }[] }>(200, 'GET', 'jobs');
    for (const job of jobs) if (job.name === 'broken') expect(job.status).toBe('JOB_CANCELLED');
  });
});

describe('the same again', () => {
  test('with an idempotency key submits nothing new, and something else is refused', async () => {
    const key = { 'idempotency-key': 'order-66' };
    const body = { kind: 'echo', input: 66 };
    const [first, second] = await Promise.all([submit(body, key), submit(body, key)]);
    expect(second!['job_id']).toBe(first!['job_id']);
    await api.ended(first!['job_id']!);
    expect((await submit(body, key))['job_id']).toBe(first!['job_id']);
    expect(await refused(422, 'POST', 'jobs', { kind: 'echo', input: 67 }, key)).toMatchObject({
      code: 'key_reused',
    });
  });

  test('with an id of its own', async () => {
    const job_id = '0192f0c1-0000-7000-8000-00000000abcd';
    expect(await submit({ job_id, command: 'true' })).toMatchObject({ job_id });
    expect(await submit({ job_id, command: 'true' })).toMatchObject({ job_id });
    expect(await refused(422, 'POST', 'jobs', { job_id, command: 'false' })).toMatchObject({
      code: 'key_reused',
    });
  });
});

describe('an upload that is given again', () => {
  test('is refused while the first still comes, as it may break off; then it is answered the same', async () => {
    const query = 'jobs?kind=sleep&name=twice';
    const headers = { ...ndjson, 'idempotency-key': 'twice' };
    const path = `/api/v1/${query}`;
    const first = request({ port: api.port, host: '127.0.0.1', method: 'POST', path, headers });
    const answer = once(first, 'response') as Promise<[IncomingMessage]>;
    first.write('600000\n');
    await api.until<{ jobs: { name: string }[] }>('jobs', ({ jobs }) =>
      jobs.some(({ name }) => name === 'twice'),
    );
    const { code, detail } = await refused(409, 'POST', query, '600000\n600000\n', headers);
    expect([code, detail]).toEqual([
      'job_held',
      expect.stringMatching(
        /^Another request is still sending .* Send this one again when that has ended\.$/,
      ),
    ]);
    first.end('600000\n');
    const [response] = await answer;
    expect(response.statusCode).toBe(201);
    const { job_id } = JSON.parse(await textOf(response)) as { job_id: string };
    expect(await api.json(201, 'POST', query, '600000\n600000\n', headers)).toMatchObject({ job_id });
    await api.json(200, 'DELETE', `jobs/${job_id}`);
    await api.ended(job_id);
  });
});

describe('a Drone', () => {
  test('is taken out of work and given work again', async () => {
    const { drones } = await api.json<{ drones: { id: string }[] }>(200, 'GET', 'drones');
    expect(drones).toMatchObject([{ name: 'local-1', slots: 2, kinds: expect.arrayContaining(['hash']) }]);
    expect(await api.json(200, 'POST', `drones/${drones[0]!.id}/drain`)).toMatchObject({ draining: true });
    expect(await api.json(200, 'GET', 'peers')).toMatchObject({ peers: [{ status: 'DRAINING' }] });
    expect(await api.json(200, 'POST', 'drones/local-1/resume')).toMatchObject({ draining: false });
    expect(await refused(404, 'POST', 'drones/nobody/drain')).toMatchObject({ code: 'unknown_drone' });
  });
});

describe('what cannot be is a problem', () => {
  const NONE = '0192f0c1-0000-7000-8000-000000000000';
  test.each([
    ['a path that is not there', 404, 'GET', 'nothing', undefined],
    ['a path outside', 404, 'GET', '/etc/passwd', undefined],
    ['another method', 405, 'PUT', 'health', undefined],
    ['a job that is not there', 404, 'GET', `jobs/${NONE}`, undefined],
    ['its results', 404, 'GET', `jobs/${NONE}/results`, undefined],
    ['its logs', 404, 'GET', `jobs/${NONE}/logs`, undefined],
    ['its end', 404, 'DELETE', `jobs/${NONE}`, undefined],
    ['an id that is none', 400, 'GET', 'jobs/1', undefined],
    ['a limit that is none', 400, 'GET', 'jobs?limit=0', undefined],
    ['a cursor that is none', 400, 'GET', 'jobs?cursor=x', undefined],
    ['a question that is not known', 400, 'GET', 'jobs?limt=3', undefined],
    ['no body', 400, 'POST', 'jobs', undefined],
    ['no JSON', 400, 'POST', 'jobs', '{"command":'],
    ['a poisoned prototype', 400, 'POST', 'jobs', '{"__proto__":{"command":"x"},"command":"true"}'],
    ['a field that is not known', 400, 'POST', 'jobs', { comand: 'true' }],
    ['a field of the wrong type', 400, 'POST', 'jobs', { command: 5 }],
    ['an empty command', 400, 'POST', 'jobs', { command: '' }],
    ['nothing to do', 422, 'POST', 'jobs', { name: 'x' }],
    ['a kind without inputs', 422, 'POST', 'jobs', { kind: 'echo' }],
    ['inputs twice', 422, 'POST', 'jobs', { kind: 'echo', input: 1, inputs: [1] }],
    ['a kind that nobody offers', 422, 'POST', 'jobs', { kind: 'none', input: 1 }],
    ['an option for commands', 422, 'POST', 'jobs', { kind: 'echo', input: 1, env: {} }],
    ['options in the query', 400, 'POST', 'jobs?name=x', { command: 'true' }],
    ['too much', 413, 'POST', 'jobs', { command: 'x'.repeat(17 * 1024 * 1024) }],
    ['an upload of no kind', 422, 'POST', 'jobs?name=x', '1'],
  ])('%s: %i', async (what, status, method, path, body) => {
    const headers = what === 'an upload of no kind' ? ndjson : {};
    expect((await refused(status, method, path, body, headers)).detail).toMatch(/[.?]$/);
  });

  test('a method that is not allowed says which are', async () => {
    const { headers } = await api.ask('DELETE', 'jobs');
    expect(headers['allow']).toBe('GET, POST');
  });

  test('a media type that is not understood', async () => {
    expect(await refused(415, 'POST', 'jobs', '<job/>', { 'content-type': 'application/xml' })).toMatchObject(
      {
        code: 'unsupported_media_type',
      },
    );
  });

  test('the value of a task that failed', async () => {
    const { job_id } = await submit({ kind: 'sleep', input: 'soon', retries: 0 });
    expect(await api.ended(job_id!)).toMatchObject({
      status: 'JOB_FAILED',
      result: { error: { code: 'badInput' } },
    });
    expect(lines((await api.get(`jobs/${job_id}/results`)).text)).toMatchObject([
      { index: 0, outcome: 'failed' },
    ]);
    expect(await refused(404, 'GET', `jobs/${job_id}/tasks/7`)).toMatchObject({ code: 'unknown_task' });
    expect(await refused(409, 'GET', `jobs/${job_id}/tasks/0/value`)).toMatchObject({ code: 'no_value' });
  });
});
