/** `hive run --sandbox` on a real Queen and Drones: where such commands go, and what they find there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Hive } from '@hive/client';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runWith } from '../testing/in-process.ts';
import { startEngine } from './engine.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hive-boxed-')));
const POLICY = { minimum: 'none', images: [], network: false, limits: {}, readable: [], hidden: [] } as const;
let processes: Processes;
let hive: Hive;
beforeAll(async () => {
  processes = await startProcesses({ drones: 0 });
  await processes.addDrone({ name: 'open', slots: 2 });
  await processes.addDrone({ name: 'boxed', slots: 2, sandbox: POLICY });
  hive = await connect(processes.access);
});
afterAll(async () => {
  await hive.close();
  await processes.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ENV = { PATH: process.env['PATH'], PARALLEL_SHELL: '/bin/sh', SECRET: 'token', FRUIT: 'plum' };
const hiveRun = (...args: string[]) =>
  runWith(['--data', processes.data, ...args], startEngine, { cwd: folder, env: ENV });

const bwrap = spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0;
if (!bwrap) process.stderr.write('Commands in bwrap are skipped: it does not start here.\n');

describe('a command that wishes for a sandbox', () => {
  test('goes only to Drones that can, whoever is free', async () => {
    const values = ['1', '2', '3', '4', '5', '6', '7', '8'];
    const ran = await hiveRun(
      ...['--anywhere', '--sandbox', 'limits', '--joblog', 'log', 'ulimit -c #', ':::', ...values],
    );
    expect(ran).toEqual({ exitCode: 0, stdout: '0\n'.repeat(8), stderr: '' });
    const rows = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').slice(1);
    expect(rows.map((row) => row.split('\t')[1])).toEqual(values.map(() => 'boxed'));
  });

  test("has its submitter's folder on his host, and of his variables what --env names", async () => {
    writeFileSync(join(folder, 'file'), 'here\n');
    const args = ['--sandbox', 'limits', '--sandbox-files', '20', '--env', 'FRUIT'];
    const { stdout } = await hiveRun(...args, 'cat file; echo "$FRUIT-$SECRET"; ulimit -n #', ':::', '1');
    expect(stdout).toBe('here\nplum-\n20\n');
  });

  (bwrap ? test : test.skip)('in bwrap sees no other process, and no network', async () => {
    const script = 'ls /proc | grep -c "^[0-9]"; tail -n +3 /proc/net/dev | cut -d: -f1 #';
    const { stdout } = await hiveRun('--anywhere', '--sandbox', 'bwrap', script, ':::', '1');
    const [count, ...devices] = stdout.trim().split(/\s+/);
    expect(Number(count)).toBeLessThan(10);
    expect(devices).toEqual(['lo']);
  });

  test('that no Drone has is told so, by its name', async () => {
    const { exitCode, stderr } = await hiveRun(
      '--sandbox',
      'docker',
      '--sandbox-image',
      'img',
      'id',
      ':::',
      '1',
    );
    expect(exitCode).toBe(255);
    expect(stderr).toMatch(
      /^hive run: Error: No Drone of yours on this machine offers the sandbox docker with the image img as you want it: start one that does .*\n$/,
    );
  });

  test('of the library waits for a Drone that can, and explain says for which', async () => {
    const job = await hive.submit({
      kind: 'command',
      inputs: ['true'],
      sandbox: { level: 'limits', network: true },
    });
    await job.sealed;
    expect(await hive.explain(job.id)).toEqual(
      expect.arrayContaining([
        'No Drone has the label sandbox.network=yes; the job asks for sandbox.limits=yes, sandbox.network=yes.',
        'No Drone offers what its sandbox needs (sandbox.network): start one with "hive drone" on a machine that can; "hive drone --help" lists what to give it.',
      ]),
    );
    await processes.addDrone({ name: 'wired', slots: 1, sandbox: { ...POLICY, network: true } });
    expect((await job.done).state).toBe('succeeded');
  });

  test('--local has a Drone that offers it', async () => {
    const args = [
      '--local',
      '-j1',
      '--sandbox',
      'limits',
      '--sandbox-files',
      '30',
      'ulimit -n #',
      ':::',
      '1',
    ];
    expect(await runWith(args, startEngine, { cwd: folder, env: ENV })).toEqual({
      exitCode: 0,
      stdout: '30\n',
      stderr: '',
    });
  });
});
