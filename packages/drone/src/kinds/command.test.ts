import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeMsgpack } from '@hive/shared';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SlotDriver, type SlotOutcome } from '../testing/slot-driver.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

let driver: SlotDriver;
/** One thread for all that is run, but for what ends threads and for other ways to start commands. */
beforeAll(() => {
  driver = new SlotDriver();
});
afterEach(() => void driver.events.splice(1));
afterAll(async () => {
  await driver.close();
  delete process.env['HIVE_TEST_SECRET'];
});

async function renew(): Promise<void> {
  await driver.close();
  driver = new SlotDriver();
}

interface Result {
  readonly exitCode?: number;
  readonly signal?: number;
  readonly timedOut?: boolean;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly stdoutCut?: { readonly at: number; readonly bytes: number };
  readonly stderrCut?: object;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly userMicros?: number;
  readonly systemMicros?: number;
  readonly maxRssBytes?: number;
}

async function run(inputs: unknown[], params: Record<string, unknown> = {}): Promise<SlotOutcome> {
  await driver.start({ kind: 'command', params: params as never }, inputs);
  const outcome = await driver.outcome();
  driver.events.splice(1);
  return outcome;
}
async function result(input: unknown, params: Record<string, unknown> = {}): Promise<Result> {
  const { values, failures } = await run([input], params);
  if (failures.length > 0) throw new Error(failures[0]!.message);
  return values[0] as Result;
}
/** With a limit of time that is long enough for the first command to have said something. */
async function limited(inputs: unknown[], params: Record<string, unknown>): Promise<SlotOutcome> {
  for (let timeoutMillis = 50; ; timeoutMillis *= 2) {
    const outcome = await run(inputs, { ...params, timeoutMillis });
    if ((outcome.values[0] as Result).stdout.length > 0) return outcome;
  }
}
const textOf = async (input: unknown, params: Record<string, unknown> = {}) =>
  String(Buffer.from((await result(input, params)).stdout));

/** Whether a process exists and has not ended. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
/** Resolves when a command has written this file in its fresh folder. */
async function fileInWork(name: string): Promise<string> {
  const path = join(driver.outputs.folder, 'slot-0', 'work', name);
  for (;;) {
    if (existsSync(path) && readFileSync(path, 'utf8').endsWith('\n')) return readFileSync(path, 'utf8');
    await sleep(LOOK_MILLIS);
  }
}

describe('what is run', () => {
  test('a text is a line for the shell, a list a program with its arguments, a map says either', async () => {
    expect(await textOf('echo $((6 * 7)); echo two')).toBe('42\ntwo\n');
    expect(await textOf(['printf', '%s|', 'a b', '$HOME', 5])).toBe('a b|$HOME|5|');
    expect(await textOf({ line: 'echo "$1-$2"', args: ['x y', 'z'] })).toBe('x y-z\n');
    expect(await textOf({ argv: ['echo', 'a'], args: ['b'] })).toBe('a b\n');
  });

  test('with a command in its params, the input adds arguments', async () => {
    expect(await textOf('a file', { argv: ['printf', '<%s>', 'first'] })).toBe('<first><a file>');
    expect(await textOf(['a', 'b'], { line: 'echo "$2 $1"' })).toBe('b a\n');
    expect(await textOf(7, { line: 'echo $(($1 + 1))' })).toBe('8\n');
    expect(await textOf(null, { argv: ['echo', 'alone'] })).toBe('alone\n');
  });

  test('another shell, and bytes that are no UTF-8', async () => {
    expect(await textOf(`echo \${BASH_VERSION:+bash}`, { shell: '/bin/bash' })).toBe('bash\n');
    const line = Buffer.concat([Buffer.from('printf %s '), Buffer.from([0xff, 0xfe])]);
    expect(Buffer.from((await result({ line })).stdout)).toEqual(Buffer.from([0xff, 0xfe]));
  });

  test.each([
    ['nothing', null, {}, 'badInput'],
    ['a number alone', 5, {}, 'badInput'],
    ['a list without a program', [], {}, 'badInput'],
    ['a zero byte', ['echo', 'a\0b'], {}, 'badInput'],
    ['a word of a map that is unknown', { lines: 'x' }, {}, 'badInput'],
    ['two commands', { line: 'x', argv: ['y'] }, {}, 'badInput'],
    ['a param that is unknown', 'true', { dir: '/' }, 'badParams'],
    ['a relative folder', 'true', { cwd: 'here' }, 'badParams'],
    ['a sandbox that is not here', 'true', { sandbox: 'bwrap' }, 'noSandbox'],
  ])('%s is refused with a sentence', async (_, input, params, code) => {
    expect((await run([input], params)).failures).toMatchObject([{ outcome: 'failed', code }]);
  });
});

