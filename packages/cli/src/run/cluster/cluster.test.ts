/** `hive run` on a real Queen and Drones: what the side-by-side examples do not show. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { connect, type Hive } from '@hive/client';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type InProcess, type InProcessOptions, runWith } from '../testing/in-process.ts';
import { startEngine } from './engine.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hive-run-')));
let processes: Processes;
let hive: Hive;
beforeAll(async () => {
  processes = await startProcesses({ slotsPerDrone: 2 });
  hive = await connect(processes.access);
});
afterAll(async () => {
  await hive.close();
  await processes.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ENV = { PATH: process.env['PATH'], PARALLEL_SHELL: '/bin/sh' };

function hiveRun(args: readonly string[], options: InProcessOptions = {}): Promise<InProcess> {
  return runWith(['--data', processes.data, ...args], startEngine, { cwd: folder, env: ENV, ...options });
}

/** Resolves once there is a file of this name in the test's folder. */
async function fileNamed(name: string): Promise<void> {
  const watcher = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await new Promise((resolve) => watcher.once('change', resolve));
  } finally {
    watcher.close();
  }
}

describe('where a command runs', () => {
  test("on one's own host it has one's folder and environment, and a TMPDIR of its own", async () => {
    const env = { ...ENV, FRUIT: 'plum', TMPDIR: folder };
    const { stdout } = await hiveRun(['pwd; echo $FRUIT {}; echo $TMPDIR', ':::', 'jam'], { env });
    const [where, said, tmp] = stdout.split('\n');
    expect([where, said]).toEqual([folder, 'plum jam']);
    expect(tmp).not.toBe(folder);
  });

  test('--anywhere it has a fresh folder, what --env names, and the Drone in the job log', async () => {
    const env = { ...ENV, FRUIT: 'plum', NUT: 'hazel' };
    const ran = await hiveRun(
      ['--anywhere', '--env', 'FRUIT', '--joblog', 'where', 'pwd; ls; echo $FRUIT-$NUT #', ':::', '1'],
      { env },
    );
    const [where, ...others] = ran.stdout.trimEnd().split('\n');
    expect(where).not.toBe(folder);
    expect(others).toEqual(['plum-']);
    expect(readFileSync(join(folder, 'where'), 'utf8')).toMatch(/^1\tdrone-1\t/m);
  });

  test('--wd makes the folder that it names', async () => {
    expect((await hiveRun(['--wd', "a b/{}'s", 'pwd', '#', ':::', 'x'])).stdout).toBe(`${folder}/a b/x's\n`);
  });

  test('no more at a time than there are slots, and that is said', async () => {
    const { stdout, stderr } = await hiveRun(['-j3', 'echo {%}', ':::', '1', '2', '3', '4']);
    expect(new Set(stdout.trim().split('\n'))).toEqual(new Set(['1', '2']));
    expect(stderr).toBe(
      'hive run: Warning: Only 2 run at a time: that is how many slots the Drones have. Start them with more, "hive drone --slots 3".\n',
    );
  });
});

describe('what goes in and comes out', () => {
  test('output beyond 1 MiB comes whole, in order, on both streams', async () => {
    const script = 'head -c 3000000 /dev/zero | tr "\\0" {}; head -c 2000000 /dev/zero | tr "\\0" {} >&2';
    const { stdout, stderr } = await hiveRun(['-k', script, ':::', 'a', 'b', 'c']);
    expect(stdout === ['a', 'b', 'c'].map((letter) => letter.repeat(3_000_000)).join('')).toBe(true);
    expect(stderr === ['a', 'b', 'c'].map((letter) => letter.repeat(2_000_000)).join('')).toBe(true);
  });

  test('blocks of any size are read whole, again if the command is tried again', async () => {
    const line = `${'0123456789'.repeat(100)}\n`;
    const stdin = line.repeat(5_000);
    const script = 'md5sum; wc -c; echo >> tried-{#}; test $(wc -l < tried-{#}) -eq 2';
    const ended = await hiveRun(['-k', '--pipe', '--block', '3M', '--retries', '3', script], {
      stdin,
    });
    const cut = Math.floor((3 * 1024 * 1024) / line.length);
    const digest = (lines: number) => `${createHash('md5').update(line.repeat(lines)).digest('hex')}  -\n0\n`;
    expect(ended).toEqual({ stdout: `${digest(cut)}${digest(5_000 - cut)}`, stderr: '', exitCode: 0 });
  });

  test('lines and words that are no UTF-8 pass unchanged', async () => {
    const stdin = (async function* () {
      yield Buffer.from('caf\xe9\n', 'latin1');
    })();
    expect((await hiveRun(["printf %s {} | od -An -tx1 | tr -d ' '"], { stdin })).stdout).toBe('636166e9\n');
  });
});

