/**
 * GNU parallel and `hive run`, side by side, on the examples of GNU parallel's manual and tutorial: once with an executor
 * of our own in this process, and once through a Queen and a Drone.
 */
import { spawnSync } from 'node:child_process';
import { connect, type Hive } from '@hive/client';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { executeOn } from './cluster/execute.ts';
import { ownLabels } from './cluster/fitting.ts';
import type { Execute } from './command-task.ts';
import { executeLocally } from './testing/execute-locally.ts';
import { FILES, SAME_ERRORS, SAME_OUTPUT, SEQUENCES } from './testing/manual-examples.ts';
import {
  CPUS,
  type Example,
  installedVersion,
  type Outcome,
  Sandbox,
  withoutName,
  withoutTimes,
} from './testing/side-by-side.ts';

const version = installedVersion();
if (version === null) console.warn('skipped: GNU parallel is not installed (apt-get install parallel)');
const sideBySide = version === null ? describe.skip : describe;

const sandbox = new Sandbox(FILES);
afterAll(() => sandbox[Symbol.dispose]());

/** What a shell makes of `cat FILE | parallel …`: words, and what standard input holds. */
function exampleOf(line: string): Example {
  const script = `parallel() { printf '%s\\0' "$@" >&3; cat >&4; }; ${line.replace(/ \| cut .*$/, '')}`;
  const folder = scratch();
  const { output, status } = spawnSync('bash', ['-c', script], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  expect({ line, status }).toEqual({ line, status: 0 });
  const words = (output[3] as unknown as Buffer).toString('utf8').split('\0').slice(0, -1);
  return { args: words, stdin: output[4] as unknown as Buffer };
}

let scratchFolder: string | null = null;
function scratch(): string {
  scratchFolder ??= sandbox.newFolder();
  return scratchFolder;
}

const seen = ({ exitCode, stdout, files }: Outcome) => ({
  exitCode,
  stdout: withoutTimes(stdout),
  files: Object.fromEntries(files),
});

/** What GNU parallel does is found out once for both. */
const known = new Map<readonly string[], Promise<Outcome>>();
function gnu(lines: readonly string[], examples: readonly Example[]): Promise<Outcome> {
  const found = known.get(lines) ?? sandbox.gnu(examples);
  known.set(lines, found);
  return found;
}
const single = (lines: readonly string[]) => lines.map((line) => [line, [line]] as const);
const OUTPUT = single(SAME_OUTPUT);
const ERRORS = single(SAME_ERRORS);
const IN_A_ROW = SEQUENCES.map((lines) => [lines.join(' && '), lines] as const);

let processes: Processes | null = null;
let hive: Hive | null = null;
beforeAll(async () => {
  if (version === null) return;
  processes = await startProcesses({ slotsPerDrone: CPUS });
  hive = await connect(processes.access);
});
afterAll(async () => {
  await hive?.close();
  await processes?.stop();
});
const executeOnCluster: Execute = (commands, options) =>
  executeOn(hive!, { isOwnHost: true, labels: ownLabels(), slots: CPUS, say: () => {} })(commands, options);

sideBySide.each([
  ['by itself', executeLocally],
  ['through a Queen and a Drone', executeOnCluster],
])('hive run does what GNU parallel does, %s', (_, execute) => {
  test.each([...OUTPUT, ...IN_A_ROW])('%s', async (_, lines) => {
    const examples = lines.map(exampleOf);
    const [theirs, ours] = await Promise.all([gnu(lines, examples), sandbox.ours(examples, execute)]);
    expect(seen(ours)).toEqual(seen(theirs));
  });

  test.each(ERRORS)('and says the same: %s', async (_, lines) => {
    const examples = lines.map(exampleOf);
    const [theirs, ours] = await Promise.all([gnu(lines, examples), sandbox.ours(examples, execute)]);
    expect({ ...seen(ours), stderr: withoutName(ours.stderr) }).toEqual({
      ...seen(theirs),
      stderr: withoutName(theirs.stderr),
    });
  });
});
