/** What each level makes of one command, as data. That it protects is attacks.test.ts's business. */

import type { SandboxWish } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { CGROUPS, ORDER, setup } from '../testing/sandbox-setup.ts';
import { planRun, type RunOrder, type RunPlan, type SandboxSetup } from './plan.ts';
import { agreeOnTerms } from './policy.ts';

function plan(wish: SandboxWish, order: Partial<RunOrder> = {}, given: SandboxSetup = setup()): RunPlan {
  return planRun(given, agreeOnTerms(given.policy, given.machine, wish), { ...ORDER, ...order });
}
/** Values that follow an option. */
const after = (argv: readonly string[], option: string): (string | undefined)[] =>
  argv.flatMap((word, at) => (word === option ? [argv[at + 1]] : []));

describe('none', () => {
  test("runs what it is given, with the Drone's variables and a TMPDIR of its own", () => {
    const { argv, env, cwd, handle } = plan({ level: 'none' });
    expect(argv).toEqual(['convert', 'a b.jpg']);
    expect(env).toEqual({ FROM_DRONE: 'secret', ASKED: 'yes', TMPDIR: '/runs/r1/scratch/tmp' });
    expect(cwd).toBe('/runs/r1/work');
    expect(handle.cgroups).toBe(null);
  });
});

describe('limits', () => {
  test('without cgroups: rlimits, set by a shell that becomes the command', () => {
    const limits = { memoryBytes: 2 ** 26, fileBytes: 2 ** 20, cpuSeconds: 5, openFiles: 64, processes: 20 };
    const { argv, env } = plan({ level: 'limits', ...limits }, {}, setup({}, { cgroups: null }));
    expect(argv).toEqual(['/bin/sh', '-c', expect.any(String), 'hive', 'convert', 'a b.jpg']);
    expect(argv[2]).toBe(
      [
        'ulimit -c 0',
        'ulimit -v 65536 || exit 125',
        'ulimit -t 5 || exit 125',
        'ulimit -f 2048 || exit 125',
        'ulimit -n 64 || exit 125',
        'ulimit -u 20 2>/dev/null || ulimit -p 20 || exit 125',
        'exec "$@"',
      ].join('\n'),
    );
    expect(Object.keys(env).sort()).toEqual(['ASKED', 'HOME', 'LANG', 'PATH', 'TMPDIR']);
  });

  test('with cgroups: memory and processes are counted there, and the command enters before it begins', () => {
    const { argv, handle } = plan({ level: 'limits', memoryBytes: 2 ** 26, cpus: 0.5 });
    expect(argv[2]).toContain("echo 0 >'/cg/memory/hive-d/r1/cgroup.procs' || exit 125");
    expect(argv[2]).not.toContain('ulimit -v');
    expect(handle.cgroups).toMatchObject({
      folders: ['/cg/memory/hive-d/r1', '/cg/pids/hive-d/r1', '/cg/cpu/hive-d/r1', `${CGROUPS.kill}/r1`],
      settings: expect.arrayContaining([
        ['/cg/memory/hive-d/r1/memory.limit_in_bytes', '67108864', false],
        ['/cg/pids/hive-d/r1/pids.max', '4096', false],
        ['/cg/cpu/hive-d/r1/cpu.cfs_quota_us', '50000', false],
      ]),
    });
  });

  test('keeps variables that no shell keeps, such as functions that bash exports', () => {
    const { argv, env } = plan({ level: 'limits' }, { environment: { 'BASH_FUNC_f%%': '() { :; }' } });
    expect(argv.slice(4)).toEqual(['/usr/bin/env', 'BASH_FUNC_f%%=() { :; }', 'convert', 'a b.jpg']);
    expect(env).not.toHaveProperty('BASH_FUNC_f%%');
  });
});

