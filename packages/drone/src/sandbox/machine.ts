/**
 * What this machine can do, found out once when the Drone starts, by trying and not by looking for names: a bwrap that may not
 * make namespaces and a Docker engine that does not answer are as good as none. The answers are plain data, so that
 * they can be handed to slots' threads and processes.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { bwrapArgv } from './bwrap.ts';
import { type Cgroups, findCgroups } from './cgroups.ts';
import { type DockerEngine, probeArgv } from './docker.ts';

export type Found<T> = ({ readonly isThere: true } & T) | { readonly isThere: false; readonly why: string };

export interface SandboxMachine {
  readonly isRoot: boolean;
  /** Who runs in `bwrap` and `docker`: the Drone's own user, or nobody where the Drone is root. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** The cgroups that this Drone may make; null: none. */
  readonly cgroups: Cgroups | null;
  readonly limits: Found<{ readonly shell: string }>;
  readonly bwrap: Found<{
    readonly path: string;
    /** For a Drone of root: what makes nobody out of root, inside. */
    readonly setpriv: string | null;
    /** Folders of the system that are shown read-only. */
    readonly system: readonly string[];
  }>;
  readonly docker: Found<{ readonly engine: DockerEngine }>;
}

export interface Probe {
  /** Identity of this Drone, in names of cgroups and containers: letters and digits. */
  readonly drone: string;
  /** Looked up on; the Drone's own by default. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Tried with the first of these; without one, docker is not looked for. */
  readonly images: readonly string[];
}

export const SHELL = '/bin/sh';
const NOBODY = 65_534;
const PROBE_MILLIS = 30_000;
const SYSTEM_FOLDERS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'usr', 'etc', 'opt', 'nix', 'gnu'];

/** Takes some 50 ms, and a second more with an image. */
export function examineMachine({ drone, images, environment = process.env }: Probe): SandboxMachine {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  const isRoot = uid === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : { uid, gid };
  const why = 'it has no /bin/sh.';
  const limits = existsSync(SHELL)
    ? { isThere: true as const, shell: SHELL }
    : { isThere: false as const, why };
  return {
    isRoot,
    user,
    cgroups: findCgroups(drone),
    limits,
    bwrap: findBwrap(isRoot, environment),
    docker: findDocker(images, environment),
  };
}

function findBwrap(isRoot: boolean, environment: NodeJS.ProcessEnv): SandboxMachine['bwrap'] {
  const path = findProgram('bwrap', environment);
  if (path === null) {
    const how =
      process.platform === 'linux' ? 'install bubblewrap (apt-get install bubblewrap).' : 'it needs Linux.';
    return { isThere: false, why: `there is no bwrap; ${how}` };
  }
  const setpriv = isRoot ? findProgram('setpriv', environment) : null;
  if (isRoot && setpriv === null) {
    return { isThere: false, why: 'a Drone of root needs setpriv, too; install util-linux.' };
  }
  const system = SYSTEM_FOLDERS.map((name) => join('/', name)).filter((folder) => existsSync(folder));
  const argv = bwrapArgv({ path, setpriv, system, isRoot, network: false, mounts: [], tmpBytes: 4_096 });
  const [program = '', ...args] = [...argv, SHELL, '-c', ':'];
  const { status, stderr, error } = spawnSync(program, args, { timeout: PROBE_MILLIS, env: {}, cwd: '/' });
  if (status === 0) return { isThere: true, path, setpriv, system };
  const said = firstLine(error?.message ?? stderr.toString());
  return {
    isThere: false,
    why: `bwrap does not start here ("${said}"); allow user namespaces, or start the Drone as root.`,
  };
}

function findDocker(images: readonly string[], environment: NodeJS.ProcessEnv): SandboxMachine['docker'] {
  const [image] = images;
  if (image === undefined)
    return { isThere: false, why: 'no image is named; name one with --sandbox-image.' };
  const path = findProgram('docker', environment);
  if (path === null)
    return { isThere: false, why: 'there is no docker; install it (apt-get install docker.io).' };
  const env = Object.fromEntries(
    [
      'PATH',
      'HOME',
      'DOCKER_HOST',
      'DOCKER_CONTEXT',
      'DOCKER_CONFIG',
      'DOCKER_CERT_PATH',
      'DOCKER_TLS_VERIFY',
    ]
      .map((name) => [name, environment[name]] as const)
      .filter((entry): entry is readonly [string, string] => entry[1] !== undefined),
  );
  const engine: DockerEngine = { path, env };
  // A command that cannot be there: 127 from the container's own init says that everything else works.
  const [program = '', ...args] = probeArgv(engine, image);
  const { status, stderr, error } = spawnSync(program, args, { timeout: PROBE_MILLIS, env, cwd: '/' });
  const said = error?.message ?? stderr?.toString() ?? '';
  if (status === 127 && !said.includes('docker-init')) return { isThere: true, engine };
  return {
    isThere: false,
    why: `docker could not start the image "${image}" ("${firstLine(said)}"); see that the engine runs, that this user may use it, and that the image is there (docker pull).`,
  };
}

const firstLine = (text: string): string => text.trim().split('\n')[0]?.slice(0, 200) ?? '';

function findProgram(name: string, environment: NodeJS.ProcessEnv): string | null {
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not here.
    }
  }
  return null;
}
