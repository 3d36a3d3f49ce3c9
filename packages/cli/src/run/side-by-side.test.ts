/**
 * GNU parallel and `hive run`, side by side, on the examples of GNU parallel's manual and tutorial: once with an executor
 * of our own in this process, and once through a Queen and a Drone.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { connect, type Hive } from '@hive/client';
import { type Processes, startProcesses } from '@hive/local';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { executeOn } from './cluster/execute.ts';
import { ownLabels } from './cluster/fitting.ts';
import type { Execute } from './command-task.ts';
import { executeLocally } from './testing/execute-locally.ts';
import { FILES, SAME_ERRORS, SAME_OUTPUT, SEQUENCES } from './testing/manual-examples.ts';
import { Pool } from './testing/pool.ts';
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
/** What a shell makes of `cat FILE | parallel …`, of all lines at once: words, and what standard input holds. */
function examplesOf(lines: readonly string[]): ReadonlyMap<string, Example> {
  const folder = sandbox.newFolder();
  const to = sandbox.newFolder([]);
  const unique = [...new Set(lines)];
  const each = unique.map(
    (line, i) =>
      `( into='${join(to, String(i))}'; ${line.replace(/ \| cut .*$/, '')}\n) </dev/null || exit 1`,
  );
  const parallel = `parallel() { printf '%s\\0' "$@" >"$into.words"; cat >"$into.stdin"; }`;
  const { status, stderr } = spawnSync('bash', ['-c', [parallel, ...each].join('\n')], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const read = (i: number, what: string) => readFileSync(join(to, `${i}.${what}`));
  return new Map(
    unique.map((line, i) => {
      const args = read(i, 'words').toString('utf8').split('\0').slice(0, -1);
      return [line, { args, stdin: read(i, 'stdin') }];
    }),
  );
}

const seen = ({ exitCode, stdout, files }: Outcome) => ({
  exitCode,
  stdout: withoutTimes(stdout),
  files: Object.fromEntries(files),
});

const single = (lines: readonly string[]) => lines.map((line) => [line, [line]] as const);
/** Where there is one processor, one less is none for GNU parallel. */
const isAlone = availableParallelism() === 1;
const OUTPUT = single(SAME_OUTPUT.filter((line) => !isAlone || !line.includes('-j -1')));
const ERRORS = single(SAME_ERRORS);
const IN_A_ROW = SEQUENCES.map((lines) => [lines.join(' && '), lines] as const);

const WAYS = ['by itself', 'through a Queen and a Drone'] as const;
type Way = (typeof WAYS)[number];
/** Most of a line's time is spent in waiting for a process, or a sleep: so many are under way at a time. */
const AT_A_TIME = 4;
/** All are begun together, so the last ones wait for those before them. */
const TEST_MILLIS = 600_000;

interface Outcomes {
  readonly theirs: Promise<Outcome>;
  readonly ours: Readonly<Record<Way, Promise<Outcome>>>;
}
/** By the lines of each test. */
const outcomes = new Map<readonly string[], Outcomes>();

let processes: Processes | null = null;
let hive: Hive | null = null;
beforeAll(async () => {
  if (version === null) return;
  processes = await startProcesses({ slotsPerDrone: CPUS * AT_A_TIME });
  hive = await connect(processes.access);
  const cluster = { isOwnHost: true, labels: ownLabels(), slots: CPUS, say: () => {} };
  const executors: Readonly<Record<Way, Execute>> = {
    'by itself': executeLocally,
    'through a Queen and a Drone': executeOn(hive, cluster),
  };
  const all = [...OUTPUT, ...IN_A_ROW, ...ERRORS].map(([, lines]) => lines);
  const known = examplesOf(all.flat());
  const pool = new Pool(AT_A_TIME);
  for (const lines of all) {
    const examples = lines.map((line) => known.get(line)!);
    const ours = (way: Way) => pool.run(() => sandbox.ours(examples, executors[way]));
    outcomes.set(lines, {
      theirs: pool.run(() => sandbox.gnu(examples)),
      ours: { [WAYS[0]]: ours(WAYS[0]), [WAYS[1]]: ours(WAYS[1]) },
    });
  }
});
afterAll(async () => {
  await Promise.allSettled(
    [...outcomes.values()].flatMap(({ theirs, ours }) => [theirs, ...Object.values(ours)]),
  );
  await hive?.close();
  await processes?.stop();
  await sandbox[Symbol.asyncDispose]();
});

async function compared(lines: readonly string[], way: Way): Promise<[ours: Outcome, theirs: Outcome]> {
  const { ours, theirs } = outcomes.get(lines)!;
  return await Promise.all([ours[way], theirs]);
}

sideBySide.each(WAYS)('hive run does what GNU parallel does, %s', (way) => {
  test.each([...OUTPUT, ...IN_A_ROW])(
    '%s',
    async (_, lines) => {
      const [ours, theirs] = await compared(lines, way);
      expect(seen(ours)).toEqual(seen(theirs));
    },
    TEST_MILLIS,
  );

  test.each(ERRORS)(
    'and says the same: %s',
    async (_, lines) => {
      const [ours, theirs] = await compared(lines, way);
      expect({ ...seen(ours), stderr: withoutName(ours.stderr) }).toEqual({
        ...seen(theirs),
        stderr: withoutName(theirs.stderr),
      });
    },
    TEST_MILLIS,
  );
});
