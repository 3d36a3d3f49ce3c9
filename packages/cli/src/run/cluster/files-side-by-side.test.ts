/**
 * Files that travel, beside GNU parallel: it reaches its "other machine", which is another folder, through a stand-in for ssh that
 * runs everything here, and moves files with rsync. Ours reaches a Drone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runWith } from '../testing/in-process.ts';
import { startEngine } from './engine.ts';

const missing = ['parallel', 'rsync'].find((program) => spawnSync(program, ['--version']).status !== 0);
if (missing !== undefined)
  console.warn(`Transfers beside GNU parallel are skipped: there is no ${missing} here`);
const check = missing === undefined ? test : test.skip;

const FILES: Readonly<Record<string, string>> = {
  'in/a.txt': 'plum\n',
  'in/b.txt': 'pear\n',
  'deep/er/c': 'fig\n',
  'tools/say': '#!/bin/sh\necho say "$@"\n',
};
const SSH = `#!/bin/sh
while :; do case "$1" in -l|-p|-o|-S) shift 2;; -*) shift;; *) break;; esac; done
shift
[ "$1" = -- ] && shift
cd "$FAR" && HOME=$FAR exec sh -c "$*"
`;
let root: string;
let processes: Processes;
let count = 0;
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'hive-beside-')));
  writeFileSync(join(root, 'ssh'), SSH);
  chmodSync(join(root, 'ssh'), 0o755);
  processes = await startProcesses({ drones: 1, slotsPerDrone: 1 });
});
afterAll(async () => {
  await processes.stop();
  rmSync(root, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = join(root, String(count++));
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile() && !name.startsWith('.'));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly warnings: readonly string[];
  readonly files: Record<string, string>;
}
const warningsIn = (stderr: string) =>
  stderr.split('\n').flatMap((line) => line.match(/Warning: .* will not .*/) ?? []);

function gnu(args: readonly string[]): Outcome {
  const [folder, far, home] = [newFolder(), join(root, `far-${count}`), join(root, `home-${count}`)];
  for (const path of [far, home]) mkdirSync(path);
  const env = {
    ...{ PATH: `${root}:${process.env['PATH']}`, HOME: home, FAR: far, LC_ALL: 'C', SHELL: '/bin/sh' },
    ...{ PARALLEL_SHELL: '/bin/sh', PARALLEL_HOME: home },
  };
  const all = ['--will-cite', '--ssh', join(root, 'ssh'), '-S', '1/far', '-k', ...args];
  const { status, stdout, stderr } = spawnSync('parallel', all, { cwd: folder, env, encoding: 'utf8' });
  return { exitCode: status ?? -1, stdout, warnings: warningsIn(stderr), files: filesIn(folder) };
}
async function ours(args: readonly string[]): Promise<Outcome> {
  const folder = newFolder();
  const env = { PATH: process.env['PATH'], PARALLEL_SHELL: '/bin/sh' };
  const all = ['--data', processes.data, '-k', ...args];
  const { exitCode, stdout, stderr } = await runWith(all, startEngine, { cwd: folder, env });
  return { exitCode, stdout, warnings: warningsIn(stderr), files: filesIn(folder) };
}

const UPPER = 'tr a-z A-Z <{} >{.}.out';
check.each<readonly [name: string, ...args: string[]]>([
  ['--trc', '--trc', '{.}.out', UPPER, ':::', 'in/a.txt', 'in/b.txt'],
  [
    '--transfer and two --return',
    '--transfer',
    '--return',
    '{.}.out',
    '--return',
    '{.}.two',
    `${UPPER}; echo 2 >{.}.two`,
    ':::',
    'in/a.txt',
  ],
  ['./ in front', '--trc', './{.}.out', UPPER, ':::', './in/a.txt'],
  ['/./ in what comes back', '--trc', 'out/./{.}.out', UPPER, ':::', 'in/a.txt'],
  ['/./ in what goes', '--tf', 'deep/./er/{}', 'cat er/{}; find er -type f', ':::', 'c'],
  ['a folder', '--tf', '{}', '--return', 'made', 'mkdir made; cp {}/* made; ls made', ':::', 'in'],
  ['a file that is not there', '--tf', '{}', 'cat {} 2>&1 | wc -l', ':::', 'in/none', 'in/a.txt'],
  ['a result that is not there', '--return', '{}.out', 'test {} = x && echo yes >{}.out', ':::', 'x', 'y'],
  ['a base file', '--bf', 'tools/say', '--cleanup', 'sh tools/say {}', ':::', '1', '2'],
  ['--wd ...', '--wd', '...', '--cleanup', '--trc', '{.}.out', `${UPPER}; ls`, ':::', 'in/a.txt'],
  ['exit codes', '--trc', '{.}.out', `${UPPER}; exit 3`, ':::', 'in/a.txt'],
])('%s: as GNU parallel does it', async (_, ...args) => {
  const theirs = gnu(args);
  expect(await ours(args)).toEqual(theirs);
  expect(Object.keys(theirs.files).length).toBeGreaterThan(0);
});

check('the stand-in for ssh is another folder', () => {
  mkdirSync(join(root, 'elsewhere'));
  const env = { PATH: process.env['PATH'], FAR: join(root, 'elsewhere') };
  expect(execFileSync(join(root, 'ssh'), ['far', '--', 'pwd'], { env, encoding: 'utf8' })).toBe(
    `${join(root, 'elsewhere')}\n`,
  );
});
