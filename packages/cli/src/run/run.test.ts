import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { CommandEvent, CommandTask, Execute } from './command-task.ts';
import { executeLocally } from './testing/execute-locally.ts';
import { Recorder, resultOf, runHere } from './testing/in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'hive-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Chunks of numbered lines without end, and how many were asked for. */
class EndlessLines {
  chunks = 0;
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const first = this.chunks++ * 1_000;
      yield Buffer.from(Array.from({ length: 1_000 }, (_, i) => `${first + i}\n`).join(''));
    }
  }
}
/** Node's streams read a few chunks ahead. */
const READ_AHEAD_MAX = 20;

describe('input without end', () => {
  test('is read only as far as commands are wanted', async () => {
    const lines = new EndlessLines();
    const recorder = new Recorder(2_500);
    await runHere(['echo'], recorder.execute, { stdin: lines });
    expect(recorder.lines.at(-1)).toBe('echo 2499');
    expect(lines.chunks).toBeLessThan(3 + READ_AHEAD_MAX);
  });

  test('combines with other sources without being kept, if it comes first', async () => {
    const lines = new EndlessLines();
    const recorder = new Recorder(3_000);
    await runHere(['echo', '::::', '-', ':::', 'a', 'b'], recorder.execute, { stdin: lines });
    expect(recorder.lines.slice(-2)).toEqual(['echo 1499 a', 'echo 1499 b']);
    expect(lines.chunks).toBeLessThan(2 + READ_AHEAD_MAX);
  });

  test('is cut into blocks only as they are wanted', async () => {
    const lines = new EndlessLines();
    const recorder = new Recorder(3);
    await runHere(['--pipe', '--block', '10k', 'wc'], recorder.execute, { stdin: lines });
    for (const { stdin } of recorder.tasks) expect((stdin as Uint8Array).length).toBeGreaterThan(9_995);
    expect(lines.chunks).toBeLessThan(10 + READ_AHEAD_MAX);
  });
});

describe('what an executor is told', () => {
  test('is all of a command that depends on its values, and of the run what does not', async () => {
    const recorder = new Recorder();
    const args = [
      '-j3',
      '--retries',
      '2',
      '--timeout',
      '1m30s',
      '--delay',
      '0.5',
      '--bf',
      'base',
      '--env',
      'A,B',
    ];
    args.push('--trc', '{.}.out', '--wd', 'in/{/.}', '--tag', 'convert', '{}', ':::', 'x/a.jpg');
    expect(await runHere(args, recorder.execute, { cwd: folder })).toMatchObject({ exitCode: 0, stderr: '' });
    expect(recorder.tasks).toEqual([
      {
        index: 0,
        seq: 1,
        line: 'convert x/a.jpg',
        slot: null,
        env: { PARALLEL_SEQ: '1', PARALLEL_PID: '4711' },
        cwd: 'in/a',
        stdin: null,
        transfer: ['x/a.jpg'],
        return: ['x/a.out'],
      },
    ]);
    expect(recorder.options).toMatchObject({
      shell: '/bin/sh',
      cwd: folder,
      slotVariable: 'PARALLEL_JOBSLOT0',
      carriedEnv: ['A', 'B'],
      hasOwnFolder: true,
      slots: 3,
      pullsWhenFree: false,
      attempts: 2,
      timeoutMillis: 90_000,
      delayMillis: 500,
      baseFiles: ['base'],
      cleanup: true,
      streamsOutput: false,
    });
  });

  test('says when a slot has to be free before a command can be written', async () => {
    const recorder = new Recorder();
    await runHere(['echo', '{%}', ':::', 'a', 'b'], recorder.execute);
    expect(recorder.options?.pullsWhenFree).toBe(true);
    expect(recorder.tasks.map(({ line, slot }) => [line, slot])).toEqual([
      ['echo 1', 1],
      ['echo 1', 1],
    ]);
  });

  test('is bytes where a line is no text', async () => {
    const recorder = new Recorder();
    const stdin = (async function* () {
      yield Buffer.from([0xff, 0x0a, 0xc3, 0xa9, 0x0a]);
    })();
    await runHere(['echo'], recorder.execute, { stdin });
    expect(recorder.lines).toEqual([Buffer.from("echo '\xff'", 'latin1'), "echo 'é'"]);
  });

  test('is a stream that can be read again, for a block beyond 1 MiB', async () => {
    const line = `${'x'.repeat(999)}\n`;
    const read: string[] = [];
    const execute = async function* (commands: AsyncIterable<CommandTask>): AsyncGenerator<CommandEvent> {
      for await (const { index, stdin } of commands) {
        if (stdin === null || stdin instanceof Uint8Array) throw new Error('no stream');
        for (let again = 0; again < 2; again++) {
          const chunks: Uint8Array[] = [];
          for await (const chunk of stdin.read()) chunks.push(chunk);
          read.push(Buffer.concat(chunks).toString());
        }
        expect(stdin.bytes).toBe(read[0]!.length);
        yield { type: 'started', index };
        yield { type: 'finished', index, result: resultOf('') };
      }
    };
    await runHere(['--pipe', '--block', '3M', 'wc'], execute, { stdin: line.repeat(2_000) });
    expect(read).toEqual([line.repeat(2_000), line.repeat(2_000)]);
  });
});