describe('bwrap', () => {
  test('shows the system read-only and the own folders, and nothing else', () => {
    const { argv } = plan({ level: 'bwrap' }, {}, setup({ readable: ['/data'] }));
    expect(after(argv, '--ro-bind')).toEqual(['/usr', '/etc', '/data']);
    expect(after(argv, '--bind')).toEqual(['/runs/r1/work', '/runs/r1/scratch/tmp']);
    expect(after(argv, '--remount-ro')).toEqual(['/dev', '/']);
    expect(argv).toEqual(
      expect.arrayContaining(['--unshare-pid', '--unshare-net', '--die-with-parent', '--new-session']),
    );
    expect(argv).not.toContain('--as-pid-1');
  });

  test('has the network when it may', () => {
    const { argv } = plan({ level: 'bwrap', network: true }, {}, setup({ network: true }));
    expect(argv).not.toContain('--unshare-net');
  });

  test("lets none of the job's variables reach what runs outside of it, or stand where others can read them", () => {
    const { argv, env, cwd } = plan(
      { level: 'bwrap' },
      { environment: { LD_PRELOAD: '/evil.so', KEY: 'private' } },
    );
    expect(env).toMatchObject({ HIVE_ENV_LD_PRELOAD: '/evil.so', HIVE_ENV_KEY: 'private' });
    expect(Object.keys(env).filter((name) => !name.startsWith('HIVE_ENV_'))).toEqual([]);
    expect(argv.join('\n')).not.toContain('private');
    expect(argv.join('\n')).toContain('export LD_PRELOAD="$HIVE_ENV_LD_PRELOAD"; unset HIVE_ENV_LD_PRELOAD');
    expect(cwd).toBe('/');
  });

  test('of root runs as nobody, who owns the folder', () => {
    const user = { uid: 65_534, gid: 65_534 };
    const bwrap = {
      isThere: true,
      path: '/usr/bin/bwrap',
      setpriv: '/usr/bin/setpriv',
      system: ['/usr'],
    } as const;
    const { argv, owner } = plan({ level: 'bwrap' }, {}, setup({}, { isRoot: true, user, bwrap }));
    expect(owner).toEqual(user);
    expect(argv).toEqual(
      expect.arrayContaining(['/usr/bin/setpriv', '--reuid=65534', '--bounding-set=-all']),
    );
    expect(argv).not.toContain('--unshare-user');
  });

  test('covers what is hidden inside of what is shown', () => {
    const given = setup({ hidden: ['/home/u/.local/share/hive', '/srv/hive'] });
    const { argv } = plan({ level: 'bwrap' }, { folder: '/home/u' }, given);
    expect(after(argv, '--tmpfs')).toContain('/home/u/.local/share/hive');
    expect(after(argv, '--tmpfs')).not.toContain('/srv/hive');
    expect(argv.indexOf('/home/u')).toBeLessThan(argv.indexOf('/home/u/.local/share/hive'));
  });
});

describe('docker', () => {
  test('starts a container with the limits, without network, as the user of the Drone', () => {
    const limits = {
      memoryBytes: 2 ** 26,
      cpus: 0.5,
      processes: 20,
      fileBytes: 2 ** 20,
      openFiles: 64,
      cpuSeconds: 5,
    };
    const { argv, env, handle } = plan({ level: 'docker', ...limits });
    expect(argv.slice(0, 2)).toEqual(['/usr/bin/docker', 'run']);
    expect(after(argv, '--memory')).toEqual(['67108864']);
    expect(after(argv, '--memory-swap')).toEqual(['67108864']);
    expect(after(argv, '--cpus')).toEqual(['0.5']);
    expect(after(argv, '--pids-limit')).toEqual(['21']);
    expect(after(argv, '--ulimit')).toEqual(['core=0', 'cpu=5', 'nofile=64', 'fsize=1048576']);
    expect(after(argv, '--network')).toEqual(['none']);
    expect(after(argv, '--user')).toEqual(['1000:1000']);
    expect(after(argv, '--label')).toEqual(['hive.drone=d']);
    expect(after(argv, '--mount')).toEqual([
      'type=bind,source=/runs/r1/work,destination=/runs/r1/work',
      'type=bind,source=/runs/r1/scratch/tmp,destination=/runs/r1/scratch/tmp',
    ]);
    expect(argv.slice(-3)).toEqual(['busybox', 'convert', 'a b.jpg']);
    expect(env).toEqual({ DOCKER_HOST: 'unix:///engine' });
    expect(handle.container).toEqual({ engine: { path: '/usr/bin/docker', env }, name: 'hive-d-r1' });
  });

  test('reads variables from a file of the Drone, but for those with line breaks', () => {
    const { argv, files } = plan(
      { level: 'docker' },
      { environment: { KEY: 'private', TEXT: 'two\nlines' } },
    );
    expect(files).toEqual([
      { path: '/runs/r1/scratch/environment', text: expect.stringContaining('KEY=private\n') },
    ]);
    expect(after(argv, '--env')).toEqual(['TEXT=two\nlines']);
    expect(argv.join('\n')).not.toContain('private');
  });

  test('takes folders with commas and quotes in their names', () => {
    const { argv } = plan({ level: 'docker' }, { folder: '/runs/a,"b' });
    expect(after(argv, '--mount')[0]).toBe('type=bind,"source=/runs/a,""b","destination=/runs/a,""b"');
  });
});

test.each(['bwrap', 'docker'] as const)(
  '%s: nothing runs in the data folder, or in a folder of the system',
  (level) => {
    const given = setup({ hidden: ['/home/u/.local/share/hive'] });
    for (const folder of [
      '/home/u/.local/share/hive',
      '/home/u/.local/share/hive/store',
      '/',
      '/etc',
      '/tmp',
    ]) {
      expect(() => plan({ level }, { folder }, given)).toThrow(
        `Nothing runs in ${folder} in the sandbox ${level}`,
      );
    }
    expect(plan({ level }, { folder: '/home/u' }, given).handle.folder).toBe('/home/u');
  },
);

test('a handle is plain data, for other threads and processes', () => {
  for (const level of ['none', 'limits', 'bwrap', 'docker'] as const) {
    const { handle } = plan({ level });
    expect(JSON.parse(JSON.stringify(handle))).toEqual(handle);
  }
});
