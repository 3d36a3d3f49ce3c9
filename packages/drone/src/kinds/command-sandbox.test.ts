/** Commands of jobs in sandboxes, through a real slot's thread: from the wish in the params to the outcome. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { decodeMsgpack, encodeMsgpack } from '@hive/shared';
import { afterAll, describe, expect, test } from '@jest/globals';
import { cgroupPaths, removeCgroups } from '../sandbox/cgroups.ts';
import type { SandboxPolicy } from '../sandbox/policy.ts';
import { type OpenSandbox, openSandbox } from '../sandbox/setup.ts';
import { type DockerEngineOfTest, IMAGE, tryEngine } from '../testing/docker-engine.ts';
import { SlotDriver, type SlotOutcome } from '../testing/slot-driver.ts';

const MiB = 1024 * 1024;
const engine: DockerEngineOfTest | string = await tryEngine();
if (typeof engine === 'string') console.warn(`Commands in docker are skipped: ${engine}`);
const environment = typeof engine === 'string' ? process.env : { ...process.env, ...engine.env };
const NOTHING: SandboxPolicy = {
  minimum: 'none',
  images: [],
  network: false,
  limits: {},
  readable: [],
  hidden: [],
};
const images = typeof engine === 'string' ? [] : [IMAGE];
const drone = `test${randomBytes(6).toString('hex')}`;
const sandbox: OpenSandbox = openSandbox({ ...NOTHING, images }, { drone, environment });
const { machine } = sandbox;

afterAll(async () => {
  if (machine.cgroups !== null) {
    // Whatever a run left would be in there still.
    const left = cgroupPaths(machine.cgroups).flatMap((path) =>
      readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
    );
    removeCgroups(machine.cgroups);
    expect(left).toEqual([]);
  }
  if (typeof engine !== 'string') await engine.close();
}, 180_000);

async function run(
  input: unknown,
  params: Record<string, unknown>,
  policy: Partial<SandboxPolicy> = {},
): Promise<SlotOutcome> {
  const driver = new SlotDriver(undefined, { ...sandbox, policy: { ...sandbox.policy, ...policy } });
  try {
    await driver.start({ kind: 'command', params: params as never }, [input]);
    return await driver.outcome();
  } finally {
    await driver.close();
  }
}
const printed = ({ values, failures }: SlotOutcome): string => {
  expect(failures).toEqual([]);
  return String(Buffer.from((values[0] as { readonly stdout: Uint8Array }).stdout));
};

const levels = (['limits', 'bwrap', 'docker'] as const).map((level) => {
  const found = machine[level];
  if (!found.isThere) console.warn(`Commands in "${level}" are skipped: ${found.why}`);
  return [level, found.isThere ? test : test.skip] as const;
});

describe.each(levels)('a command in %s', (level, check) => {
  check('gives what it prints and its exit code, in a fresh folder that it may write', async () => {
    const line = 'pwd; echo x >f && ls; echo "$A" "$1"; cat; exit 3';
    const outcome = await run(
      { line, args: ['b c'], stdin: 'read' },
      { sandbox: level, env: { A: "a'" }, exitCodes: [3] },
    );
    expect(printed(outcome)).toMatch(/\/slot-0\/work\nf\na' b c\nread$/);
    expect(outcome.values[0]).toMatchObject({ exitCode: 3 });
  });

  check('has its files in its folder, and gives others back', async () => {
    const line = 'cat; cat in/a; mkdir out; tr a-z A-Z <in/a >out/a; ln -s /etc/passwd link';
    const files = [{ path: 'in/a', mode: 0o600, mtimeMillis: 1e12, bytes: 5 }];
    const map = encodeMsgpack({ line, stdinBytes: 3, files, returns: ['out', 'link', 'none'] });
    const input = Buffer.concat([Buffer.from([0, 0, 0, map.length]), map, Buffer.from('so plums')]);
    const outcome = await run(input, { sandbox: level, head: true });
    expect(printed(outcome)).toBe('so plums');
    const [value] = outcome.values as [{ files: Uint8Array; contents: Uint8Array[] }];
    expect(decodeMsgpack(value.files)).toMatchObject([
      { path: 'out' },
      { path: 'out/a', bytes: 5 },
      { path: 'link', missing: 'it is a symbolic link' },
      { path: 'none', missing: 'it is not there' },
    ]);
    expect(Buffer.concat(value.contents).toString()).toBe('PLUMS');
  });

  check('ends by SIGTERM at its time limit, after it has tidied up', async () => {
    const line = `trap 'echo tidied; exit 0' TERM; while :; do sleep 0.05; done`;
    // Long enough for its sandbox to be made and its trap to be set.
    for (let timeoutMillis = 1_000; ; timeoutMillis *= 2) {
      const outcome = await run(line, { sandbox: level, timeoutMillis, exitCodes: 'any' });
      if (printed(outcome) !== 'tidied\n') continue;
      expect(outcome.values[0]).toMatchObject({ timedOut: true, exitCode: 0 });
      break;
    }
  });

  check('that is not there fails', async () => {
    const { failures } = await run(['no-such-program'], { sandbox: level });
    expect(failures).toHaveLength(1);
    expect(['exit', 'notStarted']).toContain(failures[0]?.code);
  });

  check('that fills the disk is ended, and it is said why', async () => {
    const line = 'dd if=/dev/zero of=f bs=1048576 count=8 2>/dev/null; while :; do sleep 0.05; done';
    const { failures } = await run(line, { sandbox: { level, diskBytes: MiB } });
    expect(failures[0]).toMatchObject({
      code: 'diskLimit',
      message: expect.stringContaining('1048576 bytes'),
    });
  });

  check('gets it from the operator, whatever its job asks for', async () => {
    const line = 'ulimit -n';
    const policy = { minimum: level, limits: { openFiles: 77 } };
    expect(printed(await run(line, { sandbox: 'none' }, policy))).toBe('77\n');
    expect(printed(await run(line, { sandbox: { level, openFiles: 55 } }, policy))).toBe('55\n');
  });
});

const counted = machine.cgroups === null ? test.skip : test;
counted('where memory is counted, it is said that it was too much', async () => {
  const line = 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit 1';
  const { failures } = await run(line, { sandbox: { level: 'limits', memoryBytes: 64 * MiB } });
  expect(failures[0]).toMatchObject({
    code: 'sandboxLimit',
    message: expect.stringContaining('more memory'),
  });
});

const inDocker = machine.docker.isThere ? test : test.skip;
inDocker('in docker, programs are those of the image', async () => {
  expect(printed(await run(['ash', '-c', 'echo from $0'], { sandbox: 'docker' }))).toBe('from ash\n');
});
inDocker('a container that is killed with its command is gone', async () => {
  const line = `trap '' TERM; while :; do sleep 0.05; done`;
  const driver = new SlotDriver(undefined, sandbox);
  try {
    await driver.start({ kind: 'command', params: { sandbox: 'docker' } as never }, [line]);
    const running = async (): Promise<string> => (engine as DockerEngineOfTest).docker('ps', '--quiet');
    while ((await running()) === '') expect(driver.slot.isBusy).toBe(true);
  } finally {
    await driver.close();
  }
  expect(await (engine as DockerEngineOfTest).docker('ps', '--all', '--quiet')).toBe('');
});

test('what this Drone cannot do fails the task on it, with what to do', async () => {
  const none = await run('true', { sandbox: { level: 'bwrap', network: true } });
  expect(none.failures[0]).toMatchObject({
    code: 'noSandbox',
    message: expect.stringContaining('--sandbox-network'),
  });
  const bad = await run('true', { sandbox: 'chroot' });
  expect(bad.failures[0]).toMatchObject({ code: 'badParams' });
  const driver = new SlotDriver();
  await driver.start({ kind: 'command', params: { sandbox: 'limits' } as never }, ['true']);
  const { failures } = await driver.outcome();
  await driver.close();
  expect(failures[0]).toMatchObject({
    code: 'noSandbox',
    message: expect.stringContaining('hive drone --sandbox'),
  });
  expect(existsSync(driver.outputs.folder)).toBe(false);
});
