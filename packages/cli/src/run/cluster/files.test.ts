/** Files that go to commands and come back, on two Drones that share nothing with the folder of the run. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type InProcess, runWith } from '../testing/in-process.ts';
import { startEngine } from './engine.ts';

const MiB = 2 ** 20;
let processes: Processes;
let folder: string;
beforeAll(async () => {
  processes = await startProcesses({ drones: 2, slotsPerDrone: 1 });
});
afterAll(async () => {
  await processes.stop();
});
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hive-files-')));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ENV = { PATH: process.env['PATH'], PARALLEL_SHELL: '/bin/sh' };
function hiveRun(...args: string[]): Promise<InProcess> {
  return runWith(['--data', processes.data, ...args], startEngine, { cwd: folder, env: ENV });
}
function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
  chmodSync(join(folder, path), mode);
}
const read = (path: string) => readFileSync(join(folder, path), 'utf8');

describe('files of single commands', () => {
  test('--trc sends one, brings another back, and both keep their mode and time', async () => {
    put('in/a.txt', 'plum\n', 0o640);
    put('in/b.txt', 'pear\n');
    utimesSync(join(folder, 'in/a.txt'), 1_500_000_000, 1_500_000_000.25);
    const script =
      'stat -c "%a %.2Y" {}; tr a-z A-Z <{} >{.}.out; chmod 750 {.}.out; touch -d @1400000000.5 {.}.out; pwd';
    const args = ['-k', '--joblog', 'log', '--trc', '{.}.out', script, ':::', 'in/a.txt', 'in/b.txt'];
    const { stdout, stderr, exitCode } = await hiveRun(...args);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('640 1500000000.25');
    expect(lines[1]).not.toContain(folder);
    expect([read('in/a.out'), read('in/b.out')]).toEqual(['PLUM\n', 'PEAR\n']);
    const { mode, mtimeMs } = statSync(join(folder, 'in/a.out'));
    expect([mode & 0o777, mtimeMs]).toEqual([0o750, 1_400_000_000_500]);
    expect(readdirSync(join(folder, 'in')).sort()).toEqual(['a.out', 'a.txt', 'b.out', 'b.txt']);
    const [, first] = read('log').split('\n');
    const printed = `${lines[0]}\n${lines[1]}\n`.length;
    expect(first!.split('\t').slice(4, 6)).toEqual(['5', String(printed + 5)]);
  });

  test('what stands before /./ is here only', async () => {
    put('deep/er/in/file', 'x');
    const args = [
      '--tf',
      'deep/er/./{}',
      '--return',
      'out/./{}.out',
      'find . -type f; cp {} {}.out',
      ':::',
      'in/file',
    ];
    expect(await hiveRun(...args)).toEqual({ exitCode: 0, stdout: './in/file\n', stderr: '' });
    expect(read('out/in/file.out')).toBe('x');
  });

  test('an absolute path needs a /./, and .. is refused', async () => {
    put('file', 'x');
    expect((await hiveRun('--tf', `${folder}/./{}`, 'cat', ':::', 'file')).stdout).toBe('x');
    const { exitCode, stderr } = await hiveRun('--tf', '{}', 'cat', ':::', join(folder, 'file'));
    expect(exitCode).toBe(255);
    expect(stderr).toContain(`such as ${folder}/./file.`);
    const up = await hiveRun('--return', '../{}', 'true', ':::', 'file');
    expect(up).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('has ".." in it') });
  });

  test('one that is not there is told of as GNU parallel does, and so is one that does not come back', async () => {
    put('a', 'A');
    const args = ['-k', '--tf', '{}', '--return', '{}.out', 'cp {} {}.out; echo done', ':::', 'a', 'b'];
    const { stdout, stderr, exitCode } = await hiveRun(...args);
    expect(stdout).toBe('done\ndone\n');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('hive run: Warning: b is not readable and will not be transferred.\n');
    expect(stderr).toContain(
      'hive run: Warning: b.out does not come back from command 2: it is not there.\n',
    );
    expect(read('a.out')).toBe('A');
  });

  test('folders travel with all that is in them, empty ones too, and links as what they lead to', async () => {
    put('tree/x/one', '1', 0o600);
    mkdirSync(join(folder, 'tree/empty'));
    symlinkSync('x/one', join(folder, 'tree/link'));
    const script = 'find {} | sort; mkdir made made/empty; cp -R {} made/; chmod 700 made/tree';
    const { stdout } = await hiveRun('--tf', '{}', '--return', 'made', script, ':::', 'tree');
    expect(stdout).toBe('tree\ntree/empty\ntree/link\ntree/x\ntree/x/one\n');
    expect(read('made/tree/link')).toBe('1');
    expect(existsSync(join(folder, 'made/empty'))).toBe(true);
    expect(statSync(join(folder, 'made/tree')).mode & 0o777).toBe(0o700);
  });

  test('a command that is tried again has its files as they were', async () => {
    put('a', 'as it was');
    const script = 'cat {}; echo changed >{}; test -e never';
    const { stdout, exitCode } = await hiveRun('--retries', '3', '--tf', '{}', script, ':::', 'a');
    expect({ stdout, exitCode }).toEqual({ stdout: 'as it was', exitCode: 1 });
    expect(read('a')).toBe('as it was');
  });

  test('a command reads its block and has its files', async () => {
    put('words', 'b\n');
    const place = { cwd: folder, env: ENV, stdin: 'a\nb\nc\n' };
    const args = ['--data', processes.data, '--pipe', '-N3', '--tf', 'words', 'grep -f words'];
    expect((await runWith(args, startEngine, place)).stdout).toBe('b\n');
  });

  test('a link that a command makes gives nothing back', async () => {
    const script = 'ln -s /etc/passwd secret; ln -s /etc dir; echo fine >good #';
    const args = ['--return', 'secret', '--return', 'dir/passwd', '--return', 'good', script, ':::', '1'];
    const { stderr } = await hiveRun(...args);
    expect(stderr).toContain('secret does not come back from command 1: it is a symbolic link.');
    expect(stderr).toContain('dir/passwd does not come back from command 1: it lies behind a symbolic link.');
    expect(read('good')).toBe('fine\n');
    expect(existsSync(join(folder, 'secret'))).toBe(false);
  });

  test('--wd names their folder on the Drone, and --cleanup removes them from there', async () => {
    const there = join(folder, 'there');
    put('in/a', 'A');
    const args = [
      '--wd',
      there,
      '--tf',
      '{}',
      '--return',
      '{}.out',
      'pwd; cp {} {}.out; touch kept',
      ':::',
      'in/a',
    ];
    expect((await hiveRun(...args)).stdout).toBe(`${there}\n`);
    expect(read('in/a.out')).toBe('A');
    expect(readdirSync(join(there, 'in')).sort()).toEqual(['a', 'a.out']);
    await hiveRun('--cleanup', ...args);
    expect(readdirSync(there)).toEqual(['kept']);
  });
});

describe('base files', () => {
  test('are with every command on every Drone, each a copy of its own, and go to the Queen once', async () => {
    put(
      'tools/run.sh',
      '#!/bin/sh\necho "$1 $(cat tools/data/words)"; echo spoilt >tools/data/words\n',
      0o755,
    );
    put('tools/data/words', 'good');
    const args = ['-k', '--basefile', 'tools', './tools/run.sh {}', ':::', '1', '2', '3', '4'];
    expect(await hiveRun(...args)).toEqual({
      exitCode: 0,
      stdout: '1 good\n2 good\n3 good\n4 good\n',
      stderr: '',
    });
    put('copy/words', 'good');
    const hash = createHash('sha256').update('good').digest('hex');
    expect((await hiveRun('--bf', 'copy/words', 'sha256sum <copy/words #', ':::', '1')).stdout).toContain(
      hash,
    );
  });

  test('one that is not there ends the run before it begins', async () => {
    const { exitCode, stderr } = await hiveRun('--bf', 'none', 'true', ':::', '1');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 255,
      stderr: `hive run: Error: There is no file ${join(folder, 'none')}.\n`,
    });
  });
});

test('a file of 200 MB goes and comes, and nobody holds it in memory', async () => {
  const peaks = () =>
    Promise.all([processes.queen, ...processes.drones].map(async (one) => (await one.rusage()).peakBytes));
  const before = await peaks();
  put('large', 'begin');
  truncateSync(join(folder, 'large'), 200 * MiB);
  const { stdout, stderr } = await hiveRun('--trc', '{}.out', 'cp {} {}.out; wc -c <{}', ':::', 'large');
  expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: String(200 * MiB), stderr: '' });
  const digests = await Promise.all(['large', 'large.out'].map((name) => digestOf(join(folder, name))));
  expect(digests[1]).toBe(digests[0]);
  const after = await peaks();
  for (const [n, peak] of after.entries()) expect(peak - before[n]!).toBeLessThan(150 * MiB);
}, 240_000);

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Uint8Array);
  return digest.digest('hex');
}
