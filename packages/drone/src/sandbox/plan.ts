/**
 * From what is to run to what is to be executed: a pure function, so that what each level does can be read and tested as
 * data. `run.ts` carries it out.
 *
 * It says nothing of how long a run lasts or what its standard streams are: a command of a millisecond with pipes and
 * a function's process that serves calls for days are the same here. File descriptors above 2 reach what runs in `none`,
 * `limits` and `bwrap`; a container has the standard three only.
 */
import { type SandboxLevel, UsageError } from '@hive/shared';
import { bwrapArgv, isUnder, type Mount } from './bwrap.ts';
import { type RunCgroups, runCgroups } from './cgroups.ts';
import { containerArgv, containerName, type DockerEngine } from './docker.ts';
import { containerEnvironment, type EnvironmentOrder, scrubbedEnvironment } from './environment.ts';
import { disguise, launchArgv, type Rlimits, splitEnvironment } from './launcher.ts';
import { type SandboxMachine, SHELL } from './machine.ts';
import type { SandboxPolicy, SandboxTerms } from './policy.ts';

export interface SandboxSetup {
  /** Identity of the Drone, in names of cgroups and containers: letters and digits. */
  readonly drone: string;
  readonly policy: SandboxPolicy;
  readonly machine: SandboxMachine;
  /** Where this Drone keeps the folders of its runs; of these, a run sees its own only. Absolute path. */
  readonly runs: string;
}

/** What is to run. All paths, the policy's too, are absolute, without links, and exist. */
export interface RunOrder {
  /** Names the run; letters, digits and dashes, and no other run of this Drone ever has it. */
  readonly run: string;
  /** The command; where it is empty, a command can be put behind the plan's `argv`. */
  readonly argv: readonly string[];
  /** Variables that the job asked for. */
  readonly environment: Readonly<Record<string, string>>;
  /** Nothing but those, and TMPDIR. */
  readonly isExact?: boolean;
  /** What `none` has besides: the Drone's own variables, or as many of them as the caller wants to hand on. */
  readonly inherited: Readonly<Record<string, string>>;
  /** Its working folder, which it may write. */
  readonly folder: string;
  /** A folder of the Drone for this run alone, beside `folder` and not in it; TMPDIR will be in there. */
  readonly scratch: string;
}

