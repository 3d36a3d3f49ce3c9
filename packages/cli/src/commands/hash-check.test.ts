/** `hive hash --check`, `-b`, `-t` and `--json`, side by side with the real `sha256sum`. */
import { spawnSync } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkArguments, type HashArguments } from '../hash/arguments.ts';
import { Processes } from '../testing/processes.ts';

const hasSha256sum = spawnSync('sha256sum', ['--version']).stdout?.includes('GNU coreutils') ?? false;
const onGnu = hasSha256sum ? test : test.skip;

const processes = new Processes();
const { folder } = processes;
beforeAll(async () => {
  await processes.startHive(2);
  for (const name of ODD) write(name, `contents of ${name}`);
  write('plain', 'plain');
  write('large', randomBytes(3 * 1024 * 1024));
  mkdirSync(join(folder, 'a folder'));
});
afterAll(() => processes.end());

const ODD = ['new\nline', 'back\\slash', 'carriage\rreturn', ' space ', '*star', "it's", '(x) = y)', '\\'];
const write = (name: string, contents: Uint8Array | string) => writeFileSync(join(folder, name), contents);
const sum = (text: string) => hash('sha256', text);
const ZEROS = '0'.repeat(64);

interface Outcome {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}
async function ours(args: readonly string[], input = ''): Promise<Outcome> {
  const running = processes.hive(['hash', ...args], { input: Buffer.from(input, 'latin1') });
  const code = await running.ended;
  return { code, stdout: running.stdout.toString('latin1'), stderr: String(running.stderr) };
}
function theirs(args: readonly string[], input = '', tool = 'sha256sum'): Outcome {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    cwd: folder,
    input: Buffer.from(input, 'latin1'),
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  const said = stderr.toString().replaceAll(`${tool}:`, 'hive hash:');
  return { code: status, stdout: stdout.toString('latin1'), stderr: said };
}
/** What the tool prints for the odd names, in its three forms. */
const listOf = (...args: string[]) => theirs([...args, '--', ...ODD, 'plain', 'large']).stdout;

/** Good, bad, missing, unreadable and malformed lines together. */
const MIXED = [
  `${sum('plain')}  plain`,
  `${ZEROS}  plain`,
  `${ZEROS}  not there`,
  `${ZEROS}  not\tthere`,
  `\\${ZEROS}  not\\nthere`,
  `${ZEROS}  a folder`,
  '# a comment',
  '',
  'nonsense',
  `${ZEROS}`,
  `${ZEROS}  `,
  `${ZEROS.slice(1)}  plain`,
  `${ZEROS.slice(1)}g  plain`,
  `\\${ZEROS}  bad\\escape`,
  `\\${ZEROS}  ends with \\`,
  `SHA256 (plain) = ${sum('plain').toUpperCase()}`,
  `SHA256(plain)=${ZEROS}`,
  `SHA256 (plain) ${ZEROS}`,
  `SHA512 (plain) = ${ZEROS}`,
  `  \t${sum('plain')} *plain\r`,
  `${sum('plain')} plain`,
  `${ZEROS}  -`,
  `${sum('plain')}  plain`,
].join('\n');