describe('the result', () => {
  test('has the exit code, both outputs, times and what was used', async () => {
    const before = Date.now();
    const found = await result('echo out; echo err >&2; exit 3', { exitCodes: 'any' });
    expect(found).toMatchObject({ exitCode: 3, stdout: Buffer.from('out\n'), stderr: Buffer.from('err\n') });
    expect(found.signal).toBeUndefined();
    expect(found.startedAt).toBeGreaterThanOrEqual(before - 1);
    expect(found.endedAt).toBeGreaterThanOrEqual(found.startedAt);
    expect(found.userMicros! + found.systemMicros!).toBeGreaterThan(0);
    // It used less than the Drone does, so nobody knows how much.
    expect(found.maxRssBytes).toBeUndefined();
  });

  test('has the peak memory of what needs more than the Drone itself', async () => {
    const own = process.resourceUsage().maxRSS * 1024;
    const bytes = own + 50_000_000;
    // One line without an end is held in memory.
    const found = await result(`head -c ${bytes} /dev/zero | tr '\\0' x | sed -n '$='`);
    expect(found.maxRssBytes).toBeGreaterThan(bytes);
  });

  test('has the signal that ended it', async () => {
    const found = await result('kill -USR1 $$', { exitCodes: 'any' });
    expect(found).toMatchObject({ signal: 10 });
    expect(found.exitCode).toBeUndefined();
  });

  test('is a failure for other exit codes, with the end of standard error', async () => {
    const { failures } = await run(['echo no such thing >&2; exit 4', 'kill -9 $$', 'exit 1']);
    expect(failures).toMatchObject([
      {
        position: 0,
        outcome: 'failed',
        code: 'exit',
        message: 'The command ended with exit code 4.\nno such thing',
      },
      { position: 1, outcome: 'failed', code: 'signal', message: 'The command was ended by signal 9.' },
      { position: 2, outcome: 'failed', code: 'exit' },
    ]);
    expect(failures.some(({ retryable }) => retryable === false)).toBe(false);
    expect((await run(['exit 1', 'exit 2'], { exitCodes: [0, 1] })).failures).toMatchObject([
      { position: 1 },
    ]);
  });

  test('that is a failure has the result beside it where the job asks for that', async () => {
    const commands = [
      'echo one',
      'echo out; echo err >&2; exit 4',
      ['no-such-program'],
      'kill -9 $$',
      'yes | head -c 1000000; exit 5',
      'echo six',
      'yes | head -c 900000; exit 7',
    ];
    const { values, failures, streams } = await run(commands, { failedResult: true });
    expect(failures.map(({ position, code }) => [position, code])).toEqual([
      [1, 'exit'],
      [2, 'notStarted'],
      [3, 'signal'],
      [4, 'exit'],
      [6, 'exit'],
    ]);
    const [first, bad, missing, killed, large, last, larger] = values as Result[];
    for (const [good, text] of [
      [first, 'one\n'],
      [last, 'six\n'],
    ] as const)
      expect(good).toMatchObject({ exitCode: 0, stdout: Buffer.from(text) });
    expect(bad).toMatchObject({ exitCode: 4, stdout: Buffer.from('out\n'), stderr: Buffer.from('err\n') });
    expect(missing!.exitCode).toBe(127);
    expect(killed).toMatchObject({ signal: 9 });
    // What is too large for a page with the failure's words is a stream, as what succeeds is.
    expect(large).toBeUndefined();
    expect(streams).toMatchObject([{ position: 4, encoded: true }]);
    expect(streams[0]!.bytes).toBeGreaterThan(1_000_000);
    expect(larger).toMatchObject({ exitCode: 7, stdout: Buffer.from('y\n'.repeat(450_000)) });
    const late = await limited(['echo begun; sleep 600'], { failedResult: true });
    expect(late.failures).toMatchObject([{ outcome: 'timedOut' }]);
    expect(late.values).toMatchObject([{ timedOut: true, stdout: Buffer.from('begun\n') }]);
    expect((await run(['exit 1', 'true'])).values[0]).toBeUndefined();
    expect((await run(['true'], { failedResult: 'yes' })).failures).toMatchObject([{ code: 'badParams' }]);
  });

  test('of a program that is not there is 127, or a failure that says so', async () => {
    const found = await result(['no-such-program'], { exitCodes: 'any' });
    expect(found.exitCode).toBe(127);
    expect(String(found.stderr)).toBe('hive: There is no command no-such-program on this Drone.\n');
    const { failures } = await run([
      ['no-such-program'],
      ['/etc/passwd'],
      { line: 'true', cwd: '/no/where' },
    ]);
    expect(failures).toMatchObject([
      { code: 'notStarted', message: 'There is no command no-such-program on this Drone.' },
      { code: 'notStarted', message: 'The command /etc/passwd cannot be run on this Drone (EACCES).' },
      { code: 'notStarted', message: 'There is no folder /no/where on this Drone.' },
    ]);
    expect((await result('no-such-program', { exitCodes: 'any' })).exitCode).toBe(127);
  });

  test('holds bytes as they are', async () => {
    const { stdout } = await result(`printf '\\000\\377\\001\\r\\n'`);
    expect(Buffer.from(stdout)).toEqual(Buffer.from([0, 255, 1, 13, 10]));
  });

  test('is a stream when it is large, and nothing stays in the folder', async () => {
    const { streams, values } = await run(['head -c 3000000 /dev/zero', 'echo small']);
    expect(streams).toMatchObject([{ position: 0, encoded: true }]);
    expect(streams[0]!.bytes).toBeGreaterThan(3_000_000);
    expect(values[1]).toMatchObject({ stdout: Buffer.from('small\n') });
    const left = readdirSync(join(driver.outputs.folder, 'slot-0')).sort();
    // The last command has printed nothing on its standard error, so that file is kept for the next one.
    expect(left.filter((name) => name !== 'spare.stderr')).toEqual(['tmp', 'work']);
  });

  test('keeps the beginning and the end of too much output, and says what was cut', async () => {
    const found = await result('seq 1 1000; seq 1 1000 >&2', { keepStdout: 11, keepStderr: 0 });
    expect(String(found.stdout)).toBe('1\n2\n3\n1000\n');
    expect(found.stdoutCut).toEqual({ at: 6, bytes: 3893 - 11 });
    expect(found.stderr).toHaveLength(0);
    expect(found.stderrCut).toBeUndefined();
  });

  test('of the encoding raw is what was printed, of what was read', async () => {
    const spec = { kind: 'command', encoding: 'raw', params: { line: 'tr a-z A-Z' } } as const;
    await driver.start(spec, [Buffer.from('some text')]);
    expect(String((await driver.outcome()).pages[0]!.data)).toBe('SOME TEXT');
  });
});