describe.each(['-u', '--line-buffer'])('with %s', (option) => {
  test('output comes while its command runs, and all of it once', async () => {
    const file = `go${option}`;
    const script = `seq 100000; echo up >&2; while [ ! -e ${file} ]; do sleep 0.01; done; seq 100000 #`;
    const stderr = new PassThrough();
    const running = hiveRun([option, script, ':::', 'a'], { stderr });
    // The command waits for what only somebody who hears of it can do.
    await new Promise((resolve) => stderr.once('data', resolve));
    writeFileSync(join(folder, file), '');
    const all = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('');
    expect((await running).stdout === all + all).toBe(true);
  });
});

describe('a run that does not go as planned', () => {
  test('an interrupt ends what runs, and says how far it came', async () => {
    const interrupt = new AbortController();
    const args = ['-j1', 'echo {}; test {} = a || { touch up; sleep 600; }', ':::', 'a', 'b', 'c'];
    const running = hiveRun(args, { interrupt: interrupt.signal });
    await fileNamed('up');
    interrupt.abort();
    const { stdout, stderr } = await running;
    expect(stdout).toBe('a\n');
    expect(stderr).toBe(
      'hive run: Ending what runs; press Ctrl-C again to leave at once.\nhive run: 1 command had ended before, 1 was ended on the way.\n',
    );
    const [job] = await hive.jobs({ limit: 1 });
    expect(job).toMatchObject({ state: 'cancelled', counts: { running: 0, succeeded: 1 } });
  });

  test('a job that somebody else cancels is told of', async () => {
    const running = hiveRun(['touch sleeping; sleep 600 #', ':::', 'a']);
    await fileNamed('sleeping');
    const [job] = await hive.jobs({ limit: 1 });
    await hive.cancel(job!.id, 'enough');
    const { exitCode, stderr } = await running;
    expect(exitCode).toBe(255);
    expect(stderr).toBe(`hive run: Error: Job ${job!.id} was cancelled: enough.\n`);
  });

  test('a Drone that is lost is told of, and its commands run on the next one', async () => {
    const [drone] = processes.drones;
    const said = new AbortController();
    const stderr: string[] = [];
    const running = runWith(
      ['--data', processes.data, 'echo {}; mkdir lost 2>/dev/null && sleep 600', ':::', 'a'],
      (request) =>
        startEngine({
          ...request,
          say: (text) => {
            stderr.push(text);
            said.abort();
          },
        }),
      { cwd: folder, env: ENV },
    );
    await fileNamed('lost');
    drone!.kill('SIGKILL');
    if (!said.signal.aborted) await new Promise((resolve) => said.signal.addEventListener('abort', resolve));
    expect(stderr).toEqual([
      expect.stringMatching(
        /^Warning: No Drone that fits is left; waiting for one\. "hive explain [-0-9a-f]{36}" tells more\.$/,
      ),
    ]);
    await processes.addDrone({ slots: 2 });
    expect(await running).toMatchObject({ stdout: 'a\n', exitCode: 1 });
  });

  test('without a Drone it ends, and says what to start', async () => {
    const alone = await startProcesses({ drones: 0 });
    try {
      const { exitCode, stderr } = await runWith(['--data', alone.data, 'echo', ':::', 'a'], startEngine, {
        cwd: folder,
        env: ENV,
      });
      expect({ exitCode, stderr }).toEqual({
        exitCode: 255,
        stderr:
          'hive run: Error: No Drone of yours runs on this machine: start one with "hive drone", or write "hive run --local". Commands that need no files of this folder can go to others with --anywhere.\n',
      });
    } finally {
      await alone.stop();
    }
  });
});
