import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const processes = new Processes();
const { folder } = processes;
beforeAll(async () => {
  await processes.startHive(1);
});
afterAll(() => processes.end());

async function hive(...args: string[]) {
  const running = processes.hive(args);
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
const inFolder = ['-p', `cwd=${JSON.stringify(folder)}`];
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(LOOK_MILLIS);
}

describe('commands from a shell', () => {
  test('hive submit command prints what they print, each on its own stream', async () => {
    const done = await hive('submit', 'command', 'echo one; echo oops >&2', 'printf two');
    expect(done).toEqual({ code: 0, stdout: 'one\ntwo', stderr: 'oops\n' });
    const words = await hive('submit', 'command', '-p', 'argv=["printf","<%s>"]', 'a b', '$c');
    expect(words.stdout).toBe('<a b><$c>');
    const found = JSON.parse(
      (await hive('submit', 'command', 'echo x; exit 3', '--json', '-p', 'exitCodes=any')).stdout,
    );
    expect(found).toMatchObject({ outcome: 'succeeded', value: { exitCode: 3, stdout: { base64: 'eAo=' } } });
  });

  test('hive task tells the end of standard error of every failed attempt', async () => {
    const args = ['submit', 'command', 'echo first >&2; echo the reason >&2; exit 9', '--retries', '0'];
    const failed = await hive(...args);
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toMatch(/task 0 failed: The command ended with exit code 9\.\nfirst\nthe reason\n/);
    const [, id] = /Job ([0-9a-f-]+) failed/.exec(failed.stderr)!;
    expect((await hive('task', id!, '0')).stdout).toMatch(
      /1\. failed \(exit\).*\n +The command ended .*\n +first\n +the reason/,
    );
  });

  test('hive logs prints what an ended job has printed, or one task of it', async () => {
    const id = (await hive('submit', 'command', '-d', 'echo a; echo b >&2', 'echo c')).stdout.trim();
    await hive('wait', id);
    expect(await hive('logs', id)).toEqual({ code: 0, stdout: 'a\nc\n', stderr: 'b\n' });
    expect((await hive('logs', id, '1')).stdout).toBe('c\n');
    expect((await hive('logs', id, '--tag')).stdout).toBe('0\ta\n1\tc\n');
  });

  test('hive logs --follow prints it as it comes, and all of it', async () => {
    const line = 'echo begun; >here; while [ ! -e go ]; do sleep 0.05; done; echo done; printf end';
    const id = (await hive('submit', 'command', '-d', ...inFolder, 'echo before', line)).stdout.trim();
    await until(() => existsSync(join(folder, 'here')));
    const following = processes.hive(['logs', id, '--follow']);
    await following.saying(/begun\n/);
    const look = await hive('logs', id);
    // What runs is shown too, if its Drone says so in time.
    expect(look.stdout).toMatch(/^before\n(begun\n)?$/);
    expect(look.stderr).toBe('hive logs: the job is running; --follow goes on\n');
    writeFileSync(join(folder, 'go'), '');
    expect(await following.ended).toBe(0);
    expect(String(following.stdout).split('\n').sort()).toEqual(['before', 'begun', 'done', 'end']);
  });
});
