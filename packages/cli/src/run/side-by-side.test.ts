/** GNU parallel and `hive run`, side by side, on the examples of GNU parallel's manual and tutorial. */
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, test } from '@jest/globals';
import { FILES, SAME_ERRORS, SAME_OUTPUT, SEQUENCES } from './testing/manual-examples.ts';
import {
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

sideBySide('hive run does what GNU parallel does', () => {
  test.each(SAME_OUTPUT)('%s', async (line) => {
    const example = exampleOf(line);
    const [gnu, ours] = await Promise.all([sandbox.gnu([example]), sandbox.ours([example])]);
    expect(seen(ours)).toEqual(seen(gnu));
  });

  test.each(SAME_ERRORS)('and says the same: %s', async (line) => {
    const example = exampleOf(line);
    const [gnu, ours] = await Promise.all([sandbox.gnu([example]), sandbox.ours([example])]);
    expect({ ...seen(ours), stderr: withoutName(ours.stderr) }).toEqual({
      ...seen(gnu),
      stderr: withoutName(gnu.stderr),
    });
  });

  test.each(SEQUENCES.map((lines) => [lines.join(' && '), lines] as const))('%s', async (_, lines) => {
    const examples = lines.map(exampleOf);
    const [gnu, ours] = await Promise.all([sandbox.gnu(examples), sandbox.ours(examples)]);
    expect(seen(ours)).toEqual(seen(gnu));
  });
});
