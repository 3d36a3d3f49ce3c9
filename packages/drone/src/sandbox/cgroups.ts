/**
 * Control groups, where this Drone may make them: as root, or under a cgroup that was delegated to its user. They count what
 * rlimits cannot: memory and processes of a run all together. And whatever a run starts stays in its
 * cgroup, however it detaches, so they end a run for good.
 *
 * Both versions, and machines that have both at once (memory under version 1, ending under version 2). A Drone has a
 * cgroup `hive-ID` below its own one, and each run has one below that.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import type { SandboxLimits } from '@hive/shared';

/** The Drone's own cgroup in each hierarchy. The same folder where version 2 does it all. */
export interface Cgroups {
  readonly memory: CgroupFolder;
  readonly processes: CgroupFolder;
  readonly cpu: CgroupFolder | null;
  /** Version 2, for `cgroup.kill`; null on machines that have version 1 only. */
  readonly kill: string | null;
}
export interface CgroupFolder {
  readonly path: string;
  readonly version: 1 | 2;
}

/** A run's cgroups, as data. */
export interface RunCgroups {
  /** All of its folders, once each. */
  readonly folders: readonly string[];
  readonly memory: CgroupFolder;
  readonly processes: CgroupFolder;
  readonly kill: string | null;
  /** What is written into them before anything enters: file and text. */
  readonly settings: readonly (readonly [file: string, text: string, isOptional: boolean])[];
}

interface Hierarchy {
  /** The cgroup of this process, as a folder. */
  readonly folder: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
}

/** The Drone's cgroups, made; null where it may not make any. `root` is `/` but in tests. */
export function findCgroups(drone: string, root = '/', pid: number = process.pid): Cgroups | null {
  const hierarchies = readHierarchies(root);
  const made = new Map<Hierarchy, string>();
  const folderFor = (controller: string): CgroupFolder | null => {
    const hierarchy = hierarchies.find(({ controllers }) => controllers.includes(controller));
    if (hierarchy === undefined) return null;
    const path = made.get(hierarchy) ?? makeOwn(hierarchy, drone, pid);
    if (path === null || !hasController(hierarchy, path, controller)) return null;
    made.set(hierarchy, path);
    return { path, version: hierarchy.version };
  };
  const memory = folderFor('memory');
  const processes = folderFor('pids');
  if (memory === null || processes === null) {
    for (const path of made.values()) removeFolder(path);
    return null;
  }
  const cpu = folderFor('cpu');
  const second = hierarchies.find(({ version }) => version === 2);
  const kill = second === undefined ? null : (made.get(second) ?? makeOwn(second, drone, pid));
  const canKill = kill !== null && existsSync(join(kill, 'cgroup.kill'));
  return { memory, processes, cpu, kill: canKill ? kill : null };
}

/** What a run needs, to be made by `enterCgroups`. Pure. */
export function runCgroups(cgroups: Cgroups, run: string, limits: SandboxLimits): RunCgroups {
  const of = ({ path, version }: CgroupFolder): CgroupFolder => ({ path: join(path, run), version });
  const memory = of(cgroups.memory);
  const processes = of(cgroups.processes);
  const cpu = cgroups.cpu === null ? null : of(cgroups.cpu);
  const kill = cgroups.kill === null ? null : join(cgroups.kill, run);
  const folders = [
    memory.path,
    processes.path,
    ...(limits.cpus === undefined || cpu === null ? [] : [cpu.path]),
  ];
  return {
    folders: [...new Set(kill === null ? folders : [...folders, kill])],
    memory,
    processes,
    kill,
    settings: [
      ...(limits.memoryBytes === undefined ? [] : memorySettings(memory, limits.memoryBytes)),
      ...(limits.processes === undefined
        ? []
        : [[join(processes.path, 'pids.max'), String(limits.processes), false] as const]),
      ...(limits.cpus === undefined || cpu === null ? [] : cpuSettings(cpu, limits.cpus)),
    ],
  };
}

function memorySettings({ path, version }: CgroupFolder, bytes: number): RunCgroups['settings'] {
  const text = String(bytes);
  if (version === 1) {
    return [
      [join(path, 'memory.limit_in_bytes'), text, false],
      [join(path, 'memory.memsw.limit_in_bytes'), text, true],
    ];
  }
  return [
    [join(path, 'memory.max'), text, false],
    [join(path, 'memory.swap.max'), '0', true],
    // A run that lost one of its processes has failed; the rest would wait for it.
    [join(path, 'memory.oom.group'), '1', true],
  ];
}

const CPU_PERIOD_MICROS = 100_000;

function cpuSettings({ path, version }: CgroupFolder, cpus: number): RunCgroups['settings'] {
  const quota = String(Math.max(1_000, Math.round(cpus * CPU_PERIOD_MICROS)));
  return version === 2
    ? [[join(path, 'cpu.max'), `${quota} ${CPU_PERIOD_MICROS}`, false]]
    : [
        [join(path, 'cpu.cfs_period_us'), String(CPU_PERIOD_MICROS), false],
        [join(path, 'cpu.cfs_quota_us'), quota, false],
      ];
}

