/**
 * The rule for requests without a key, attacked as it would be: by a page that a user happens to open in a real browser, by
 * a name that is bound to this machine, by another account, by a proxy on the same host, and with keys of all sorts.
 * What needs root or Chromium is skipped, with a word, where that is not there.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect as tcpConnect } from 'node:net';
import { connect } from '@hive/client';
import { formatKey, Generation, PeerKey, parseKey } from '@hive/shared/node';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chromium } from 'playwright-core';
import { Api } from '../testing/api.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.start();
});
afterAll(() => api[Symbol.asyncDispose]());

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const isRoot = process.getuid?.() === 0 && process.platform === 'linux';
/** An account that owns nothing. */
const NOBODY = 65534;
function orSkip(isThere: boolean, why: string) {
  if (isThere) return test;
  process.stderr.write(`skipped: ${why}\n`);
  return test.skip;
}
const jobNames = async () => {
  const { jobs } = await api.json<{ jobs: { name: string }[] }>(200, 'GET', 'jobs?limit=1000');
  return jobs.map(({ name }) => name);
};

/** On a busy machine a browser takes its time. */
const BROWSER_MILLIS = 100_000;
const launch = (...args: string[]) =>
  chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--no-sandbox', ...args],
    timeout: BROWSER_MILLIS,
  });

/** A web server somewhere else, whose pages the user opens. */
async function serving(page: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
const closing = (server: Server) =>
  new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });

describe('a page that a user happens to open', () => {
  const inBrowser = orSkip(CHROMIUM !== undefined, 'no Chromium here for the page that attacks');

  inBrowser('submits nothing by a form or by fetch, and reads nothing, in a real browser', async () => {
    const to = `http://localhost:${api.port}/api/v1/jobs`;
    const { server, port } = await serving(`<!doctype html>
      <iframe name="sink"></iframe>
      <form id="form" action="${to}" method="post" enctype="text/plain" target="sink">
        <input name='{"name":"by form","command":"true","stdin":"' value='"}'>
      </form>`);
    const browser = await launch();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(BROWSER_MILLIS);
      await page.goto(`http://127.0.0.1:${port}/`);
      const answered = page.waitForResponse((response) => response.url() === to);
      await page.evaluate('document.getElementById("form").submit()');
      expect((await answered).status()).toBe(401);
      const attempts = await page.evaluate(`(async () => {
        const body = JSON.stringify({ name: 'by fetch', command: 'true' });
        const tries = [{ method: 'POST', body, mode: 'no-cors' }, { method: 'POST', body },
          { method: 'POST', body, headers: { 'content-type': 'application/json' } }, { method: 'DELETE' }, {}];
        const said = [];
        for (const each of tries) {
          try {
            const answer = await fetch('${to}', each);
            said.push(answer.type + ' ' + answer.status);
          } catch { said.push('refused'); }
        }
        return said;
      })()`);
      // No answer can be read, not even the refusal: there are no CORS headers.
      expect(attempts).toEqual(['opaque 0', 'refused', 'refused', 'refused', 'refused']);
      await page.goto(`http://localhost:${api.port}/api/v1/health`);
      expect(await page.evaluate('document.body.innerText')).toMatch(/"status":"ok"/);
    } finally {
      await browser.close();
      await closing(server);
    }
    expect(await jobNames()).not.toContain('by form');
    expect(await jobNames()).not.toContain('by fetch');
  });

  inBrowser('whose name is bound to this machine once it is open (DNS rebinding) gets nothing', async () => {
    const rules = '--host-resolver-rules=MAP evil.example 127.0.0.1';
    const browser = await launch(rules);
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(BROWSER_MILLIS);
      // For the browser this is one origin, so it would let the page read and send whatever it likes.
      const answer = await page.goto(`http://evil.example:${api.port}/api/v1/health`);
      expect(answer!.status()).toBe(401);
      const status =
        await page.evaluate(`fetch('/api/v1/jobs', { method: 'POST', body: '{"command":"true","name":"rebound"}' })
        .then((answer) => answer.status)`);
      expect(status).toBe(401);
    } finally {
      await browser.close();
    }
    expect(await jobNames()).not.toContain('rebound');
  });

  test.each([
    [
      'a form',
      { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' },
    ],
    ['a form of an old browser', { origin: 'http://evil.example', 'content-type': 'text/plain' }],
    ['a form in a sandboxed frame', { origin: 'null', 'content-type': 'text/plain' }],
    [
      'a rebound name',
      { host: 'evil.example', origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' },
    ],
    ['an image', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' }],
  ])('%s is refused by what every browser sends', async (_, headers) => {
    const answer = await api.ask('POST', 'jobs', '{"command":"true"}', headers as never);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="hive"');
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect((await api.ask('OPTIONS', 'jobs', undefined, headers as never)).status).toBe(401);
    expect((await api.ask('GET', 'nothing', undefined, headers as never)).status).toBe(401);
  });
});

/** Says something as another account; resolves with what came back. */
async function asNobody(script: string, ...args: string[]): Promise<string> {
  const child = spawn(
    'setpriv',
    [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '/bin/bash', '-c', script, 'bash', ...args],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'] },
      cwd: '/',
    },
  );
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}
const SAY = 'exec 3<>/dev/tcp/127.0.0.1/$1; printf "$2" >&3; ';
const post = (port: number, name: string) => {
  const body = `{"command":"true","name":"${name}"}`;
  return `POST /api/v1/jobs HTTP/1.1\\r\\nHost: localhost:${port}\\r\\nContent-Length: ${body.length}\\r\\nConnection: close\\r\\n\\r\\n${body}`;
};