describe('hive hash --check', () => {
  onGnu('accepts every list that sha256sum prints', async () => {
    for (const args of [[], ['-b'], ['--tag']]) {
      const list = listOf(...args);
      expect(await ours(['--check'], list)).toEqual(theirs(['--check'], list));
      write('sums', list);
      expect(await ours(['-c', 'sums', 'sums'])).toEqual(theirs(['-c', 'sums', 'sums']));
    }
  });

  onGnu('says of bad lists what sha256sum says, with every option', async () => {
    for (const args of [[], ['--quiet'], ['--status'], ['--warn'], ['--strict'], ['--ignore-missing']]) {
      expect([args, await ours(['-c', ...args], MIXED)]).toEqual([args, theirs(['-c', ...args], MIXED)]);
    }
  });

  onGnu('has the exit codes of sha256sum', async () => {
    const good = `${sum('plain')}  plain\n`;
    const lists = [good, `${good}nonsense\n`, `${ZEROS}  gone\n`, `${good}${ZEROS}  gone`, 'nonsense\n', ''];
    for (const list of lists) {
      for (const args of [[], ['--strict', '--ignore-missing']]) {
        expect([list, args, await ours(['-c', ...args], list)]).toEqual([
          list,
          args,
          theirs(['-c', ...args], list),
        ]);
      }
    }
  });

  onGnu('reads old BSD lists, does not mix them with others, and reads each list that it can', async () => {
    const bsd = `${sum('plain')} plain\n${sum('contents of  space ')}  space \n`;
    const mixed = `${sum('plain')}  plain\n${sum('plain')} plain\n`;
    for (const list of [bsd, mixed]) expect(await ours(['-c'], list)).toEqual(theirs(['-c'], list));
    write('good', `${sum('plain')}  plain\n`);
    const lists = ['good', 'no list', 'a folder', 'plain', 'good'];
    expect(await ours(['-c', ...lists])).toEqual(theirs(['-c', ...lists]));
  });

  onGnu('checks other algorithms', async () => {
    const list = theirs(['plain', 'large'], '', 'md5sum').stdout;
    expect(await ours(['-c', '-a', 'md5'], list)).toEqual(theirs(['-c'], list, 'md5sum'));
  });

  test('says what it found as JSON', async () => {
    const { code, stdout } = await ours(
      ['-c', '--json'],
      `${sum('plain')}  plain\n${ZEROS}  plain\n${ZEROS}  gone`,
    );
    expect(code).toBe(1);
    expect(objects(stdout)).toEqual([
      { algorithm: 'sha256', name: 'plain', result: 'ok' },
      { algorithm: 'sha256', name: 'plain', result: 'failed' },
      { algorithm: 'sha256', name: 'gone', result: 'unreadable', error: 'No such file or directory' },
    ]);
  });

  test('goes with no option that would mean nothing', async () => {
    const { code, stdout, stderr } = await ours(['-c', '--tag', 'plain']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('hive: --check takes lists of digests, so it does not go with --tag.\n');
    const check = (argv: object) => () =>
      checkArguments({ _: ['hash'], ...argv } as unknown as HashArguments);
    for (const other of ['binary', 'zero', 'recursive', 'lines'])
      expect(check({ check: true, [other]: true })).toThrow(`does not go with --${other}`);
    expect(check({ quiet: true })).toThrow('needs --check');
    expect(check({ tag: true, text: true })).toThrow('--tag does not go with --text');
    expect(check({ json: true, tag: true })).toThrow('--json has a form of its own');
    expect(check({ range: '1..2', binary: true })).toThrow('--range hashes integers');
  });
});

describe('hive hash', () => {
  onGnu('marks names as sha256sum -b and -t do', async () => {
    for (const args of [['-b'], ['-t'], ['--binary', '--tag'], ['-b', '-z']]) {
      const names = [...args, '--', ...ODD, 'plain'];
      expect(await ours(names)).toEqual(theirs(names));
    }
  });

  test('prints one JSON object a line with --json, errors too', async () => {
    const files = await ours(['--json', 'plain', 'new\nline', 'gone']);
    expect({ code: files.code, stderr: files.stderr }).toEqual({ code: 1, stderr: '' });
    expect(objects(files.stdout)).toEqual([
      { algorithm: 'sha256', digest: sum('plain'), name: 'plain' },
      { algorithm: 'sha256', digest: sum('contents of new\nline'), name: 'new\nline' },
      { algorithm: 'sha256', error: 'No such file or directory', name: 'gone' },
    ]);
    write('none', '');
    write('words', 'one\ntwo\n');
    const lines = await ours(['--json', '--lines', 'none', 'words', 'none', '-'], 'three');
    expect(objects(lines.stdout)).toEqual([
      { algorithm: 'sha256', digest: sum('one'), name: 'words', line: 1 },
      { algorithm: 'sha256', digest: sum('two'), name: 'words', line: 2 },
      { algorithm: 'sha256', digest: sum('three'), name: '-', line: 1 },
    ]);
    const range = await ours(['--json', '--range', '5..9..4', '-a', 'md5']);
    expect(objects(range.stdout)).toEqual([
      { algorithm: 'md5', digest: hash('md5', '5'), value: 5 },
      { algorithm: 'md5', digest: hash('md5', '9'), value: 9 },
    ]);
  });

  test('prints nothing more once Ctrl-C was pressed, and says how far it came', async () => {
    const running = processes.hive(['hash', '--range', '0..1000000000000']);
    await running.saying(/^[0-9a-f]{64}\n/);
    running.child.kill('SIGINT');
    await running.saying(/cancelling/);
    // What was on its way through the pipe when that was said.
    const before = running.stdout.length;
    expect(await running.ended).toBe('SIGINT');
    expect(running.stdout.length - before).toBeLessThan(1024 * 1024);
    expect(running.stdout.at(-1)).toBe(0x0a);
    expect(String(running.stderr)).toMatch(
      /hive hash: cancelled: [\d,]+ of 1,000,000,000,001 integers were hashed\n$/,
    );
  });
});

function objects(lines: string): unknown[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}
