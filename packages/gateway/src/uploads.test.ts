/**
 * Uploads that meet a Queen, or come from a client, that is slow, stands still, or dies: nothing is taken that cannot be
 * passed on, and what was begun goes on where it was.
 */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcesses } from '@hive/local';
import { describe, expect, test } from '@jest/globals';
import { startGateway } from './gateway.ts';
import { Api } from './testing/api.ts';

const TEST_MILLIS = 180_000;
const MiB = 1024 * 1024;
const LINE_BYTES = 1_000;
const BLOCK_LINES = 500;
const LOOK_MILLIS = 100;
/** A line is taken to have stopped when it has not moved for so many looks. */
const STILL_LOOKS = 10;

const textOf = (index: number): string => `${index} `.padEnd(LINE_BYTES - 3, 'x');

/** An upload whose bytes are counted as they are handed to the socket, no faster than it takes them. */
class Upload {
  readonly request: ClientRequest;
  readonly answer: Promise<{ status: number; text: string }>;
  written = 0;

  constructor(port: number, query: string) {
    this.request = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: `/api/v1/jobs?${query}`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    this.answer = new Promise((resolve, reject) => {
      this.request.once('error', reject);
      this.request.once('response', (answer: IncomingMessage) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.once('end', () => resolve({ status: answer.statusCode!, text }));
      });
    });
    // Who waits for it sees it.
    this.answer.catch(() => {});
  }

  async write(text: string): Promise<void> {
    if (!this.request.write(text)) await Promise.race([once(this.request, 'drain'), this.answer]);
    this.written += text.length;
  }
  async lines(count: number): Promise<void> {
    for (let first = 0; first < count; first += BLOCK_LINES) {
      let block = '';
      for (let index = first; index < Math.min(count, first + BLOCK_LINES); index++)
        block += `"${textOf(index)}"\n`;
      await this.write(block);
    }
    this.request.end();
  }
  /** Resolves once no more is taken of it. */
  async stands(): Promise<void> {
    for (let at = -1, looks = 0; looks < STILL_LOOKS; await sleep(LOOK_MILLIS)) {
      looks = this.written === at ? looks + 1 : 0;
      at = this.written;
    }
  }
  async reaches(bytes: number): Promise<void> {
    while (this.written < bytes) await sleep(LOOK_MILLIS);
  }
}

test(
  'while the Queen stands still no more is taken than is under way to her; when she dies, it goes on where it was',
  async () => {
    const processes = await startProcesses({ drones: 1, slotsPerDrone: 1, store: 'sqlite' });
    const gateway = await startGateway({ queen: processes.access, port: 0 });
    try {
      const count = 120_000;
      const upload = new Upload(gateway.port, 'kind=hash');
      const writing = upload.lines(count);
      await upload.reaches(8 * MiB);
      processes.queen.kill('SIGSTOP');
      const [before, heldBefore] = [upload.written, held()];
      await upload.stands();
      // Her credit of 32 MiB, and what sockets hold.
      expect(upload.written - before).toBeLessThan(64 * MiB);
      expect(upload.written).toBeLessThan(count * LINE_BYTES);
      expect(held() - heldBefore).toBeLessThan(96 * MiB);
      processes.queen.kill('SIGCONT');
      await upload.reaches(upload.written + 8 * MiB);
      processes.queen.kill('SIGKILL');
      await processes.restartQueen();
      await writing;
      const { status, text } = await upload.answer;
      expect([status, text]).toEqual([201, expect.stringContaining('job_id')]);
      const { job_id: id } = JSON.parse(text) as { job_id: string };
      const results = await fetch(`http://127.0.0.1:${gateway.port}/api/v1/jobs/${id}/results`);
      const lines = (await results.text()).trimEnd().split('\n');
      expect(lines.length).toBe(count);
      const wrong = lines.findIndex((line, index) => {
        const value = hash('sha256', textOf(index));
        return line !== JSON.stringify({ index, outcome: 'succeeded', value });
      });
      expect(wrong).toBe(-1);
    } finally {
      await gateway.close();
      await processes.stop();
    }
  },
  TEST_MILLIS,
);

/** Bytes of this process, in which the gateway is, that are in use. */
function held(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

describe('uploads that stall in the middle of a line', () => {
  test(
    'hold nobody up, and go on when their clients do',
    async () => {
      await using api = await Api.start();
      const uploads = Array.from(
        { length: 20 },
        (_, n) => new Upload(api.port, `kind=echo&name=stalled-${n}`),
      );
      for (const upload of uploads) await upload.write(`${'"a"\n'.repeat(100)}"b`);
      const named = (page: unknown) =>
        (page as { jobs: { job_id: string; name: string; sealed: boolean }[] }).jobs;
      await api.until('jobs', (page) => named(page).length === uploads.length);
      // Others are served meanwhile.
      const { job_id: other } = await api.json<{ job_id: string }>(201, 'POST', 'jobs', {
        command: 'echo on',
      });
      expect(await api.ended(other)).toMatchObject({ status: 'JOB_COMPLETED' });
      const { jobs } = await api.json<{ jobs: { name: string; sealed: boolean }[] }>(200, 'GET', 'jobs');
      const stalled = jobs.filter(({ name }) => name.startsWith('stalled'));
      expect(stalled.map(({ sealed }) => sealed)).toEqual(uploads.map(() => false));
      for (const upload of uploads) {
        await upload.write('c"\n');
        upload.request.end();
      }
      for (const upload of uploads) {
        const { status, text } = await upload.answer;
        expect(status).toBe(201);
        const { job_id: id } = JSON.parse(text) as { job_id: string };
        const results = (await api.get(`jobs/${id}/results`)).text.trimEnd().split('\n');
        expect(results.length).toBe(101);
        expect(JSON.parse(results.at(-1)!)).toEqual({ index: 100, outcome: 'succeeded', value: 'bc' });
      }
    },
    TEST_MILLIS,
  );
});