describe('another account of this machine', () => {
  const asRoot = orSkip(isRoot, 'no root here, so no second account');

  asRoot('is refused, and is served with --api-open', async () => {
    expect(await asNobody(`${SAY}cat <&3`, String(api.port), post(api.port, 'by nobody'))).toMatch(
      /^HTTP\/1.1 401[\s\S]*another account/,
    );
    await using open = await Api.start({ isOpen: true }, 0);
    expect(await asNobody(`${SAY}cat <&3`, String(open.port), post(open.port, 'x'))).toMatch(
      /^HTTP\/1.1 201/,
    );
    expect(await jobNames()).not.toContain('by nobody');
  });

  asRoot(
    'is refused too when it lets go of its connection at once, which then looks like root’s',
    async () => {
      for (let i = 0; i < 20; i++)
        await asNobody(`${SAY}exec 3>&-`, String(api.port), post(api.port, 'left at once'));
      // What the gateway took in before this has been decided by now.
      expect(await jobNames()).not.toContain('left at once');
    },
  );
});

describe('a proxy on the same host', () => {
  const tries: readonly (readonly [string, Record<string, string>, number])[] = [
    ['one that says so (RFC 7239)', { forwarded: 'for=192.0.2.7;proto=https' }, 401],
    ['one that says so as most do', { 'x-forwarded-for': '192.0.2.7' }, 401],
    ['one that only names itself', { via: '1.1 vegur' }, 401],
    ['one that keeps the name it was called by', { host: 'hive.example' }, 401],
    ['one that says nothing at all passes for a program of its account', {}, 200],
  ];
  test.each(tries)('%s', async (_, added, status) => {
    const proxy = createServer((request, response) => {
      const headers = { ...request.headers, host: `localhost:${api.port}`, ...added };
      void api.ask(request.method!, request.url!, undefined, headers as never).then((answer) => {
        response.statusCode = answer.status;
        response.end(answer.text);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const answer = await fetch(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api/v1/status`);
      expect(answer.status).toBe(status);
    } finally {
      await closing(proxy);
    }
  });
});

/** The head of an answer that may never end, read on until it does. */
async function fetchHead(path: string, key: string): Promise<{ status: number; ended: Promise<string> }> {
  const url = `http://127.0.0.1:${api.port}${path.startsWith('/') ? '' : '/api/v1/'}${path}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
  return { status: answer.status, ended: answer.text().catch(() => 'broken off') };
}

describe('a key', () => {
  /** One that was derived from the secret, as "hive key" does it. */
  const keyOf = (role: 'client' | 'observer' | 'drone' | 'node', id: string) =>
    formatKey(PeerKey.from(parseKey(api.local.key!, 'test').secret!, role, id));
  /** A page elsewhere would need one. */
  const far = { host: 'hive.example' };
  const bearer = (key: string) => ({ ...far, authorization: `Bearer ${key}` });

  test('opens what its role allows, from anywhere', async () => {
    expect((await api.get('jobs', far)).status).toBe(401);
    const client = bearer(keyOf('client', 'c1'));
    const { job_id } = await api.json<{ job_id: string }>(201, 'POST', 'jobs', { command: 'true' }, client);
    expect((await api.get(`jobs/${job_id}`, bearer(`HIVE_KEY=${keyOf('node', 'n1')}`))).status).toBe(200);
    const observer = bearer(keyOf('observer', 'o1'));
    for (const path of [`jobs/${job_id}`, 'jobs', `jobs/${job_id}/logs?follow=false`, 'events', '/metrics'])
      expect((await fetchHead(path, keyOf('observer', 'o1'))).status).toBe(200);
    expect((await api.get(`jobs/${job_id}`, observer)).text).not.toContain('result');
    expect((await api.get(`jobs/${job_id}/results`, observer)).status).toBe(403);
    for (const [method, path] of [
      ['POST', 'jobs'],
      ['POST', 'jobs/batch'],
      ['DELETE', `jobs/${job_id}`],
      ['POST', 'drones/local-1/drain'],
    ] as const)
      expect((await api.ask(method, path, {}, observer)).status).toBe(403);
    expect((await api.get('jobs', bearer(keyOf('drone', 'd1')))).status).toBe(403);
  });

  test.each([
    [
      'of another Hive',
      () => formatKey(PeerKey.from(new Generation(1, new Uint8Array(32).fill(9)), 'client', 'c1')),
    ],
    [
      'of a generation that is not valid',
      () => formatKey(PeerKey.from(new Generation(2, new Uint8Array(32).fill(9)), 'client', 'c1')),
    ],
    ['with a role that it was not made for', () => forged((parts) => parts.with(2, 'client'), 'observer')],
    [
      'with the secret of another',
      () => formatKey(PeerKey.from(new Generation(1, new Uint8Array(32).fill(9)), 'node', 'n1')),
    ],
    ['cut short', () => keyOf('client', 'c1').slice(0, -1)],
    ['that is none', () => 'sesame'],
    ['that is empty', () => ''],
  ])('%s opens nothing, not even from this machine', async (_, make) => {
    await using own = await Api.start({}, 0);
    const key = make();
    const answer = await own.get('health', { authorization: `Bearer ${key}` });
    expect(answer.status).toBe(401);
    if (key !== '') expect(answer.text).not.toContain(key);
  });

  /** The parts of a key changed, and its checksum made right again. */
  function forged(change: (parts: string[]) => string[], role: 'client' | 'observer'): string {
    const text = change(keyOf(role, 'o1').split('.').slice(0, -1)).join('.');
    return `${text}.${createHash('sha256').update(text).digest().subarray(0, 4).toString('base64url')}`;
  }

  test('that is revoked is refused at once, and its streams end', async () => {
    const key = keyOf('client', 'soonrevoked');
    const { job_id } = await api.json<{ job_id: string }>(
      201,
      'POST',
      'jobs',
      { kind: 'sleep', input: 600_000 },
      bearer(key),
    );
    const paths = [`jobs/${job_id}/results`, `jobs/${job_id}/logs`, 'events'];
    const streams = await Promise.all(paths.map((path) => fetchHead(path, key)));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    await using hive = await connect(api.queen);
    await hive.revokeKey('soonrevoked');
    expect((await api.get('jobs', bearer(key))).status).toBe(401);
    expect((await api.get('health', bearer(key))).status).toBe(401);
    for (const { ended } of streams) await ended;
    expect(await api.json(200, 'DELETE', `jobs/${job_id}`)).toMatchObject({ status: 'JOB_CANCELLED' });
  });

  test('that is wrong again and again is answered less and less', async () => {
    await using own = await Api.start({}, 0);
    const wrong = () => own.get('health', { authorization: 'Bearer sesame' });
    // All at once, so that few of them are forgiven meanwhile.
    const codes = (await Promise.all(Array.from({ length: 40 }, wrong))).map(({ status }) => status);
    expect(codes.filter((code) => code === 401).length).toBeGreaterThanOrEqual(4);
    expect(codes.filter((code) => code === 429).length).toBeGreaterThan(0);
    expect(new Set(codes).size).toBe(2);
    expect((await own.get('health')).status).toBe(200);
  });
});

describe('what is no HTTP', () => {
  test.each([
    ['nonsense', 'hello\r\n\r\n', /^HTTP\/1.1 400[\s\S]*urn:hive:problem:bad_request/],
    ['a head without end', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 431/],
    [
      'two lengths',
      'POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      /^HTTP\/1.1 4/,
    ],
  ])('%s is refused, and nobody else notices', async (_, said, answer) => {
    const socket = tcpConnect(api.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write(said);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text).toMatch(answer);
    expect((await api.get('health')).status).toBe(200);
  });
});
