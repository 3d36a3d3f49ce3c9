/**
 * How bubblewrap is called: a list of what is shown, and nothing else. The system's folders are read-only; homes, data folders,
 * sockets under /run and other runs do not exist inside. The root itself, /dev and all mount points are read-only too, so that
 * only the run's own folders and two small file systems in memory can be written.
 *
 * The process that is started stays outside as bwrap; inside, a second bwrap is process 1, and the command is its child.
 * The first one's end is the end of all, by --die-with-parent. The command is not process 1 (--as-pid-1), because
 * the kernel keeps signals from that one that it does not handle: SIGTERM would do nothing.
 */
import { dirname, join, sep } from 'node:path';

export interface Mount {
  readonly path: string;
  readonly how: 'write' | 'read' | 'hide';
}

export interface BwrapOptions {
  readonly path: string;
  readonly setpriv: string | null;
  readonly system: readonly string[];
  readonly isRoot: boolean;
  readonly network: boolean;
  readonly mounts: readonly Mount[];
  /** Of /tmp and of /dev/shm, each. */
  readonly tmpBytes: number;
}

export const TMP = join(sep, 'tmp');
const NOBODY = '65534';
/** What names are looked up with, where /etc/resolv.conf is a link to it. */
const RESOLVERS = ['/run/systemd/resolve', '/run/resolvconf', '/run/NetworkManager'];

/** The command follows. */
export function bwrapArgv(options: BwrapOptions): string[] {
  const { path, system, isRoot, network, mounts, tmpBytes } = options;
  return [
    path,
    // Of root no user namespace is needed, and its nobody is a real one, who may not read what only root may.
    ...(isRoot
      ? [
          '--cap-drop',
          'ALL',
          ...['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`]),
        ]
      : ['--unshare-user']),
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(network ? [] : ['--unshare-net']),
    '--die-with-parent',
    // Without a terminal nothing can be typed into it.
    '--new-session',
    ...system.flatMap((folder) => ['--ro-bind', folder, folder]),
    ...(network ? RESOLVERS.flatMap((folder) => ['--ro-bind-try', folder, folder]) : []),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--perms', '1777', '--size', String(tmpBytes), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...['--perms', '1777', '--size', String(tmpBytes), '--tmpfs', TMP],
    ...mountArguments(mounts, system),
    ...['--remount-ro', '/'],
    '--',
    ...(isRoot ? nobody(options.setpriv) : []),
  ];
}

function nobody(setpriv: string | null): string[] {
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  return [setpriv ?? 'setpriv', ...ids, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--'];
}

/** Outer ones first, so that an inner one is not covered. */
function mountArguments(mounts: readonly Mount[], system: readonly string[]): string[] {
  const sorted = [...mounts].sort((one, other) => one.path.length - other.path.length);
  const made = new Set<string>();
  return sorted.flatMap(({ path, how }) => {
    const above = ancestors(path).filter((folder) => !made.has(folder) && !isUnder(folder, system));
    for (const folder of above) made.add(folder);
    const bind =
      how === 'hide' ? hideArguments(path) : [how === 'write' ? '--bind' : '--ro-bind', path, path];
    return [...above.flatMap((folder) => ['--perms', '0755', '--dir', folder]), ...bind];
  });
}

const hideArguments = (path: string): string[] => ['--tmpfs', path, '--remount-ro', path];

function ancestors(path: string): string[] {
  const above: string[] = [];
  for (let folder = dirname(path); folder !== sep && folder !== TMP; folder = dirname(folder))
    above.unshift(folder);
  return above;
}

/** Whether `path` is one of `folders` or lies under one. */
export function isUnder(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(folder === sep ? sep : folder + sep));
}