export interface RunPlan {
  /** To be executed in a process group of its own, with `cwd` and nothing but `env`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly handle: RunHandle;
  /** To be written before, readable by the Drone only. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Who must own `folder` and TMPDIR; null: the Drone's user, as it is. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/** What it takes to end a run and all that belongs to it. Plain data: another thread or process can do it too. */
export interface RunHandle {
  readonly level: SandboxLevel;
  readonly folder: string;
  readonly scratch: string;
  readonly tmp: string;
  readonly cgroups: RunCgroups | null;
  readonly container: { readonly engine: DockerEngine; readonly name: string } | null;
  readonly diskBytes: number | null;
}

const TMP_BYTES = 64 * 1024 * 1024;
/** Lines of an environment file that docker reads are shorter. */
const LINE_MAX = 32_768;

/** @throws UsageError when the folder is one that nothing may run in */
export function planRun(setup: SandboxSetup, terms: SandboxTerms, order: RunOrder): RunPlan {
  checkFolder(setup, terms.level, order.folder);
  switch (terms.level) {
    case 'none':
      return planNone(order);
    case 'limits':
      return planLimits(setup, terms, order);
    case 'bwrap':
      return planBwrap(setup, terms, order);
    case 'docker':
      return planDocker(setup, terms, order);
  }
}

function planNone(order: RunOrder): RunPlan {
  const env = { ...order.inherited, ...order.environment, TMPDIR: tmpOf(order) };
  const handle = { ...handleOf(order, null), level: 'none' as const };
  return { argv: order.argv, env, cwd: order.folder, handle, files: [], owner: null };
}

function planLimits({ machine }: SandboxSetup, terms: SandboxTerms, order: RunOrder): RunPlan {
  const cgroups = cgroupsFor(machine, terms, order);
  const { plain, odd } = splitEnvironment(environmentFor(order));
  const steps = {
    shell: SHELL,
    folder: null,
    cgroups: filesToEnter(cgroups),
    rlimits: rlimitsFor(machine, terms),
    renamed: [],
    odd,
  };
  const handle = { ...handleOf(order, terms), level: terms.level, cgroups };
  return {
    argv: launchArgv(steps, order.argv),
    env: plain,
    cwd: order.folder,
    handle,
    files: [],
    owner: null,
  };
}

function planBwrap(setup: SandboxSetup, terms: SandboxTerms, order: RunOrder): RunPlan {
  const { machine } = setup;
  const { bwrap, isRoot, user } = machine;
  if (!bwrap.isThere) throw new UsageError(`This machine cannot run the sandbox bwrap: ${bwrap.why}`);
  const cgroups = cgroupsFor(machine, terms, order);
  const { plain, odd } = splitEnvironment(environmentFor(order));
  const { network, limits } = terms;
  const tmpBytes = Math.min(TMP_BYTES, limits.diskBytes ?? TMP_BYTES, limits.memoryBytes ?? TMP_BYTES);
  const mounts = mountsFor(setup, order, bwrap.system);
  const box = bwrapArgv({ ...bwrap, isRoot, network, mounts, tmpBytes });
  // Inside of its user namespace, a user's processes are counted from one on: rlimits belong there.
  const inside = {
    shell: SHELL,
    // Not bwrap's --chdir: its root has no right to enter a folder that is nobody's.
    folder: order.folder,
    cgroups: [],
    rlimits: rlimitsFor(machine, terms),
    renamed: Object.keys(plain),
    odd,
  };
  const outside = {
    shell: SHELL,
    folder: null,
    cgroups: filesToEnter(cgroups),
    rlimits: {},
    renamed: [],
    odd: {},
  };
  const handle = { ...handleOf(order, terms), level: terms.level, cgroups };
  return {
    argv: launchArgv(outside, [...box, ...launchArgv(inside, order.argv)]),
    env: disguise(plain),
    cwd: '/',
    handle,
    files: [],
    owner: isRoot ? user : null,
  };
}

function planDocker(setup: SandboxSetup, terms: SandboxTerms, order: RunOrder): RunPlan {
  const { drone, machine } = setup;
  const { docker, user, isRoot } = machine;
  if (!docker.isThere) throw new UsageError(`This machine cannot run the sandbox docker: ${docker.why}`);
  const { engine } = docker;
  const environment = containerEnvironment(variablesOf(order));
  const { plain, odd } = splitEnvironment(environment);
  const isLine = (text: string): boolean => text.length < LINE_MAX && !/[\r\n]/.test(text);
  const entries = Object.entries(plain);
  const lines = entries.filter(([, value]) => isLine(value)).map(([name, value]) => `${name}=${value}\n`);
  const others = Object.fromEntries(entries.filter(([, value]) => !isLine(value)));
  const environmentFile = `${order.scratch}/environment`;
  const { network, limits, image } = terms;
  const name = containerName(drone, order.run);
  const tmpBytes = Math.min(TMP_BYTES, limits.diskBytes ?? TMP_BYTES);
  const argv = containerArgv(engine, {
    ...{ name, drone, image: image ?? '', user, network, limits, tmpBytes, environmentFile },
    ...{ folder: order.folder, mounts: mountsFor(setup, order, []), environment: { ...others, ...odd } },
  });
  return {
    argv: [...argv, ...order.argv],
    env: engine.env,
    cwd: order.scratch,
    handle: { ...handleOf(order, terms), level: terms.level, container: { engine, name } },
    files: [{ path: environmentFile, text: lines.join('') }],
    owner: isRoot ? user : null,
  };
}

function handleOf(order: RunOrder, terms: SandboxTerms | null): Omit<RunHandle, 'level'> {
  const { folder, scratch } = order;
  const diskBytes = terms?.limits.diskBytes ?? null;
  return { folder, scratch, tmp: tmpOf(order), cgroups: null, container: null, diskBytes };
}

const tmpOf = ({ scratch }: RunOrder): string => `${scratch}/tmp`;

const variablesOf = (order: RunOrder): EnvironmentOrder => ({
  ...{ asked: order.environment, isExact: order.isExact ?? false },
  ...{ folder: order.folder, tmp: tmpOf(order) },
});
const environmentFor = (order: RunOrder): Record<string, string> => scrubbedEnvironment(variablesOf(order));

function cgroupsFor(
  { cgroups }: SandboxMachine,
  { limits }: SandboxTerms,
  { run }: RunOrder,
): RunCgroups | null {
  return cgroups === null ? null : runCgroups(cgroups, run, limits);
}
const filesToEnter = (cgroups: RunCgroups | null): string[] =>
  cgroups?.folders.map((folder) => `${folder}/cgroup.procs`) ?? [];

/** Where cgroups count memory and processes of the whole run, rlimits would only be in the way of single ones. */
function rlimitsFor({ cgroups }: SandboxMachine, { limits }: SandboxTerms): Rlimits {
  const { cpuSeconds, openFiles, fileBytes, memoryBytes, processes } = limits;
  const counted = cgroups === null ? { addressBytes: memoryBytes, processes } : {};
  return { core: 0, cpuSeconds, openFiles, fileBytes, ...counted };
}

/** The run's folders; over the rest of what they and `shown` hold, nothing of what is hidden. */
function mountsFor({ policy, runs }: SandboxSetup, order: RunOrder, shown: readonly string[]): Mount[] {
  const own = [order.folder, tmpOf(order)];
  const all = [...shown, ...policy.readable, ...own];
  const hidden = [...policy.hidden, runs].filter((path) => isUnder(path, all) && !own.includes(path));
  return [
    ...policy.readable.map((path) => ({ path, how: 'read' as const })),
    ...own.map((path) => ({ path, how: 'write' as const })),
    ...hidden.map((path) => ({ path, how: 'hide' as const })),
  ];
}

/** The working folder may be a client's choice. A whole file system that can be written would be no sandbox. */
function checkFolder({ policy, runs }: SandboxSetup, level: SandboxLevel, folder: string): void {
  if (level === 'none' || level === 'limits') return;
  const isSecret = isUnder(folder, policy.hidden) && !isUnder(folder, [runs]);
  if (folder !== '/' && !isSecret && !SYSTEM.includes(folder)) return;
  throw new UsageError(
    `Nothing runs in ${folder} in the sandbox ${level}; choose another working folder.`,
    'sandboxRefused',
  );
}
const SYSTEM = ['bin', 'boot', 'dev', 'etc', 'lib', 'proc', 'run', 'sys', 'usr', 'var', 'sbin', 'tmp'].map(
  (name) => `/${name}`,
);