describe('a run', () => {
  test('prints in the order of the input with -k, whatever ends first', async () => {
    const execute = async function* (commands: AsyncIterable<CommandTask>): AsyncGenerator<CommandEvent> {
      const tasks: CommandTask[] = [];
      for await (const task of commands) tasks.push(task);
      for (const { index, line } of tasks.reverse()) {
        yield { type: 'started', index };
        yield { type: 'finished', index, result: resultOf(`${line}\n`) };
      }
    };
    const values = Array.from({ length: 200 }, (_, i) => String(i));
    const { stdout } = await runHere(['-k', '{}', ':::', ...values], execute);
    expect(stdout).toBe(values.map((value) => `${value}\n`).join(''));
    const unordered = await runHere(['{}', ':::', '1', '2'], execute);
    expect(unordered.stdout).toBe('2\n1\n');
  });

  test('stops taking commands while too much output waits for its turn', async () => {
    let mostWaiting = 0;
    const big = resultOf('x'.repeat(1024 * 1024));
    const execute = async function* (commands: AsyncIterable<CommandTask>): AsyncGenerator<CommandEvent> {
      const iterator = commands[Symbol.asyncIterator]();
      await iterator.next();
      yield { type: 'started', index: 0 };
      let isFirstOver = false;
      for (let next = iterator.next(); ; next = iterator.next()) {
        // Nothing comes any more: only then the first command ends.
        const settled = await Promise.race([
          next,
          new Promise<null>((resolve) => setImmediate(resolve, null)),
        ]);
        if (settled === null) {
          isFirstOver = true;
          yield { type: 'finished', index: 0, result: resultOf('first') };
        }
        const { value, done } = await next;
        if (done === true) break;
        if (!isFirstOver) mostWaiting++;
        yield { type: 'started', index: value.index };
        yield { type: 'finished', index: value.index, result: big };
      }
    };
    const values = Array.from({ length: 100 }, (_, i) => String(i));
    const { stdout } = await runHere(['-k', 'x', ':::', ...values], execute);
    expect(stdout.length).toBe('first'.length + 99 * 1024 * 1024);
    expect(mostWaiting).toBe(64);
  });

  test('logs and resumes', async () => {
    const log = join(folder, 'log');
    const first = new Recorder();
    await runHere(['--joblog', log, 'echo', ':::', 'a', "it's"], first.execute);
    expect(readFileSync(log, 'utf8')).toBe(
      'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n' +
        '1\t:\t1700000000.000\t     1.500\t0\t0\t0\t0\techo a\n' +
        `2\t:\t1700000000.000\t     1.500\t0\t0\t0\t0\techo 'it'"'"'s'\n`,
    );
    const second = new Recorder();
    await runHere(['--resume', '--joblog', log, 'echo', ':::', 'a', "it's", 'c'], second.execute);
    expect(second.tasks.map(({ index, seq, line }) => [index, seq, line])).toEqual([[0, 3, 'echo c']]);
    expect(readFileSync(log, 'utf8').split('\n')).toHaveLength(5);
    writeFileSync(log, 'Seq\n1 what is this\n');
    const { exitCode, stderr } = await runHere(
      ['--resume', '--joblog', log, 'echo', ':::', 'a'],
      first.execute,
    );
    expect({ exitCode, stderr }).toEqual({
      exitCode: 255,
      stderr: `hive run: Error: The job log ${log} is not in GNU parallel's format: "1 what is this".\n`,
    });
  });

  test('ends what runs when it is interrupted', async () => {
    const interrupt = new AbortController();
    const execute: Execute = async function* (commands, options) {
      for await (const event of executeLocally(commands, options)) {
        yield event;
        if (event.type === 'output') interrupt.abort();
      }
    };
    const { signal } = interrupt;
    const ended = await runHere(['--lb', '-j1', 'echo up; sleep 60', ':::', 'a', 'b'], execute, {
      interrupt: signal,
    });
    expect(ended.stdout).toBe('up\n');
  });

  test('puts no more into a command line than systems take', async () => {
    const recorder = new Recorder();
    const stdin = `${'x'.repeat(99)}\n`.repeat(5_000);
    await runHere(['-j1', '-X', 'echo'], recorder.execute, { stdin });
    for (const line of recorder.lines) expect(line.length).toBeLessThanOrEqual(131_071);
    expect(recorder.lines.join(' ').match(/x{99}/g)).toHaveLength(5_000);
    const tooLong = await runHere(['echo', '{}{}'], recorder.execute, { stdin: 'y'.repeat(70_000) });
    expect(tooLong.exitCode).toBe(255);
    expect(tooLong.stderr).toContain('Command 1 is too long: 140005 bytes, where 131071 are the most');
  });
});

