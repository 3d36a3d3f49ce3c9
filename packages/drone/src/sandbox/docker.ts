/**
 * How Docker is called: one container for each run, removed when it ends. No network, a read-only root, the run's own folders
 * mounted where they are on the host, no capabilities, the Drone's own user (nobody, for root).
 *
 * A container outlives the `docker run` that started it, so it carries a name for whoever ends the run and a label of
 * its Drone for whoever cleans up after that.
 */
import type { SandboxLimits } from '@hive/shared';
import type { Mount } from './bwrap.ts';

export interface DockerEngine {
  readonly path: string;
  /** Of the `docker` command: PATH, HOME and how the engine is reached. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ContainerOptions {
  readonly name: string;
  readonly drone: string;
  readonly image: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly network: boolean;
  readonly limits: SandboxLimits;
  readonly mounts: readonly Mount[];
  readonly folder: string;
  /** Of /tmp and of /dev/shm, each. */
  readonly tmpBytes: number;
  /** One variable a line. */
  readonly environmentFile: string | null;
  /** Variables with line breaks in them, which a file cannot hold. */
  readonly environment: Readonly<Record<string, string>>;
}

export const LABEL = 'hive.drone';
export const containerName = (drone: string, run: string): string => `hive-${drone}-${run}`;

/** The command follows. */
export function containerArgv({ path }: DockerEngine, options: ContainerOptions): string[] {
  const { name, drone, image, user, network, limits, mounts, folder, tmpBytes } = options;
  return [
    ...[path, 'run', '--rm', '--interactive', '--init', '--pull', 'never', '--name', name],
    ...['--label', `${LABEL}=${drone}`, '--log-driver', 'none'],
    ...(network ? [] : ['--network', 'none']),
    ...['--read-only', '--tmpfs', `/tmp:rw,nosuid,nodev,exec,mode=1777,size=${tmpBytes}`],
    ...['--shm-size', String(tmpBytes)],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
    ...['--user', `${user.uid}:${user.gid}`, '--workdir', folder],
    ...mounts.flatMap(mountArguments),
    ...limitArguments(limits),
    ...(options.environmentFile === null ? [] : ['--env-file', options.environmentFile]),
    ...Object.entries(options.environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['--entrypoint', '', image],
  ];
}

function mountArguments({ path, how }: Mount): string[] {
  if (how === 'hide') return ['--mount', csv(['type=tmpfs', `destination=${path}`, 'tmpfs-size=4096'])];
  const fields = ['type=bind', `source=${path}`, `destination=${path}`];
  return ['--mount', csv(how === 'read' ? [...fields, 'readonly'] : fields)];
}

/** Docker reads a mount as a line of CSV; a folder's name may have a comma or a quote. */
const csv = (fields: readonly string[]): string =>
  fields.map((field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');

function limitArguments(limits: SandboxLimits): string[] {
  const { memoryBytes, cpus, cpuSeconds, processes, openFiles, fileBytes } = limits;
  const memory = String(memoryBytes);
  return [
    ...['--ulimit', 'core=0'],
    // Without --memory-swap a container may swap as much again.
    ...(memoryBytes === undefined ? [] : ['--memory', memory, '--memory-swap', memory]),
    ...(cpus === undefined ? [] : ['--cpus', String(cpus)]),
    // Docker's own init is one of them.
    ...(processes === undefined ? [] : ['--pids-limit', String(processes + 1)]),
    ...(cpuSeconds === undefined ? [] : ['--ulimit', `cpu=${cpuSeconds}`]),
    ...(openFiles === undefined ? [] : ['--ulimit', `nofile=${openFiles}`]),
    ...(fileBytes === undefined ? [] : ['--ulimit', `fsize=${fileBytes}`]),
  ];
}

/** Starts a container like any run's, with a command that no image has: 127 says that all but the command was fine. */
export function probeArgv(engine: DockerEngine, image: string): string[] {
  const options = ['--network', 'none', '--read-only', '--cap-drop', 'ALL', '--entrypoint', ''];
  return [engine.path, 'run', '--rm', '--init', '--pull', 'never', ...options, image, '/hive-is-not-in-here'];
}

/** Removes a container and ends what runs in it. */
export const removeArgv = ({ path }: DockerEngine, name: string): string[] => [path, 'rm', '--force', name];
/** Lists the containers of a Drone, ended ones too. */
export const listArgv = ({ path }: DockerEngine, drone: string): string[] => [
  ...[path, 'ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${LABEL}=${drone}`],
];
