import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, hash, randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

const MiB = 1024 * 1024;
const hasSha256sum = spawnSync('sha256sum', ['--version']).stdout?.includes('GNU coreutils') ?? false;
const onGnu = hasSha256sum ? test : test.skip;

const processes = new Processes();
const { folder } = processes;
beforeAll(async () => {
  await processes.startHive(2);
});
afterAll(() => processes.end());

/** Runs `hive hash` to its end. */
async function hiveHash(args: readonly string[], input?: Uint8Array | string, cwd = folder) {
  const running = processes.hive(['hash', ...args], { cwd, ...(input === undefined ? {} : { input }) });
  return {
    code: await running.ended,
    stdout: running.stdout.toString('latin1'),
    stderr: running.stderr.toString(),
  };
}
/** The same with the tool that it is measured against. */
function gnu(tool: string, args: readonly string[], input: Uint8Array | string = '', cwd = folder) {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    cwd,
    input,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    maxBuffer: 2 ** 28,
  });
  return {
    code: status,
    stdout: stdout.toString('latin1'),
    stderr: stderr.toString().replaceAll(`${tool}:`, 'hive hash:'),
  };
}
/** What `sha256sum -c` says about our list. */
const accepted = (list: string) => gnu('sha256sum', ['-c', '--quiet', '-'], Buffer.from(list, 'latin1'));
const write = (name: string | Buffer, contents: Uint8Array | string) =>
  writeFileSync(
    typeof name === 'string' ? join(folder, name) : Buffer.concat([Buffer.from(`${folder}/`), name]),
    contents,
  );

