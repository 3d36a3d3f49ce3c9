/**
 * A few lines of shell that go before a command: into its cgroups, under its rlimits, with its own variables. The shell
 * replaces itself by the command, so the process that was started is the command, with the same id and open files.
 *
 * /bin/sh and not prlimit (util-linux), because it is everywhere and starts twice as fast; what it cannot set ends the run
 * with 125 before the command began: nothing ever runs with less than was promised.
 */

/** Exit code of a launcher that could not do its part; `docker run` ends with the same one then. */
export const LAUNCH_FAILED = 125;

export interface Steps {
  readonly shell: string;
  /** To change to; null: it starts there. */
  readonly folder: string | null;
  /** `cgroup.procs` files to enter. */
  readonly cgroups: readonly string[];
  readonly rlimits: Rlimits;
  /** Variables that come as `HIVE_ENV_x` and are `x` from here on. */
  readonly renamed: readonly string[];
  /** Variables whose names a shell does not keep. */
  readonly odd: Readonly<Record<string, string>>;
}

/** In bytes, seconds and numbers; absent means unlimited. */
export interface Rlimits {
  readonly addressBytes?: number | undefined;
  readonly cpuSeconds?: number | undefined;
  readonly processes?: number | undefined;
  readonly openFiles?: number | undefined;
  readonly fileBytes?: number | undefined;
  /** Core dumps can fill a disk. */
  readonly core?: 0;
}

const PREFIX = 'HIVE_ENV_';
/** POSIX counts `ulimit -f` in these. */
const FILE_BLOCK_BYTES = 512;

/** What to execute so that `argv` runs after these steps. */
export function launchArgv(steps: Steps, argv: readonly string[]): string[] {
  const lines = [
    ...steps.cgroups.map((file) => `echo 0 >${quote(file)} || exit ${LAUNCH_FAILED}`),
    ...(steps.folder === null
      ? []
      : [`cd -- ${quote(steps.folder)} || exit ${LAUNCH_FAILED}; unset PWD OLDPWD`]),
    ...rlimitLines(steps.rlimits),
    ...steps.renamed.map((name) => `export ${name}="$${PREFIX}${name}"; unset ${PREFIX}${name}`),
  ];
  const odd = Object.entries(steps.odd).map(([name, value]) => `${name}=${value}`);
  const command = odd.length > 0 ? ['/usr/bin/env', ...odd, ...argv] : argv;
  if (lines.length === 0) return [...command];
  return [steps.shell, '-c', `${lines.join('\n')}\nexec "$@"`, 'hive', ...command];
}

function rlimitLines(rlimits: Rlimits): string[] {
  const { addressBytes, cpuSeconds, processes, openFiles, fileBytes, core } = rlimits;
  const or = `|| exit ${LAUNCH_FAILED}`;
  return [
    ...(core === undefined ? [] : ['ulimit -c 0']),
    ...(addressBytes === undefined ? [] : [`ulimit -v ${Math.ceil(addressBytes / 1024)} ${or}`]),
    ...(cpuSeconds === undefined ? [] : [`ulimit -t ${cpuSeconds} ${or}`]),
    ...(fileBytes === undefined ? [] : [`ulimit -f ${Math.floor(fileBytes / FILE_BLOCK_BYTES)} ${or}`]),
    ...(openFiles === undefined ? [] : [`ulimit -n ${openFiles} ${or}`]),
    // bash says -u, dash and busybox say -p.
    ...(processes === undefined
      ? []
      : [`ulimit -u ${processes} 2>/dev/null || ulimit -p ${processes} ${or}`]),
  ];
}

/** Names that shells keep for themselves. */
const KEPT = new Set(['PPID', 'UID', 'EUID', 'SHELLOPTS', 'BASHOPTS', 'BASH_VERSINFO', '_']);
const isPlain = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !KEPT.has(name);

export interface SplitEnvironment {
  readonly plain: Readonly<Record<string, string>>;
  /** A shell drops these, such as bash's exported functions; `env` brings them back. */
  readonly odd: Readonly<Record<string, string>>;
}

export function splitEnvironment(environment: Readonly<Record<string, string>>): SplitEnvironment {
  const entries = Object.entries(environment);
  return {
    plain: Object.fromEntries(entries.filter(([name]) => isPlain(name))),
    odd: Object.fromEntries(entries.filter(([name]) => !isPlain(name))),
  };
}

/**
 * The variables under names that mean nothing to what runs outside of the sandbox: LD_PRELOAD of a job must not reach bwrap.
 * They do not stand in argv either, which every user of the machine can read.
 */
export function disguise(plain: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(plain).map(([name, value]) => [PREFIX + name, value]));
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