test.each([
  [['-S', 'host', 'echo'], '-S of GNU parallel is not supported: Drones are the machines'],
  [['--timeout', '200%', 'echo'], '--timeout as a percentage is not supported: write it in seconds.'],
  [
    ['-j', 'procs', 'echo'],
    '-j takes a number: 4, +2, -1, 150% or 0; a file with the number in it is not supported',
  ],
  [['--halt', 'later', 'echo'], '--halt takes never, or when and why, such as now,fail=1'],
  [['--retries', '0', 'echo'], '--retries 0, for ever, is not supported'],
  [['--results', 'x.csv', 'echo'], '--results x.csv: tables are not supported'],
  [['echo', '{= $_=`date` =}', ':::', 'a'], '{= $_=`date` =} is not supported: of Perl there are s///'],
  [['--group', '-u', 'echo'], '--group does not go with --ungroup: output is either grouped or not.'],
  [
    ['--resume', 'echo', ':::', 'a'],
    '--resume needs --joblog or --results, which hold what was done before.',
  ],
  [['echo', '::::', 'no-such-file'], 'no-such-file cannot be read: there is no such file.'],
  [['--pipe'], '--pipe needs a command that reads the blocks'],
  [['--pipe', 'cat', ':::', 'a'], '--pipe does not go with values: blocks come from standard input.'],
  [['echo', '::::', '-', '-'], 'Standard input can be only one of the sources: name "-" once.'],
  [['-C', '(', 'echo', ':::', 'a'], '--colsep "(" is not a regular expression'],
  [['--sandbox', 'chroot', 'echo'], '--sandbox takes none, limits, bwrap, docker; not "chroot".'],
  [['--sandbox-memory', '1G', 'echo'], '--sandbox-memory needs --sandbox limits, bwrap or docker.'],
  [['--sandbox', 'bwrap', '--sandbox-image', 'x', 'echo'], '--sandbox-image needs --sandbox docker.'],
  [
    ['--sandbox', 'bwrap', '--sandbox-memory', 'lots', 'echo'],
    '--sandbox-memory takes a size such as 512M or 4G, not "lots".',
  ],
  [
    ['--sandbox', 'limits', '--sandbox-processes', '1.5', 'echo'],
    "A sandbox's processes is a whole number from 1 to 4000000.",
  ],
  [['--block', 'big', '--pipe', 'cat'], '--block takes a number, such as 100, 10k or 2M, not "big".'],
])('%j is refused in one sentence', async (args, sentence) => {
  const recorder = new Recorder();
  const { exitCode, stdout, stderr } = await runHere(args, recorder.execute);
  expect({ exitCode, stdout, tasks: recorder.tasks }).toEqual({ exitCode: 255, stdout: '', tasks: [] });
  expect(stderr).toContain(`hive run: Error: ${sentence}`);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});
