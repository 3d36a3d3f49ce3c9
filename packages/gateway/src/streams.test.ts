/** Streams: as fast as their reader, no faster; live; taken up again where they stopped; ended when the gateway ends. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startGateway } from './gateway.ts';
import { Api } from './testing/api.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

let api: Api;
beforeAll(async () => {
  api = await Api.start();
});
afterAll(() => api[Symbol.asyncDispose]());

/** Reads an answer line by line, as it comes. */
class Lines implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  #text = '';

  private constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#reader = body.getReader();
    this.#abort = abort;
  }
  static async of(path: string, headers: Record<string, string> = {}, port = api.port): Promise<Lines> {
    const abort = new AbortController();
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { headers, signal: abort.signal });
    expect(answer.status).toBe(200);
    return new Lines(answer.body!, abort);
  }
  /** The next line; null at the end, or where the connection broke. */
  async next(): Promise<string | null> {
    for (;;) {
      const at = this.#text.indexOf('\n');
      if (at >= 0) {
        const line = this.#text.slice(0, at);
        this.#text = this.#text.slice(at + 1);
        return line;
      }
      const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
      if (done) return null;
      this.#text += Buffer.from(value!).toString();
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
  }
}

interface Sse {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}
/** The next event that holds what is wanted, and the types of those before it. */
async function eventWith(lines: Lines, holds: (event: Sse) => boolean): Promise<Sse> {
  let fields: Record<string, string> = {};
  for (;;) {
    const line = await lines.next();
    if (line === null) throw new Error('the events ended');
    if (line === '' && fields['event'] !== undefined) {
      const event = { id: fields['id']!, event: fields['event'], data: JSON.parse(fields['data']!) };
      fields = {};
      if (holds(event)) return event;
    } else {
      const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? [];
      if (name !== undefined) fields[name] = value!;
    }
  }
}
const submit = (body: unknown) => api.json<{ job_id: string }>(201, 'POST', 'jobs', body);

describe('results', () => {
  test('come while the job runs', async () => {
    const { job_id } = await submit({ kind: 'sleep', inputs: [1, 600_000] });
    await using lines = await Lines.of(`jobs/${job_id}/results`);
    expect(JSON.parse((await lines.next())!)).toMatchObject({ index: 0, value: 1 });
    await api.json(200, 'DELETE', `jobs/${job_id}`);
    while ((await lines.next()) !== null);
  });

  test('have as many readers as one likes, and one that leaves spoils nothing', async () => {
    const { job_id } = await submit({ kind: 'echo', range: { start: 0, step: 1, count: 20_000 } });
    {
      await using leaving = await Lines.of(`jobs/${job_id}/results`);
      expect(await leaving.next()).toMatch(/"index":0/);
    }
    const all = await Promise.all([1, 2, 3].map(() => api.get(`jobs/${job_id}/results`)));
    for (const { text } of all) expect(text.split('\n').length).toBe(20_001);
  });

  test('wait for a reader who is slow, in bounded memory', async () => {
    const value = 'x'.repeat(1_000);
    const body = `"${value}"\n`.repeat(60_000);
    const { job_id } = await api.json<{ job_id: string }>(201, 'POST', 'jobs?kind=echo', body, {
      'content-type': 'application/x-ndjson',
    });
    await api.until(`jobs/${job_id}`, ({ status }) => status === 'JOB_COMPLETED');
    const before = process.memoryUsage().arrayBuffers;
    await using lines = await Lines.of(`jobs/${job_id}/results`);
    expect(await lines.next()).toMatch(/"index":0/);
    // Nobody reads: what the gateway and its session hold ahead is bounded by credit, not by the 60 MB that there are.
    for (let i = 0; i < 20; i++) await api.get('health');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(48 * 1024 * 1024);
    let count = 1;
    while ((await lines.next()) !== null) count++;
    expect(count).toBe(60_000);
  });
});

