/** What is sent wrong, as bytes: every answer is a problem whose sentence says what to do. */
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Api } from './testing/api.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.start();
});
afterAll(() => api[Symbol.asyncDispose]());

const json = { 'content-type': 'application/json' };
const ndjson = { 'content-type': 'application/x-ndjson' };
interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly object[];
}

async function refused(method: string, path: string, body?: string, headers = {}): Promise<Problem> {
  const answer = await api.ask(method, path, body, headers);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const problem = JSON.parse(answer.text) as Problem;
  expect(problem.status).toBe(answer.status);
  return problem;
}

/** What comes back on a connection that sends just these bytes, and then perhaps its end. */
async function raw(bytes: string | Buffer, isEnded = false): Promise<Problem> {
  const socket = await api.socket();
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  const closed = once(socket, 'close');
  socket.write(bytes);
  if (isEnded) socket.end();
  await closed;
  const [head = '', rest = ''] = Buffer.concat(parts).toString().split('\r\n\r\n');
  // Perhaps in a chunk.
  const body = rest.slice(rest.indexOf('{'), rest.lastIndexOf('}') + 1);
  expect(head).toContain('application/problem+json');
  const problem = JSON.parse(body) as Problem;
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${problem.status} [A-Z]`));
  return problem;
}
const post = (path: string, headers: string, body: Buffer | string): Buffer =>
  Buffer.concat([
    Buffer.from(
      `POST /api/v1/${path} HTTP/1.1\r\nhost: localhost:${api.port}\r\nconnection: close\r\n${headers}\r\n`,
    ),
    Buffer.from(body),
  ]);

describe('a body', () => {
  test('that is no JSON is told where', async () => {
    expect(await refused('POST', 'jobs', '{"command": "x"', json)).toMatchObject({
      status: 400,
      code: 'bad_json',
      detail: expect.stringMatching(/^The body is not JSON: .*position 15.*\.$/),
    });
    expect((await refused('POST', 'jobs', '{"__proto__": {}, "command": "x"}')).detail).toBe(
      'The body has a field "__proto__", or a "constructor" with a "prototype": leave it out.',
    );
  });

  test('whose letters are not UTF-8 is no command of other letters', async () => {
    const body = Buffer.from('{"command": "\xff"}', 'latin1');
    const problem = await raw(post('jobs', `content-length: ${body.length}\r\n`, body));
    expect(problem).toMatchObject({ status: 400, detail: 'The body is not UTF-8; JSON is.' });
  });

  test('that is packed is not unpacked', async () => {
    const body = gzipSync('1\n2\n');
    const headers = `content-type: application/x-ndjson\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n`;
    expect(await raw(post('jobs?kind=echo', headers, body))).toMatchObject({
      status: 415,
      detail: 'Bodies are not unpacked here: send it without Content-Encoding (gzip).',
    });
  });

  test('that is missing is asked for, whatever its type', async () => {
    const detail = 'Send the job as JSON: {"command": "echo hello"}.';
    for (const headers of [{}, json])
      for (const path of ['jobs', 'jobs/batch'])
        expect(await refused('POST', path, undefined, headers)).toMatchObject({ code: 'no_body', detail });
  });

  test('of lines is for one job, not for a batch of them', async () => {
    expect(await refused('POST', 'jobs/batch', '{"command": "true"}\n', ndjson)).toMatchObject({
      status: 415,
      detail:
        'This takes JSON (Content-Type: application/json); lines are inputs of one job, for POST /api/v1/jobs.',
    });
  });

  test('that breaks off is to be sent again', async () => {
    const body = post(
      'jobs',
      'content-type: application/json\r\ntransfer-encoding: chunked\r\n',
      '4\r\n{"co\r\n',
    );
    expect(await raw(body, true)).toMatchObject({
      status: 400,
      detail: 'The connection was closed before the request had ended. Send it again, whole.',
    });
  });
});

describe('a field', () => {
  test.each([
    ['a command of the wrong type', { command: 5 }, '"command" in the body must be a text or a list, not 5.'],
    ['a command of no words', { command: [] }, '"command" in the body must not be empty.'],
    [
      'an id that is none',
      { command: 'true', job_id: 'x' },
      '"job_id" in the body must be a UUID, in small letters.',
    ],
    ['nothing at all', '', 'Send the job as JSON: {"command": "echo hello"}.'],
    ['a list', [1], 'The body must be a JSON object, not a list.'],
    ['a typo', { comand: 'true' }, 'The body has no field "comand"; did you mean "command"?'],
    [
      'more than one mistake',
      { command: 'true', timeout: 5, priority: 'high' },
      'The body has no field "timeout"; did you mean "timeout_seconds" (1 more: "errors" has them all).',
    ],
    [
      'a time that is no number',
      { command: 'true', timeout_seconds: '5' },
      '"timeout_seconds" in the body must be a number, not the text "5".',
    ],
    [
      'a time before now',
      { command: 'true', timeout_seconds: -5 },
      '"timeout_seconds" in the body must be more than 0.',
    ],
    ['half of a range', { kind: 'hash', range: { start: 0, count: 5 } }, '"range" in the body needs "step".'],
    [
      'a condition that is not known',
      { command: 'true', after: [{ job_id: '0192f0c1-0000-7000-8000-000000000000', on: 'failure' }] },
      '"after/0/on" in the body must be one of "success", "end".',
    ],
  ])('%s is named in a sentence', async (_, body, sentence) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    expect((await refused('POST', 'jobs', text, headers)).detail).toBe(sentence);
  });

  test('every field that is wrong is told of, once', async () => {
    const body = { command: 5, priority: 'high', nmae: 'x', after: [{ job_id: 'x' }] };
    const { errors } = await refused('POST', 'jobs', JSON.stringify(body));
    expect(errors).toEqual(
      expect.arrayContaining([
        { pointer: '', detail: 'has no field "nmae"; did you mean "name"' },
        { pointer: '/command', detail: 'must be a text or a list, not 5' },
        { pointer: '/priority', detail: 'must be a whole number, not the text "high"' },
        { pointer: '/after/0/job_id', detail: 'must be a UUID, in small letters' },
      ]),
    );
  });
});

describe('a request', () => {
  test('whose query is wrong is told what there is', async () => {
    const details = [
      ['limit=-1', '"limit" in the query must be 1 or more.'],
      ['limit=1001', '"limit" in the query must be 1000 or less.'],
      ['limit=ten', '"limit" in the query must be a whole number, not the text "ten".'],
      ['limt=3', 'The query has no field "limt"; did you mean "limit"?'],
      ['state=running', 'The query has no field "state"; there are "limit", "cursor".'],
      ['cursor=x', 'This is no cursor; take next_cursor of the page before.'],
    ] as const;
    for (const [query, detail] of details)
      expect((await refused('GET', `jobs?${query}`)).detail).toBe(detail);
    const none = '0192f0c1-0000-7000-8000-000000000000';
    expect((await refused('GET', `jobs/${none}/results?order=random`)).detail).toBe(
      '"order" in the query must be one of "index", "finished".',
    );
    expect((await refused('GET', 'jobs/1')).detail).toBe(
      '"id" in the path must be a UUID, in small letters.',
    );
    expect((await refused('GET', `jobs/${none}`)).detail).toBe(
      `There is no job ${none} here. GET /api/v1/jobs lists those that there are; a job that has ended is removed after its retention.`,
    );
  });

  test('with more slashes than needed finds its way', async () => {
    expect(await api.json(200, 'GET', '/api/v1//health/')).toMatchObject({ status: 'ok' });
    expect((await refused('DELETE', '/api/v1/jobs/')).detail).toBe(
      '/api/v1/jobs takes GET, POST, not DELETE.',
    );
  });

  test('whose path cannot be read says why', async () => {
    expect((await refused('GET', 'jobs/%zz')).detail).toBe(
      'The path has a % that begins no escape; write %25 for the sign itself.',
    );
    expect(await refused('POST', `drones/${'a'.repeat(300)}/drain`)).toMatchObject({
      status: 414,
      detail: 'The path is too long: a name in it has 100 characters at most.',
    });
  });

  test('that is hardly HTTP is answered all the same', async () => {
    const host = `host: localhost:${api.port}\r\n`;
    expect((await raw(`BREW /api/v1/health HTTP/1.1\r\n${host}\r\n`)).detail).toMatch(
      /^This is not a request that HTTP\/1\.1 knows: /,
    );
    expect(await raw(`GET / HTTP/1.1\r\n${host}x: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatchObject({
      status: 431,
      detail: 'The head of the request is over 16 KiB: send shorter headers, and a shorter path.',
    });
    expect(await raw(`GET / HTTP/1.1\r\n${host}expect: wonders\r\n\r\n`)).toMatchObject({
      status: 417,
      detail: 'Expect: wonders is not known here; leave it out, or send 100-continue.',
    });
  });

  test('with a password says how a key is sent', async () => {
    expect(await refused('GET', 'status', undefined, { authorization: 'Basic YTpi' })).toMatchObject({
      status: 401,
      detail:
        'A key is sent as a bearer token: "Authorization: Bearer KEY" with what "hive key --role client" prints.',
    });
  });
});

