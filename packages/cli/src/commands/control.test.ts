/** Jobs under control from a shell: real processes, and a Queen who is killed. */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Hive, type JobInfo, type SubmitOptions } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes, type Running } from '../testing/processes.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

const processes = new Processes();
const { folder } = processes;
let queen: Running;
let port = '';
/** For everything that is not what a test is about: a process per question would take its time. */
let library: Hive;
beforeAll(async () => {
  const { queen: first, address } = await processes.startHive(2);
  queen = first;
  port = address.split(':')[1]!;
  library = await connect({ queen: address, data: join(folder, 'data') });
});
afterAll(async () => {
  await library.close();
  await processes.end();
});

async function hive(args: readonly string[], input = '') {
  const running = processes.hive(args, { input });
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
const run = (...args: string[]) => hive(args);
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);
/** A detached job. */
async function submit(kind: string, inputs: readonly unknown[], options: Partial<SubmitOptions> = {}) {
  const { id } = await library.submit({ kind, inputs, retries: 0, attached: false, ...options });
  return id;
}
const ended = async (id: string) => (await library.open(id)).done;
async function until(id: string, holds: (job: JobInfo) => boolean): Promise<void> {
  while (!holds(await library.job(id))) await sleep(LOOK_MILLIS);
}
async function jobNamed(name: string): Promise<JobInfo> {
  for (;;) {
    const job = (await library.jobs()).find((one) => one.name === name);
    if (job !== undefined) return job;
    await sleep(LOOK_MILLIS);
  }
}
const digests = (...texts: (string | number)[]) =>
  texts.map((text) => `${hash('sha256', String(text))}\n`).join('');