describe('where it runs', () => {
  test('in a fresh folder, with a TMPDIR of its own; both are gone afterwards', async () => {
    const { values } = await run(
      Array.from({ length: 3 }, () => 'pwd; ls -A . "$TMPDIR"; touch a "$TMPDIR/b"; mkdir c'),
    );
    const texts = values.map((value) => String((value as Result).stdout));
    expect(new Set(texts).size).toBe(1);
    const [work, ...rest] = texts[0]!.trimEnd().split('\n');
    expect(work).toBe(join(driver.outputs.folder, 'slot-0', 'work'));
    expect(rest).toEqual(['.:', '', `${join(driver.outputs.folder, 'slot-0', 'tmp')}:`]);
    expect(readdirSync(work!)).toEqual([]);
    expect(readdirSync(join(driver.outputs.folder, 'slot-0', 'tmp'))).toEqual([]);
  });

  test('with a scrubbed environment', async () => {
    process.env['HIVE_TEST_SECRET'] = 'secret';
    const names = (await textOf('env')).split('\n').map((line) => line.split('=')[0]);
    expect(names).toContain('PATH');
    expect(names).not.toContain('HIVE_TEST_SECRET');
    const allowed = 'PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR PWD SHLVL _ OLDPWD '.split(
      ' ',
    );
    expect(names.filter((name) => !allowed.includes(name!))).toEqual([]);
  });

  test('in the folder and with the variables that were asked for', async () => {
    expect(await textOf('pwd; echo $A $B', { cwd: '/usr', env: { A: 'a', B: 'b' } })).toBe('/usr\na b\n');
    const own = await textOf(
      { line: 'pwd; echo $A $B', cwd: '/', env: { B: 'own' } },
      { cwd: '/usr', env: { A: 'a' } },
    );
    expect(own).toBe('/\na own\n');
    const exact = await textOf(['/usr/bin/env'], { env: { ONLY: 'this' }, exactEnv: true });
    expect(exact.split('\n').filter((line) => !line.startsWith('TMPDIR='))).toEqual(['ONLY=this', '']);
  });

  test('with the number of its slot, where a variable is named for it', async () => {
    expect(await textOf('echo $JOB_SLOT', { slotVariable: 'JOB_SLOT' })).toBe('0\n');
    expect((await run(['true'], { slotVariable: '1x' })).failures).toMatchObject([{ code: 'badParams' }]);
  });

  test("with none of the Drone's files but its three", async () => {
    const open = (await textOf('for fd in /proc/$$/fd/*; do readlink $fd; done; true')).trim().split('\n');
    const { folder } = driver.outputs;
    expect(open.filter((file) => file.startsWith(folder))).toHaveLength(2);
  });

  test('leading a session and a process group of its own, with no signal ignored', async () => {
    const [pid, pgid, sid] = (await textOf('cut -d" " -f1,5,6 /proc/$$/stat')).trim().split(' ');
    expect([pgid, sid]).toEqual([pid, pid]);
    const ignored = /SigIgn:\s*([0-9a-f]+)/.exec(await textOf('cat /proc/$$/status'))![1];
    // Those above 31 are the C library's own.
    expect(Number.parseInt(ignored!, 16) & 0x7fff_ffff).toBe(0);
  });
});