describe('an upload', () => {
  test('that breaks off makes no job', async () => {
    const upload = request({
      port: api.port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/api/v1/jobs?kind=sleep&name=endless',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    upload.on('error', () => {});
    upload.write('600000\n'.repeat(1_000));
    await api.until('jobs', (page) =>
      (page as { jobs: { name: string }[] }).jobs.some(({ name }) => name === 'endless'),
    );
    upload.destroy();
    const cancelled = (page: unknown) =>
      (page as { jobs: { name: string; status: string }[] }).jobs.some(
        ({ name, status }) => name === 'endless' && ['JOB_CANCELLED', 'JOB_FAILED'].includes(status),
      );
    await api.until('jobs', cancelled);
  });
});

describe('logs', () => {
  test('come while a command runs, and the whole once it has ended', async () => {
    const { job_id } = await submit({ command: 'echo first; read line; echo "got $line"', stdin: '' });
    await api.ended(job_id);
    const waiting = await submit({
      command: 'echo begun; echo oh >&2; while [ ! -e "$STOP" ]; do sleep 0.02; done; echo end',
      env: { STOP: '/dev/null' },
    });
    await using lines = await Lines.of(`jobs/${waiting.job_id}/logs`);
    const said: Record<string, string> = { stdout: '', stderr: '' };
    for (let line = await lines.next(); line !== null; line = await lines.next()) {
      const { index, stream, text } = JSON.parse(line);
      expect(index).toBe(0);
      said[stream] += text;
    }
    expect(said).toEqual({ stdout: 'begun\nend\n', stderr: 'oh\n' });
    expect((await api.get(`jobs/${waiting.job_id}/logs?format=text`)).text).toBe('oh\nbegun\nend\n');
    expect((await api.get(`jobs/${job_id}/logs?follow=false&index=0`)).text).toMatch(
      /"text":"first\\ngot \\n"/,
    );
  });

  test('are there before the command ends', async () => {
    const { job_id } = await submit({ command: 'echo live; sleep 600' });
    await using lines = await Lines.of(`jobs/${job_id}/logs`);
    expect(JSON.parse((await lines.next())!)).toMatchObject({ stream: 'stdout', offset: 0, text: 'live\n' });
    expect((await api.get(`jobs/${job_id}/logs?follow=false`)).text).toBe('');
    await api.json(200, 'DELETE', `jobs/${job_id}`);
    while ((await lines.next()) !== null);
  });
});

describe('events', () => {
  test('tell of jobs and Drones, and go on behind the last one that was seen', async () => {
    let seen = '';
    {
      await using lines = await Lines.of('events');
      await eventWith(lines, ({ event }) => event === 'reset');
      await eventWith(lines, ({ event, data }) => event === 'drone' && data['node_id'] === 'local-1');
      const { job_id } = await submit({ command: 'exit 7', name: 'seen' });
      const last = await eventWith(
        lines,
        ({ event, data }) => event === 'job' && data['job_id'] === job_id && data['status'] === 'JOB_FAILED',
      );
      seen = last.id;
    }
    const { job_id } = await submit({ kind: 'echo', input: 1, name: 'unseen' });
    await api.ended(job_id);
    await using again = await Lines.of('events', { 'last-event-id': seen });
    const events: Sse[] = [];
    await eventWith(again, (event) => {
      events.push(event);
      return event.data['job_id'] === job_id && event.data['status'] === 'JOB_COMPLETED';
    });
    expect(events.map(({ event }) => event)).not.toContain('reset');
    expect(events.every(({ data }) => data['name'] !== 'seen')).toBe(true);
    await using lost = await Lines.of('events', { 'last-event-id': 'of-another-run' });
    await eventWith(lost, ({ event }) => event === 'reset');
    await eventWith(lost, ({ data }) => data['job_id'] === job_id);
  });
});

describe('limits', () => {
  test('so many streams at once, and no more; a stream that ends makes room', async () => {
    await using own = await Api.start({ streamsMax: 1 });
    const { job_id } = await own.json<{ job_id: string }>(201, 'POST', 'jobs', {
      kind: 'sleep',
      input: 600_000,
    });
    {
      await using lines = await Lines.of(`jobs/${job_id}/results`, {}, own.port);
      const refused = await own.get(`jobs/${job_id}/results`);
      expect(refused.status).toBe(429);
      expect(refused.headers['retry-after']).toBe('1');
      void lines;
    }
    while ((await own.get(`jobs/${job_id}/logs?follow=false`)).status !== 200) await sleep(LOOK_MILLIS);
  });

  test('so many requests of one caller', async () => {
    // What was asked for is given back so slowly that no machine is slow enough to see it.
    await using own = await Api.start({ requestsPerSecond: 0.001 }, 0);
    const codes: number[] = [];
    for (let i = 0; i < 3; i++) codes.push((await own.get('health')).status);
    expect(codes).toEqual([200, 429, 429]);
  });
});

describe('the gateway', () => {
  test('ends with streams open: they break off, and their readers know', async () => {
    const own = await startGateway({ queen: api.queen, port: 0 });
    const { job_id } = await submit({ kind: 'sleep', input: 600_000 });
    const streams = await Promise.all(
      ['events', `jobs/${job_id}/results`].map((path) => Lines.of(path, {}, own.port)),
    );
    await own.close();
    for (const lines of streams) while ((await lines.next()) !== null);
    await expect(fetch(`http://127.0.0.1:${own.port}/api/v1/health`)).rejects.toThrow();
    await api.json(200, 'DELETE', `jobs/${job_id}`);
  });

  test('says so while the Queen is away', async () => {
    await using own = await Api.start({}, 0);
    await using hive = await connect(own.queen);
    expect(hive.isConnected).toBe(true);
    await own.local.stop();
    const answer = await own.until503('health');
    expect(JSON.parse(answer.text)).toMatchObject({ status: 'unavailable' });
    expect((await own.get('/metrics')).text).toMatch(/^hive_queen_up 0$/m);
  });

  test('takes the next free port, unless one is asked for', async () => {
    await using next = await startGateway({ queen: api.queen, port: api.port });
    expect(next.port).toBeGreaterThan(api.port);
    await expect(startGateway({ queen: api.queen, port: api.port, isPortFixed: true })).rejects.toThrow(
      /is taken/,
    );
  });
});