describe('hive submit', () => {
  test('ends at Ctrl-C although a FIFO gives it no more lines, with all printed that it has', async () => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    const waiting = processes.hive(['submit', 'echo', '--lines', 'fifo', '--name', 'of a fifo']);
    await jobNamed('of a fifo');
    waiting.child.kill('SIGINT');
    expect(await waiting.ended).toBe('SIGINT');
    const reading = processes.hive(['submit', 'echo', '--lines', '-', '--as', 'text'], { input: null });
    reading.child.stdin!.write('one\ntwo\nthr');
    await reading.saying(/^one\ntwo\n/);
    reading.child.kill('SIGINT');
    expect(await reading.ended).toBe('SIGINT');
    expect(String(reading.stdout)).toBe('one\ntwo\n');
  });

  test.each([
    ['arguments', ['echo', 'a b', '5', '{"x":[1]}', '007', '--', '-x'], '', 'a b\n5\n{"x":[1]}\n007\n-x\n'],
    ['lines of JSON', ['echo', '--lines', '-', '--as', 'json'], '1\n"two"\nnull', '1\ntwo\nnull\n'],
    ['lines of bytes', ['echo', '--lines', '-', '--encoding', 'raw'], 'ä\n\n1e3\n', 'ä\n\n1e3\n'],
    ['a range', ['echo', '--range', '10..1..3'], '', '10\n7\n4\n1\n'],
    ['a parameter', ['hash', 'x', '--params', 'algorithm=md5'], '', `${hash('md5', 'x')}\n`],
  ])('takes %s, and prints one result a line in their order', async (_, args, input, stdout) => {
    expect(await hive(['submit', ...args], input)).toEqual({ code: 0, stdout, stderr: '' });
  });

  test('says on standard error what failed, and with its exit code that something did', async () => {
    const args = ['submit', 'sleep', '1', 'soon', '2', '--retries', '0'];
    const [{ code, stdout, stderr }, asJson] = await Promise.all([run(...args), run(...args, '--json')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '1\n2\n' });
    expect(stderr).toMatch(
      /^hive submit: task 1 failed: sleep takes a number .*\nhive submit: Job .* failed: 2 succeeded, 1 failed, in /,
    );
    const lines = asJson.stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { index: 0, outcome: 'succeeded', value: 1 },
      { index: 1, outcome: 'failed', code: 'badInput' },
      { index: 2, outcome: 'succeeded', value: 2 },
    ]);
  });

  test('knows the options of a job', async () => {
    const first = await submit('sleep', [600_000]);
    const options = {
      '--name': 'slow',
      '--priority': '-3',
      '--attempt-timeout': '20ms',
      '--retries': '1',
      '--backoff': '1',
      '--deadline': '1h',
      '--label': 'os=linux',
      '--after': `${first.slice(-12)}:end`,
      '--halt-on': '50%',
    };
    const detached = ['submit', 'sleep', '600000', '--detach', ...Object.entries(options).flat()];
    const { stdout } = await run(...detached);
    const id = stdout.trim();
    expect(await library.job(id)).toMatchObject({ name: 'slow', priority: -3, state: 'waiting' });
    await run('cancel', first);
    expect(await run('wait', id, first)).toMatchObject({ code: 1 });
    const { attempts } = await json('task', id, '0');
    expect(attempts).toMatchObject([{ outcome: 'timedOut' }, { outcome: 'timedOut' }]);
  });

  test.each([
    [
      ['echo', '1', '--deadline', 'soon'],
      /deadline: "soon" is not a length of time\. Write milliseconds, or/,
    ],
    [['echo', '1', '--halt-on', '0'], /haltOn: "0" is neither/],
    [['echo', '1', '--priority', '9999'], /--priority takes a whole number from -1000 to 1000/],
    [['echo', '1', '--label', 'x'], /"x" is not a label/],
    [['echo', '1', '--range', '1..2'], /Say what the inputs are/],
    [['echo'], /Say what the inputs are/],
    [[], /Say which kind of work/],
    [['echo', '--lines', 'no such file'], /no such file/],
    [['nothing', '1'], /No Drone here offers the kind "nothing"/],
  ])('%j is refused in a sentence', async (args, text) => {
    const { code, stdout, stderr } = await run('submit', ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(text);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  test('that is interrupted cancels its job, and what runs', async () => {
    const running = processes.hive(['submit', 'sleep', '600000', '--name', 'interrupted']);
    const { id } = await jobNamed('interrupted');
    await until(id, ({ counts }) => counts.running === 1);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
    expect(await library.job(id)).toMatchObject({ state: 'cancelled', counts: { running: 0, cancelled: 1 } });
  });
});

describe('a detached job', () => {
  test('is waited for, and gives its results as often as they are asked for', async () => {
    const { stdout } = await run('submit', 'hash', 'one', 'two', '3', '--detach');
    const id = stdout.trim();
    expect(await run('wait', id)).toMatchObject({ code: 0, stderr: '' });
    const [again, part, waited] = await Promise.all([
      run('results', id),
      run('results', id.slice(-12), '--as-finished', '--json'),
      json('wait', id),
    ]);
    expect((await run('results', id)).stdout).toBe(digests('one', 'two', 3));
    expect(again.stdout).toBe(digests('one', 'two', 3));
    expect(part.stdout.trim().split('\n').length).toBe(3);
    expect(waited.jobs).toMatchObject([{ id, state: 'succeeded' }]);
  });

  test('is waited for until all have ended, and the worst end counts', async () => {
    const good = await submit('echo', [1]);
    const bad = await submit('sleep', ['soon']);
    const never = await submit('echo', ['x'], { after: [bad] });
    await ended(never);
    const waits = [[good], [good, never], [never, bad, good]].map((ids) => run('wait', ...ids));
    expect((await Promise.all(waits)).map(({ code }) => code)).toEqual([0, 2, 1]);
  });

  test('shows what there is, or is followed', async () => {
    const id = await submit('sleep', [1, 600_000, 2]);
    await until(id, ({ counts }) => counts.succeeded === 2);
    const [inOrder, asFinished, waited] = await Promise.all([
      run('results', id),
      run('results', id, '--as-finished'),
      run('wait', id, '--timeout', '1ms'),
    ]);
    expect(inOrder).toMatchObject({ code: 0, stdout: '1\n' });
    expect(inOrder.stderr).toContain('2/3 (66 %) done; --follow waits for the rest');
    expect(asFinished.stdout).toBe('1\n2\n');
    expect(waited.code).toBe(3);
    const following = processes.hive(['results', id, '--follow']);
    await following.saying(/^1\n/);
    expect((await run('cancel', id, '0-1')).stdout).toMatch(
      /^Cancelled 1 of 2 tasks: one had ended before, or is not there\. Job .* 2 succeeded, 1 cancelled\.\n$/,
    );
    expect((await run('task', id, '1')).stdout).toMatch(/^State +was cancelled$/m);
    await following.ended;
    expect(String(following.stdout)).toBe('1\n2\n');
  });

  test('runs again what failed, and nothing else', async () => {
    const id = await submit('sleep', [1, 'soon']);
    await ended(id);
    const [bad, good, none] = await Promise.all(['1', '0', '2'].map((index) => run('task', id, index)));
    expect(bad!.stdout).toMatch(
      /^Task +1 of job .* \(sleep\)\nState +failed for good\n +1\. failed \(badInput\) after [0-9.]+ m?s on drone-\d, \d{4}-.*Z\n +sleep takes a number/,
    );
    expect(good!.stdout).toMatch(/State +succeeded\n +1\. succeeded after [0-9.]+ m?s on drone-\d/);
    expect(none!.stderr).toMatch(/has no task 2; it has 2/);
    expect((await run('retry', id)).stdout).toBe(`Job ${id} is running: 1 task will run again.\n`);
    expect(await ended(id)).toMatchObject({ counts: { succeeded: 1, failed: 1 } });
    expect((await run('gc', id)).stdout).toBe('1 job removed.\n');
    expect((await run('job', id)).stderr).toMatch(/There is no job/);
  });

  test('does not get onto a Drone that is drained', async () => {
    const drained = await Promise.all(['drone-0', 'drone-1', 'nobody'].map((name) => run('drain', name)));
    expect(drained[0]!.stdout).toMatch(/^drone-0 gets no more work; /);
    expect(drained[2]!.stderr).toMatch(/No Drone "nobody" is connected/);
    const id = await submit('echo', ['x']);
    expect((await library.drones()).map(({ state }) => state)).toEqual(['draining', 'draining']);
    expect((await library.job(id)).state).toBe('waiting');
    expect((await run('drain', '--resume', 'drone-0')).stdout).toBe('drone-0 gets work again.\n');
    expect(await ended(id)).toMatchObject({ state: 'succeeded' });
    await library.resume('drone-1');
  });
});

describe('hive hash --range', () => {
  test('prints what the lines of seq would give', async () => {
    expect((await run('hash', '--range', '0..20')).stdout).toBe(digests(...Array(21).keys()));
    expect((await run('hash', '--range', '0..1', 'file')).stderr).toMatch(/--range hashes integers/);
  });

  test('of a billion starts at once, and ends at Ctrl-C', async () => {
    const running = processes.hive(['hash', '--range', '0..1000000000', '--name', 'a billion']);
    await running.saying(/^5feceb66/);
    // A test need not keep hundreds of millions of digests, only read them.
    running.child.stdout!.removeAllListeners('data').resume();
    const { id } = await jobNamed('a billion');
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
    expect(await library.job(id)).toMatchObject({ state: 'cancelled' });
  });

  test('ends with the reader of its output', async () => {
    const running = processes.hive(['hash', '--range', '0..1000000000', '--name', 'for head']);
    await running.saying(/^5feceb66/);
    const { id } = await jobNamed('for head');
    running.child.stdout!.destroy();
    expect(await running.ended).toBe(0);
    await until(id, ({ state }) => state === 'cancelled');
  });
});

describe('a Queen who is killed', () => {
  test('goes on where she was when she is started again', async () => {
    const done = await submit('hash', ['kept']);
    await ended(done);
    // One task of each Drone waits for this file, so the job cannot have ended before she is killed.
    const go = join(folder, 'go');
    const line = `[ $1 -lt 38 ] || while [ ! -e '${go}' ]; do sleep 0.05; done; echo $1`;
    const id = await submit('command', [...Array(40).keys()], { params: { line } });
    const following = processes.hive(['results', id, '--follow']);
    await following.saying(/^0\n/);
    queen.child.kill('SIGKILL');
    await queen.ended;
    expect(existsSync(join(folder, 'data', 'hive.db'))).toBe(true);
    queen = processes.hive(['queen', '--port', port, '--cache', '64MiB']);
    await queen.saying(/Jobs and results are kept in .*data; 1 job of before goes on\.\n/);
    writeFileSync(go, '');
    expect((await run('wait', id)).stdout).toMatch(/succeeded: 40 succeeded/);
    expect(await following.ended).toBe(0);
    expect(String(following.stdout)).toBe([...Array(40).keys()].map((n) => `${n}\n`).join(''));
    expect((await run('results', done)).stdout).toBe(digests('kept'));
  });

  test('is the only one with her folder', async () => {
    const { code, stderr } = await run('queen', '--port', '0');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^hive: .*(in use|another Queen|Another Queen)/);
    writeFileSync(join(folder, 'file'), '');
    expect((await run('queen', '--port', '0', '--cache', 'much')).stderr).toMatch(
      /--cache takes a size of at least 1MiB/,
    );
    expect((await run('queen', '--port', '0', '--data', join(folder, 'file', 'x'))).code).toBe(1);
  });

  test('forgets everything if she was told to', async () => {
    const forgetful = processes.hive(['queen', '--port', '0', '--data', ':memory:'], {
      env: { HIVE_DATA: join(folder, 'forgetful') },
    });
    await forgetful.saying(/kept in memory, and end with her/);
    forgetful.child.kill('SIGTERM');
    expect(await forgetful.ended).toBe(0);
    expect(existsSync(join(folder, 'forgetful', 'hive.db'))).toBe(false);
  });
});