describe('what it reads', () => {
  test('is nothing, or what the job or the task says', async () => {
    expect(await textOf('cat')).toBe('');
    expect(await textOf(new Uint8Array([104, 105]), { argv: ['cat'] })).toBe('hi');
    expect(await textOf({ line: 'cat', stdin: 'own' }, { stdin: 'common' })).toBe('own');
    expect(await textOf('cat', { stdin: 'common' })).toBe('common');
  });

  test('may be a stream, which may begin with the map of its task', async () => {
    const bytes = Buffer.from('a\nb\nc\n');
    const params = { line: 'wc -l' };
    expect(await streamed(bytes, params)).toBe('3\n');
    const map = Buffer.from(encodeMsgpack({ line: 'cat; echo $X', env: { X: 'x' } }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(map.length);
    expect(await streamed(Buffer.concat([length, map, bytes]), { head: true })).toBe('a\nb\nc\nx\n');
  });

  async function streamed(bytes: Buffer, params: Record<string, unknown>): Promise<string> {
    await driver.start({ kind: 'command', params: params as never }, [null], {
      streams: [{ index: 0, bytes: bytes.length }],
    });
    const pulled = await driver.next('slotPulled');
    driver.slot.obey({
      type: 'deliverChunk',
      slot: 0,
      run: driver.run,
      position: 0,
      offset: pulled.offset,
      data: new Uint8Array(bytes),
      last: true,
      error: null,
    });
    const { values } = await driver.outcome();
    driver.events.splice(1);
    return String((values[0] as Result).stdout);
  }
});

describe('its end', () => {
  beforeEach(renew);

  const stubborn = `trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $! $$ >pids; while :; do sleep 1; done`;

  test('when it is cancelled: the whole group, also if it ignores SIGTERM', async () => {
    await driver.start({ kind: 'command' }, [stubborn, 'echo next']);
    const pids = (await fileInWork('pids')).trim().split(' ').map(Number);
    expect(pids.every(isAlive)).toBe(true);
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: 0, reason: 'enough' });
    const { values, failures } = await driver.outcome();
    expect(failures).toMatchObject([{ position: 0, outcome: 'cancelled', message: 'enough' }]);
    expect(pids.some(isAlive)).toBe(false);
    // The slot's thread is still the same, and went on.
    expect(values[1]).toMatchObject({ stdout: Buffer.from('next\n') });
  });

  test('when its attempt takes too long: the outcome is timedOut, with what it said', async () => {
    await driver.start({ kind: 'command' }, ['echo why >&2; sleep 1000 & echo $! >pids; wait', 'echo next']);
    const pid = Number(await fileInWork('pids'));
    driver.kill('timedOut');
    const { values, failures } = await driver.outcome();
    expect(failures).toMatchObject([{ position: 0, outcome: 'timedOut', message: 'It was timedOut.\nwhy' }]);
    expect(isAlive(pid)).toBe(false);
    expect(values[1]).toMatchObject({ exitCode: 0 });
  });

  test('by a limit of its own, with its result or as a failure', async () => {
    const slow = 'echo begun; sleep 1000';
    const [found] = (await limited([slow], { exitCodes: 'any' })).values;
    expect(found).toMatchObject({ signal: 15, timedOut: true, stdout: Buffer.from('begun\n') });
    // Long enough for the second of them.
    for (let timeoutMillis = 50; ; timeoutMillis *= 2) {
      const { failures } = await run([slow, 'true'], { timeoutMillis });
      const message = `The command took longer than its limit of ${timeoutMillis} ms.`;
      expect(failures[0]).toMatchObject({ position: 0, outcome: 'timedOut', message });
      if (failures.length === 1) break;
    }
  });

  test('takes with it what it left running in its group', async () => {
    const pid = Number(await textOf('sleep 1000 >/dev/null 2>&1 & echo $!'));
    expect(isAlive(pid)).toBe(false);
  });

  test('leaves time to what only finishes its work', async () => {
    // It has a moment only, so a busy machine may be too slow for it now and then.
    while ((await textOf('(sleep 0.05; echo late) & echo early')) !== 'early\nlate\n');
  });

  test('comes when the Drone ends', async () => {
    await driver.start({ kind: 'command' }, [stubborn]);
    const pids = (await fileInWork('pids')).trim().split(' ').map(Number);
    await driver.slot.close();
    while (pids.some(isAlive)) await sleep(LOOK_MILLIS);
    expect(existsSync(driver.outputs.folder)).toBe(true);
  });
});

describe('without koffi', () => {
  beforeEach(async () => {
    process.env['HIVE_NO_KOFFI'] = '1';
    await renew();
  });
  afterEach(() => {
    delete process.env['HIVE_NO_KOFFI'];
  });

  test('commands run all the same, but for what they used', async () => {
    const { values, failures } = await run([
      'echo a; exit 0',
      'exit 3',
      ['no-such-program'],
      ['printf', 'x'],
    ]);
    expect(values[0]).toMatchObject({ exitCode: 0, stdout: Buffer.from('a\n') });
    expect((values[0] as Result).userMicros).toBeUndefined();
    expect(failures).toMatchObject([{ code: 'exit' }, { code: 'notStarted' }]);
    expect(values[3]).toMatchObject({ stdout: Buffer.from('x') });
  });

  test('and are ended with their group', async () => {
    await driver.start({ kind: 'command' }, ['sleep 1000 & echo $! >pids; wait']);
    const pid = Number(await fileInWork('pids'));
    driver.slot.obey({ type: 'abortTask', slot: 0, run: driver.run, position: 0, reason: 'enough' });
    expect((await driver.outcome()).failures).toMatchObject([{ outcome: 'cancelled' }]);
    expect(isAlive(pid)).toBe(false);
  });
});
