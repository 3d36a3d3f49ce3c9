import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Hive, type Printed, readCommandResult } from '@hive/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Processes, startProcesses } from './index.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const MiB = 1024 * 1024;
let cluster: Processes;
let hive: Hive;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-command-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
async function start(): Promise<void> {
  cluster = await startProcesses({ drones: 1, slotsPerDrone: 2 });
  hive = await connect({ ...cluster.access });
}
async function stop(): Promise<void> {
  await hive.close();
  await cluster.stop();
}

/** Whether a process exists and has not ended. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(LOOK_MILLIS);
}
const lineOf = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? /^(.*)\n/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
};
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('commands in a cluster of processes', () => {
  beforeAll(start);
  afterAll(stop);

  test('are retried when they fail, and the story tells what each attempt said', async () => {
    const line = 'n=$(cat n || echo 0); echo $((n + 1)) >n; echo attempt $n >&2; [ $n -ge 2 ]';
    const options = { params: { cwd: folder }, retries: 2, backoff: 1 };
    const job = await hive.submit({ ...options, kind: 'command', inputs: [line], attached: false });
    expect((await job.done).state).toBe('succeeded');
    const { attempts } = await hive.task(job.id, 0);
    expect(attempts.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['failed', 'exit'],
      ['failed', 'exit'],
      ['succeeded', undefined],
    ]);
    expect(attempts[1]!.message).toMatch(/^The command ended with exit code 1\.\n(.*\n)*attempt 1$/);
  });

  test('have labels to be pinned to a host and a user', async () => {
    const [drone] = await hive.drones();
    expect(drone!.labels).toMatchObject({ uid: String(process.getuid!()), host: expect.any(String) });
    const labels = { uid: drone!.labels['uid']!, host: drone!.labels['host']! };
    expect(await hive.call('command', 'true', { labels })).toMatchObject({ exitCode: 0 });
  });

  test('print 100 MiB, and neither Drone nor Queen holds them', async () => {
    const bytes = 100 * MiB;
    const params = { line: `head -c ${bytes} /dev/zero; echo end >&2`, keepStdout: 2 ** 30 };
    const resident = async () =>
      (await Promise.all([cluster.queen, cluster.drones[0]!].map((each) => each.rusage()))).map(
        ({ peakBytes }) => peakBytes,
      );
    await hive.call('command', null, { params: { line: 'head -c 3000000 /dev/zero' } });
    const before = await resident();
    const job = await hive.submit({ kind: 'command', inputs: [null], params, attached: false });
    for await (const { value } of job.results({ streams: true })) {
      const { exitCode, stdout, stderr } = await readCommandResult(value);
      expect([exitCode, stdout.bytes, stdout.cut]).toEqual([0, bytes, null]);
      let said = '';
      for await (const chunk of stderr.chunks()) said += textOf(chunk);
      expect(said).toBe('end\n');
      const digest = createHash('sha256');
      for await (const chunk of stdout.chunks()) digest.update(chunk);
      const zeros = createHash('sha256');
      for (let i = 0; i < 100; i++) zeros.update(Buffer.alloc(MiB));
      expect(digest.digest('hex')).toBe(zeros.digest('hex'));
    }
    const grown = (await resident()).map((peak, i) => (peak - before[i]!) / MiB);
    expect(Math.max(...grown)).toBeLessThan(60);
  });

  test('give small results to the same reader', async () => {
    const result = await readCommandResult(await hive.call('command', 'echo out; echo err >&2'));
    for await (const chunk of result.stdout.chunks()) expect(textOf(chunk)).toBe('out\n');
    expect(result).toMatchObject({
      exitCode: 0,
      signal: null,
      isTimedOut: false,
      stderr: { bytes: 4, cut: null },
    });
  });

  test('are watched while they run, from the beginning also by who comes late', async () => {
    const line = `echo one; echo hmm >&2; echo >begun; while [ ! -e go ]; do sleep 0.05; done; echo two`;
    const job = await hive.submit({ kind: 'command', inputs: [line], params: { cwd: folder } });
    const early = job.output();
    const first: Printed[] = [(await early.next()).value, (await early.next()).value];
    expect(first.map(({ stream, data }) => [stream, textOf(data)]).sort()).toEqual([
      ['stderr', 'hmm\n'],
      ['stdout', 'one\n'],
    ]);
    await using other = await connect({ ...cluster.access });
    const late = (await other.open(job.id)).output();
    expect(textOf((await late.next()).value.data)).toMatch(/one|hmm/);
    writeFileSync(join(folder, 'go'), '');
    const rest: Printed[] = [];
    for await (const printed of early) rest.push(printed);
    expect(rest.map(({ index, stream, offset, data }) => [index, stream, offset, textOf(data)])).toEqual([
      [0, 'stdout', 4, 'two\n'],
    ]);
    let all = '';
    for await (const { stream, data } of late) if (stream === 'stdout') all += textOf(data);
    expect(all.endsWith('two\n')).toBe(true);
    expect((await job.done).state).toBe('succeeded');
  });

  test('tell what failing ones printed last, and are not held up by who does not read', async () => {
    const line = `echo >begun; while [ ! -e go ]; do sleep 0.05; done; head -c 30000000 /dev/zero; echo bad >&2; exit 3`;
    const options = { params: { cwd: folder, keepStdout: 2 ** 30 }, retries: 0 };
    const job = await hive.submit({ ...options, kind: 'command', inputs: [line] });
    const lazy = job.output();
    await until(() => lineOf('begun') !== undefined);
    writeFileSync(join(folder, 'go'), '');
    expect((await job.done).state).toBe('failed');
    let bytes = 0;
    let said = '';
    for await (const { stream, data } of lazy) {
      if (stream === 'stdout') bytes += data.length;
      else said += textOf(data);
    }
    expect(said).toBe('bad\n');
    expect(bytes).toBeLessThan(12 * MiB);
  });

  test('end when their job is cancelled, with all that they started', async () => {
    const line = `sleep 1000 & echo $! $$ >pids; wait`;
    const job = await hive.submit({ kind: 'command', inputs: [line], params: { cwd: folder } });
    await until(() => lineOf('pids') !== undefined);
    const pids = lineOf('pids')!.split(' ').map(Number);
    await job.cancel();
    await until(() => !pids.some(isAlive));
    expect((await job.done).state).toBe('cancelled');
  });

  test('time out with what they said', async () => {
    const command = { kind: 'command', inputs: ['echo so far >&2; sleep 1000'], retries: 0, attached: false };
    // Long enough for the command to have said something.
    for (let attemptTimeout = 300; ; attemptTimeout *= 2) {
      const job = await hive.submit({ ...command, attemptTimeout });
      expect((await job.done).state).toBe('failed');
      const [attempt] = (await hive.task(job.id, 0)).attempts;
      const limit = `The attempt took longer than its limit of ${attemptTimeout} ms.`;
      expect(attempt).toMatchObject({ outcome: 'timedOut', message: expect.stringContaining(limit) });
      if (attempt!.message === `${limit}\nso far`) break;
    }
  });
});

describe('commands in a cluster of processes that ends', () => {
  beforeEach(start);
  afterEach(stop);

  test('do not outlive their Drone when it is killed, not even as daemons', async () => {
    const line = `trap '' TERM; setsid sh -c 'echo $$ >daemon; sleep 1000' & sleep 1000 & echo $! $$ $TMPDIR >pids; wait`;
    const job = await hive.submit({ kind: 'command', inputs: [line], params: { cwd: folder }, retries: 0 });
    await until(() => lineOf('pids') !== undefined && lineOf('daemon') !== undefined);
    const [child, leader, tmp] = lineOf('pids')!.split(' ');
    const pids = [child, leader, lineOf('daemon')].map(Number);
    expect(pids.every(isAlive)).toBe(true);
    cluster.drones[0]!.kill('SIGKILL');
    await until(() => !pids.some(isAlive));
    const ofDrone = join(tmp!, '..', '..');
    await until(() => !existsSync(ofDrone));
    await job.cancel();
  });

  test('leave nothing behind when their Drone stops, daemons included', async () => {
    const line = `setsid sh -c 'echo $$ >daemon; sleep 1000' & while [ ! -e daemon ]; do sleep 0.02; done`;
    await hive.call('command', line, { params: { cwd: folder } });
    const daemon = Number(lineOf('daemon'));
    expect(isAlive(daemon)).toBe(true);
    const { stdout } = (await hive.call('command', 'echo $TMPDIR')) as { stdout: Uint8Array };
    const slot = join(textOf(stdout).trim(), '..');
    const left = readdirSync(slot).filter((name) => !name.startsWith('spare.'));
    expect(left.sort()).toEqual(['tmp', 'work']);
    await cluster.stop();
    await until(() => !isAlive(daemon));
    expect(existsSync(join(slot, '..'))).toBe(false);
  });
});