/** Makes a run's cgroups, before it enters them. @throws when the kernel refuses */
export function makeRunCgroups({ folders, settings }: RunCgroups): void {
  for (const folder of folders) mkdirSync(folder);
  for (const [file, text, isOptional] of settings) {
    try {
      writeFileSync(file, text);
    } catch (error) {
      if (!isOptional) throw error;
    }
  }
}

/** Processes in it, by the host's ids. */
export function members({ folders }: RunCgroups): number[] {
  return folders.length === 0 ? [] : readMembers(folders[0]!);
}

/** Kills all that is in it at once; where the kernel has no word for that, it may take several calls. */
export function killMembers(cgroups: RunCgroups): void {
  if (cgroups.kill !== null) {
    writeIfThere(join(cgroups.kill, 'cgroup.kill'), '1');
    return;
  }
  // A fork bomb is faster than a loop; it cannot fork any more from here on.
  writeIfThere(join(cgroups.processes.path, 'pids.max'), '0');
  for (const pid of members(cgroups)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
}

/** Whether the kernel ended something of this run for want of memory, or refused it a process. */
export function cgroupVerdict({ memory, processes }: RunCgroups): 'memory' | 'processes' | null {
  const file = memory.version === 2 ? 'memory.events' : 'memory.oom_control';
  if (countIn(join(memory.path, file), 'oom_kill') > 0) return 'memory';
  return countIn(join(processes.path, 'pids.events'), 'max') > 0 ? 'processes' : null;
}

/** Removes a run's cgroups. False: something is still in them. */
export function removeRunCgroups({ folders }: RunCgroups): boolean {
  return folders.map((folder) => removeFolder(folder)).every((isGone) => isGone);
}

/** The Drone's own ones, when it stops. */
export function removeCgroups(cgroups: Cgroups): void {
  for (const path of cgroupPaths(cgroups)) removeFolder(path);
}
export function cgroupPaths({ memory, processes, cpu, kill }: Cgroups): string[] {
  const all = [memory.path, processes.path, cpu?.path, kill].filter((path) => typeof path === 'string');
  return [...new Set(all)];
}

function removeFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function readMembers(folder: string): number[] {
  return readIfThere(join(folder, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
}

function countIn(file: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(readIfThere(file))?.[1] ?? 0);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function writeIfThere(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch {
    // The run has ended and its cgroup with it.
  }
}

/** Of /proc/self: `4:memory:/path`, and where each hierarchy is mounted. */
function readHierarchies(root: string): Hierarchy[] {
  const own = readIfThere(join(root, 'proc/self/cgroup')).split('\n').filter(Boolean);
  const mounts = readIfThere(join(root, 'proc/self/mountinfo'))
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line));
  return own.flatMap((line) => {
    const [, number = '', names = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    const version = number === '0' ? 2 : 1;
    const controllers = names.split(',');
    const mount = mounts.map(readMount).find((each) => each.version === version && each.has(controllers));
    if (mount === undefined) return [];
    const folder = join(root, mount.point, relative(mount.root, path));
    const offered = readIfThere(join(folder, 'cgroup.controllers')).split(/\s+/);
    return [{ folder, version, controllers: version === 1 ? controllers : offered }];
  });
}

/** `36 25 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory` */
function readMount(line: string): {
  readonly root: string;
  readonly point: string;
  readonly version: 1 | 2;
  readonly has: (controllers: readonly string[]) => boolean;
} {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root = '/', point = ''] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  const version = type === 'cgroup2' ? 2 : 1;
  const offered = options.split(',');
  return {
    root,
    point,
    version,
    has: (names) => version === 2 || names.every((name) => offered.includes(name)),
  };
}

function makeOwn({ folder, version, controllers }: Hierarchy, drone: string, pid: number): string | null {
  const path = join(folder, `hive-${drone}`);
  try {
    accessSync(folder, constants.W_OK);
    if (version === 2) handDown(folder, controllers, drone, pid);
    if (!existsSync(path)) mkdirSync(path);
    if (version === 2) handDown(path, controllers, drone, pid);
    return path;
  } catch {
    return null;
  }
}

/**
 * Lets the cgroups below `folder` use its controllers. Version 2 allows that only where no process is in `folder` itself, so the
 * Drone moves into a cgroup of its own first; where others are in there as well, it moves back, and there are no cgroups.
 */
function handDown(folder: string, controllers: readonly string[], drone: string, pid: number): void {
  const wanted = ['memory', 'pids', 'cpu'].filter((name) => controllers.includes(name));
  const control = join(folder, 'cgroup.subtree_control');
  const missing = wanted.filter((name) => !readIfThere(control).split(/\s+/).includes(name));
  if (missing.length === 0) return;
  const text = missing.map((name) => `+${name}`).join(' ');
  try {
    writeFileSync(control, text);
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
  const leaf = join(folder, `hive-${drone}-self`);
  if (!existsSync(leaf)) mkdirSync(leaf);
  writeFileSync(join(leaf, 'cgroup.procs'), String(pid));
  try {
    writeFileSync(control, text);
  } catch (error) {
    writeFileSync(join(folder, 'cgroup.procs'), String(pid));
    rmdirSync(leaf);
    throw error;
  }
}

function hasController({ version }: Hierarchy, path: string, controller: string): boolean {
  if (version === 1) return true;
  return readIfThere(join(path, 'cgroup.controllers')).split(/\s+/).includes(controller);
}
