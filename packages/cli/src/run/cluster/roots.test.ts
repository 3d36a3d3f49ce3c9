/**
 * `hive run` and the files of its submitter: two Drones of one machine and user, one of which has another root folder. What
 * is not meant for anywhere never runs there, though everything has the same name there. Needs bwrap.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostId } from '@hive/shared/node';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Processes } from '../../testing/processes.ts';

const isThere = spawnSync('bwrap', ['--dev-bind', '/', '/', 'true']).status === 0;
if (!isThere) process.stderr.write('Drones with another root are skipped: bwrap does not start here.\n');
const onRoots = isThere ? describe : describe.skip;
const TEST_MILLIS = 240_000;

let processes: Processes | null = null;
afterEach(async () => {
  await processes?.end();
  processes = null;
});

/** All of the machine is there, under a root of its own, but `hidden`, where `shown` is. */
function otherRoot(shown: string, hidden: string): string[] {
  const binds = readdirSync('/', { withFileTypes: true }).flatMap((entry) => {
    const path = `/${entry.name}`;
    return entry.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--dev-bind-try', path, path];
  });
  return ['bwrap', '--die-with-parent', ...binds, '--bind', shown, hidden];
}

onRoots('a Drone of this machine with another root', () => {
  test(
    'runs nothing that is meant for the folder of its submitter, and some of what may run anywhere',
    async () => {
      const all = new Processes();
      processes = all;
      const [here, there] = ['here', 'there'].map((name) => {
        const folder = join(all.folder, name);
        mkdirSync(folder);
        writeFileSync(join(folder, 'word'), `${name}\n`);
        return folder;
      });
      const queen = all.hive(['queen', '--port', '0']);
      await queen.saying(/listening on port/);
      const start = async (name: string, within: readonly string[]) => {
        const drone = all.hive(['drone', '--slots', '1', '--name', name], { within });
        await drone.saying(/Connected to Queen/);
      };
      const run = async (...args: string[]) => {
        const running = all.hive(['run', ...args], { cwd: here!, input: null });
        const code = await running.ended;
        return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
      };
      await start('elsewhere', otherRoot(there!, here!));
      const alone = await run('cat word #', ':::', '1');
      expect(alone).toMatchObject({ code: 255, stdout: '' });
      expect(alone.stderr).toContain('No Drone of yours runs on this machine (there is one elsewhere)');
      await start('at-home', []);
      const values = Array.from({ length: 20 }, (_, i) => String(i));
      expect(await run('cat word #', ':::', ...values)).toEqual({
        code: 0,
        stdout: 'here\n'.repeat(20),
        stderr: '',
      });
      const both = await run('--anywhere', '--wd', here!, 'cat word; sleep 0.05 #', ':::', ...values);
      expect(new Set(both.stdout.trim().split('\n'))).toEqual(new Set(['here', 'there']));
    },
    TEST_MILLIS,
  );
});

test("the host's id is the same for all of its processes, and says nothing of the machine's own", () => {
  expect(hostId()).toMatch(/^[0-9a-f]{32}$/);
  const module = join(import.meta.dirname, '../../../../shared/src/node/host-id.ts');
  const script = `import('${module}').then((it) => process.stdout.write(it.hostId()))`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect(stdout).toBe(hostId());
});
