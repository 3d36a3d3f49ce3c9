/** A machine that can do everything, and an operator who demands nothing, to be varied in tests of pure functions. */
import type { SandboxMachine } from '../sandbox/machine.ts';
import type { RunOrder, SandboxSetup } from '../sandbox/plan.ts';
import type { SandboxPolicy } from '../sandbox/policy.ts';

export const POLICY: SandboxPolicy = {
  minimum: 'none',
  images: ['busybox', 'node:24'],
  network: false,
  limits: {},
  readable: [],
  hidden: [],
};

export const CGROUPS = {
  memory: { path: '/cg/memory/hive-d', version: 1 },
  processes: { path: '/cg/pids/hive-d', version: 1 },
  cpu: { path: '/cg/cpu/hive-d', version: 1 },
  kill: '/cg/unified/hive-d',
} as const;

export function machine(changes: Partial<SandboxMachine> = {}): SandboxMachine {
  return {
    isRoot: false,
    user: { uid: 1000, gid: 1000 },
    cgroups: CGROUPS,
    limits: { isThere: true, shell: '/bin/sh' },
    bwrap: { isThere: true, path: '/usr/bin/bwrap', setpriv: null, system: ['/usr', '/etc'] },
    docker: { isThere: true, engine: { path: '/usr/bin/docker', env: { DOCKER_HOST: 'unix:///engine' } } },
    ...changes,
  };
}

export function setup(
  policy: Partial<SandboxPolicy> = {},
  changes: Partial<SandboxMachine> = {},
): SandboxSetup {
  return { drone: 'd', policy: { ...POLICY, ...policy }, machine: machine(changes), runs: '/runs' };
}

export const ORDER: RunOrder = {
  run: 'r1',
  argv: ['convert', 'a b.jpg'],
  environment: { ASKED: 'yes' },
  inherited: { FROM_DRONE: 'secret' },
  folder: '/runs/r1/work',
  scratch: '/runs/r1/scratch',
};
