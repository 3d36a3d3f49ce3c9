import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, registeredTask } from '@hive/client';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../../..');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-local-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a Hive in this process', () => {
  test('does the same as a cluster, and leaves nothing behind when it is closed', async () => {
    const before = process.listeners('exit').length + process.listeners('beforeExit').length;
    const hive = await connect({ local: { drones: 2, slots: 1 } });
    expect(await hive.map('echo', [1, 2, 3])).toEqual([1, 2, 3]);
    expect((await hive.drones()).map(({ name }) => name).sort()).toEqual(['local-1', 'local-2']);
    await hive.close();
    await expect(hive.call('echo', 1)).rejects.toMatchObject({ code: 'closed' });
    expect(process.listeners('exit').length + process.listeners('beforeExit').length).toBe(before);
  });

  test('two of them know nothing of one another', async () => {
    await using one = await connect({ local: { slots: 1 } });
    await using other = await connect({ local: { slots: 1 } });
    const job = await one.submit({ kind: 'echo', inputs: ['mine'] });
    await expect(other.job(job.id)).rejects.toMatchObject({ code: 'unknownJob' });
    expect((await other.status()).queen).not.toBe((await one.status()).queen);
  });

  test('keeps jobs in a folder if it is given one', async () => {
    const data = join(folder, 'data');
    const first = await connect({ local: { slots: 1, data } });
    const { id } = await first.submit({ kind: 'echo', inputs: ['kept'], attached: false });
    await first.close();
    await using second = await connect({ local: { slots: 1, data } });
    const values: unknown[] = [];
    for await (const { value } of (await second.open(id)).results()) values.push(value);
    expect(values).toEqual(['kept']);
  });

  test('runs commands in the sandboxes that this machine has, if they ask for one', async () => {
    await using hive = await connect({ local: { slots: 1 } });
    const [{ labels } = { labels: {} }] = await hive.drones();
    const sandbox = 'sandbox.bwrap' in labels ? 'bwrap' : 'none';
    const line = `[ -e '${folder}' ] && echo seen || echo hidden`;
    const { stdout } = await hive.call('command', line, { sandbox });
    expect(Buffer.from(stdout as Uint8Array).toString()).toBe(sandbox === 'bwrap' ? 'hidden\n' : 'seen\n');
  });

  test('knows tasks by name if it is given a folder of them', async () => {
    writeFileSync(
      join(folder, 'double.task.ts'),
      "import { task } from '@hive/client';\nexport default task((n: number) => n * 2);\n",
    );
    await using hive = await connect({ local: { slots: 1, tasks: folder } });
    expect(await hive.map(registeredTask('double'), [1, 2])).toEqual([2, 4]);
  });

  test('refuses what makes no sense in a sentence', async () => {
    await expect(connect({ local: { slots: 0 } })).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining('slots'),
    });
    await expect(connect({ local: { thread: 2 } as object })).rejects.toMatchObject({
      code: 'badOption',
      message: 'connect: local has no option "thread". It has drones, slots, data, tasks.',
    });
    await expect(connect({ local: { data: '/dev/null/nowhere' } })).rejects.toMatchObject({
      name: 'UsageError',
    });
  });
});

describe('a program that does not close its Hive', () => {
  interface Ended {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
    /** What it left among the temporary files. */
    readonly left: readonly string[];
  }

  /** Runs a program that has `hive` and ends when it ends. */
  async function run(program: string): Promise<Ended> {
    const code = `import { connect } from '@hive/client'; const hive = await connect({ local: { slots: 2 } });\n${program}`;
    const env = { ...process.env, TMPDIR: folder, HIVE_DATA: join(folder, 'none'), NODE_OPTIONS: '' };
    const node = join(ROOT, 'node_modules/.bin/node');
    const child = spawn(node, ['--input-type=module', '-e', code], { cwd: ROOT, env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const exit = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return {
      code: exit,
      stdout,
      stderr,
      left: readdirSync(folder).filter((name) => name !== 'node-compile-cache'),
    };
  }

  test('ends when it has nothing more to wait for', async () => {
    const ended = await run(`console.log(await hive.call('echo', 'last line'));`);
    expect(ended).toEqual({ code: 0, stdout: 'last line\n', stderr: '', left: [] });
  });

  test('is kept by whatever it still waits for', async () => {
    const ended = await run(`
      hive.call('sleep', 300).then(() => console.log('a call'));
      hive.map('sleep', [300, 400]).then(() => console.log('a map'));
      (await hive.submit({ kind: 'sleep', inputs: [600] })).done.then(({ state }) => console.log('a job', state));`);
    expect({ ...ended, stdout: ended.stdout.split('\n').sort() }).toEqual({
      code: 0,
      stdout: ['', 'a call', 'a job succeeded', 'a map'],
      stderr: '',
      left: [],
    });
  });

  test('may exit at any time: its commands end, its folders go, its code stays', async () => {
    const ended = await run(`
      const job = await hive.submit({ kind: 'command', inputs: [['sh', '-c', 'echo $$; exec sleep 1000']] });
      for await (const { data } of job.output()) {
        process.stdout.write(data);
        process.exitCode = 0;
        process.exit(7);
      }`);
    expect({ ...ended, stdout: '' }).toEqual({ code: 7, stdout: '', stderr: '', left: [] });
    const pid = Number(ended.stdout);
    expect(pid).toBeGreaterThan(1);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test('that fails ends with its error', async () => {
    const ended = await run(`
      hive.call('sleep', 60_000).catch(() => {});
      await hive.call('echo', 1);
      throw new Error('its own');`);
    expect(ended).toMatchObject({ code: 1, stdout: '', left: [] });
    expect(ended.stderr).toContain('Error: its own');
  });
});
