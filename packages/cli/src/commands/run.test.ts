import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

const processes = new Processes();
afterAll(() => processes.end());

async function hiveRun(args: readonly string[], input = '') {
  const running = processes.hive(['run', ...args], { input });
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}

describe('hive run', () => {
  test('prints with --dry-run what it would run', async () => {
    expect(await hiveRun(['--dry-run', '-N2', 'convert', '{1}', '{2.}.png', ':::', 'a b', 'c.jpg'])).toEqual({
      code: 0,
      stdout: "convert 'a b' c.png\n",
      stderr: '',
    });
    expect((await hiveRun(['--dry-run', 'gzip', '-k', '--'], 'x\n$y\n')).stdout).toBe(
      "gzip -k -- x\ngzip -k -- '$y'\n",
    );
  });

  test('takes names from the command line that are no text', async () => {
    const main = join(import.meta.dirname, '..', 'main.ts');
    const script = `exec "$0" "$1" run --dry-run echo ::: "$(printf 'a\\377\\303\\251')" '\u00e9' '\ufffd'`;
    const child = spawnSync('sh', ['-c', script, process.execPath, main]);
    expect(child.stdout.toString('latin1')).toBe(
      "echo 'a\xff\xc3\xa9'\necho '\xc3\xa9'\necho '\xef\xbf\xbd'\n",
    );
  });

  test('without a Queen names --local in one sentence', async () => {
    expect(await hiveRun(['--queen', '127.0.0.1:1', 'echo', ':::', 'a'])).toEqual({
      code: 255,
      stdout: '',
      stderr:
        'hive run: Error: No Queen answers at 127.0.0.1:1: start one with "hive up", or write "hive run --local" to run the commands on this machine alone.\n',
    });
  });

  test('with --local needs nothing else', async () => {
    expect(await hiveRun(['--local', '-k', 'echo {}; exit {}', ':::', '0', '3', '5'])).toEqual({
      code: 2,
      stdout: '0\n3\n5\n',
      stderr: '',
    });
  });

  test('Ctrl-C ends what runs, and then this', async () => {
    const running = processes.hive(['run', '--local', '-u', 'echo $$ > pid; exec sleep 600 #', ':::', 'a']);
    const file = join(processes.folder, 'pid');
    const pid = await new Promise<number>((resolve) => {
      const watcher = watch(processes.folder, () => {
        const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
        if (!text.endsWith('\n')) return;
        watcher.close();
        resolve(Number(text));
      });
    });
    expect(process.kill(pid, 0)).toBe(true);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(String(running.stderr)).toContain('1 was ended on the way.');
  });

  test('ends quietly when nobody reads any more', async () => {
    const running = processes.hive(['run', '--dry-run', 'echo'], { input: '1\n'.repeat(300_000) });
    await running.saying(/echo 1\n/);
    running.child.stdout!.destroy();
    expect(await running.ended).toBe(0);
    expect(String(running.stderr)).toBe('');
  });

  test('explains itself', async () => {
    expect((await hiveRun(['--help'])).stdout).toContain(
      'hive run --pipe --block 10M grep -c pattern < big.txt',
    );
    const all = processes.hive(['--help']);
    expect(await all.ended).toBe(0);
    expect(String(all.stdout)).toMatch(/hive run\s+Run a command for every value/);
  });
});