describe('an upload that broke off', () => {
  test('leaves its key to a job that was cancelled: the same again says so, whatever it is sent as', async () => {
    const key = { 'idempotency-key': 'broken' };
    const socket = await api.socket();
    const headers =
      'content-type: application/x-ndjson\r\nidempotency-key: broken\r\ntransfer-encoding: chunked\r\n';
    socket.write(post('jobs?kind=echo', headers, '4\r\n1\n2\n\r\n'));
    const listed = () => api.until<{ jobs: { job_id: string; status: string }[] }>('jobs', () => true);
    await api.until<{ jobs: unknown[] }>('jobs', ({ jobs }) => jobs.length > 0);
    const again = await refused('POST', 'jobs?kind=echo', '1\n2\n', { ...ndjson, ...key });
    expect(again).toMatchObject({ status: 409, code: 'job_held' });
    socket.destroy();
    const id = (await listed()).jobs[0]!.job_id;
    expect(await api.ended(id)).toMatchObject({ status: 'JOB_CANCELLED', sealed: false });
    const detail = `Job ${id} was cancelled before all of its inputs had come (its inputs failed), and nothing more of it runs. Send it with another idempotency key, or job_id.`;
    const cancelled = { status: 409, code: 'job_cancelled', detail };
    expect(await refused('POST', 'jobs?kind=echo', '1\n2\n', { ...ndjson, ...key })).toMatchObject(cancelled);
    const whole = JSON.stringify({ kind: 'echo', inputs: [1, 2] });
    expect(await refused('POST', 'jobs', whole, key)).toMatchObject(cancelled);
  });
});