describe('hive hash', () => {
  onGnu('prints exactly what sha256sum prints, for thousands of files of all sizes and names', async () => {
    const odd = [
      'new\nline',
      'back\\slash',
      'carriage\rreturn',
      '\\',
      ' space ',
      "it's",
      '"quoted"',
      "'quoted'",
      '0x10',
      '1e3',
    ];
    const files = [...odd, 'ünï', '#', '~', '-5 degrees', '*'];
    for (const name of files) write(name, `contents of ${name}`);
    write('empty', '');
    write('whole', randomBytes(MiB));
    write('one more', randomBytes(MiB + 1));
    write('large', randomBytes(20 * MiB + 7));
    files.push('empty', 'whole', 'one more', 'large', './empty', join(folder, 'empty'), 'empty');
    for (let i = 0; i < 2_500; i++) {
      write(`file-${i}`, randomBytes((i * 37) % 3_000));
      files.push(`file-${i}`);
    }
    const ours = await hiveHash(['--', ...files]);
    const theirs = gnu('sha256sum', ['--', ...files]);
    expect(ours.stderr).toBe('');
    // Not toEqual, which would print it all.
    expect(ours.stdout === theirs.stdout).toBe(true);
    expect(ours.code).toBe(0);
    expect(accepted(ours.stdout)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  onGnu('reports what it cannot read as sha256sum does, goes on, and ends with 1', async () => {
    mkdirSync(join(folder, 'a folder'));
    symlinkSync('loop', join(folder, 'loop'));
    write('readable', 'yes');
    const files = [
      'readable',
      'not there',
      'a folder',
      'loop',
      'readable/x',
      'n'.repeat(300),
      '',
      'no\nsuch',
      'readable',
      'gone',
    ];
    const ours = await hiveHash(['--', ...files]);
    expect(ours).toEqual(gnu('sha256sum', ['--', ...files]));
    expect(ours.code).toBe(1);
  });

  onGnu('reads standard input as a file, of any size, and finds it empty the second time', async () => {
    write('beside', 'beside');
    const large = randomBytes(3 * MiB);
    expect(await hiveHash([], 'hello')).toEqual(gnu('sha256sum', [], 'hello'));
    expect(await hiveHash(['-', 'beside', '-'], large)).toEqual(
      gnu('sha256sum', ['-', 'beside', '-'], large),
    );
  });

  onGnu('walks folders with -r, follows no symbolic link in them, and sha256sum -c accepts it', async () => {
    mkdirSync(join(folder, 'tree/sub/empty'), { recursive: true });
    for (const name of ['tree/b', 'tree/a', 'tree/sub/c', 'tree/sub/n\nl']) write(name, name);
    write(Buffer.concat([Buffer.from('tree/sub/'), Buffer.of(0xff, 0xfe)]), 'not text');
    symlinkSync('..', join(folder, 'tree/sub/up'));
    const ours = await hiveHash(['-r', 'tree']);
    const names = ['tree/a', 'tree/b', 'tree/sub/c', 'tree/sub/n\nl'];
    const last = Buffer.concat([
      Buffer.from(`${hash('sha256', 'not text')}  tree/sub/`),
      Buffer.of(0xff, 0xfe, 10),
    ]);
    expect(ours.stdout).toBe(gnu('sha256sum', names).stdout + last.toString('latin1'));
    expect(accepted(ours.stdout)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  onGnu('has --tag and -z like sha256sum', async () => {
    const names = ['x\ny', 'back\\slash', 'plain'];
    for (const name of names) write(name, name);
    expect(await hiveHash(['--tag', ...names])).toEqual(gnu('sha256sum', ['--tag', ...names]));
    expect(await hiveHash(['-z', ...names])).toEqual(gnu('sha256sum', ['-z', ...names]));
    expect(await hiveHash(['--tag', '-a', 'md5', 'plain'])).toEqual(gnu('md5sum', ['--tag', 'plain']));
  });

  test('takes any algorithm that Node has, and says what was probably meant otherwise', async () => {
    write('abc', 'abc');
    for (const algorithm of ['sha512', 'md5', 'sha3-256', 'blake2b512', 'RSA-SHA256']) {
      const { stdout } = await hiveHash(['-a', algorithm, 'abc']);
      expect(stdout).toBe(`${createHash(algorithm).update('abc').digest('hex')}  abc\n`);
    }
    const { code, stdout, stderr } = await hiveHash(['--algorithm', 'sha265', 'abc']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^hive: There is no hash algorithm "sha265"\. Did you mean .*sha256.*\n$/);
  });

  test('hashes the lines of files with --lines, whatever bytes they are', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => Buffer.from(i % 100 === 0 ? '' : `line ${i}`));
    lines.push(Buffer.of(0xff, 0x00, 0x0d), Buffer.alloc(2 * MiB, 'x'), Buffer.from('the last'));
    const contents = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])).subarray(0, -1);
    const expected = lines.map((line) => `${hash('sha256', line)}\n`).join('');
    write('lines', contents);
    expect((await hiveHash(['--lines', 'lines'])).stdout === expected).toBe(true);
    expect((await hiveHash(['--lines', '-'], contents)).stdout === expected).toBe(true);
    const zero = await hiveHash(['--lines', '-z'], 'a\nb\0c\0');
    expect(zero.stdout).toBe(`${hash('sha256', 'a\nb')}\0${hash('sha256', 'c')}\0`);
    const missing = await hiveHash(['--lines', 'nowhere', 'abc']);
    expect(missing).toEqual({
      code: 1,
      stdout: `${hash('sha256', 'abc')}\n`,
      stderr: 'hive hash: nowhere: No such file or directory\n',
    });
  });

  test('takes relative names from the folder where the person is when pnpm runs it', async () => {
    mkdirSync(join(folder, 'person'), { recursive: true });
    write('person/here', 'here');
    const running = processes.hive(['hash', 'here'], { env: { INIT_CWD: join(folder, 'person') } });
    expect(await running.ended).toBe(0);
    expect(String(running.stdout)).toBe(`${hash('sha256', 'here')}  here\n`);
  });

  test('ends quietly when its reader goes away', () => {
    const main = join(import.meta.dirname, '../main.ts');
    const node = join(import.meta.dirname, '../../../../node_modules/.bin/node');
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-o', 'pipefail', '-c', `seq 300000 | "${node}" "${main}" hash --lines - | head -n 1`],
      { cwd: folder, env: { ...process.env, HIVE_DATA: join(folder, 'data') } },
    );
    expect({ stdout: String(stdout), stderr: String(stderr) }).toEqual({
      stdout: `${hash('sha256', '1')}\n`,
      stderr: '',
    });
    expect([0, 141]).toContain(status);
  });

  test('cancels its job at the first Ctrl-C and waits for that', async () => {
    const running = processes.hive(['hash', '-'], { input: null });
    const id = await waitForJob();
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
    expect(String(running.stderr)).toMatch(/cancelling/);
    expect(await jobState(id)).toBe('cancelled');
  });

  test('ends at Ctrl-C although it waits for somebody to write to a FIFO', async () => {
    const fifo = join(processes.folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const running = processes.hive(['hash', fifo]);
    await waitForJob();
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
  });
});

async function jobsNow(): Promise<{ id: string; state: string }[]> {
  const running = processes.hive(['jobs', '--json']);
  await running.ended;
  return (JSON.parse(String(running.stdout)) as { jobs: { id: string; state: string }[] }).jobs;
}
async function waitForJob(): Promise<string> {
  for (;;) {
    const open = (await jobsNow()).find(({ state }) => state === 'waiting' || state === 'running');
    if (open !== undefined) return open.id;
  }
}
async function jobState(id: string): Promise<string | undefined> {
  return (await jobsNow()).find((job) => job.id === id)?.state;
}
