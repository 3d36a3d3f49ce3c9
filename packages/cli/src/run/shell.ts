/** Which shell reads the commands: as GNU parallel chooses it, because quoting and syntax depend on it. */
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { type SandboxWish, UsageError } from '@hive/shared';

const DEFAULT = '/bin/sh';
/** Shells that read what is quoted for sh. */
const KNOWN = ['ash', 'bash', 'busybox', 'dash', 'fish', 'ksh', 'ksh93', 'mksh', 'posh', 'sh', 'yash', 'zsh'];
/** Shells that do not. */
const OTHER = ['csh', 'rc', 'tcsh'];

/**
 * $PARALLEL_SHELL, or the shell that this was started from, or $SHELL, or /bin/sh.
 * @throws UsageError for a shell that quotes in another way
 */
export function chooseShell(env: NodeJS.ProcessEnv, parentPid: number): string {
  const shell = env['PARALLEL_SHELL'] || parentShell(parentPid) || env['SHELL'] || DEFAULT;
  if (!OTHER.includes(basename(shell))) return shell;
  throw new UsageError(
    `${shell} quotes in another way than sh, which is not supported: set PARALLEL_SHELL=${DEFAULT}.`,
    'notSupported',
  );
}

/** In a container there are the programs of its image, and a shell at this path in nearly all of them. */
export function shellFor(sandbox: SandboxWish | null, env: NodeJS.ProcessEnv, parentPid: number): string {
  return chooseShell(sandbox?.level === 'docker' ? { PARALLEL_SHELL: DEFAULT, ...env } : env, parentPid);
}

/** Null where it cannot be found out, or where it is no shell. */
function parentShell(pid: number): string | null {
  try {
    const program = readlinkSync(`/proc/${pid}/exe`);
    // One program may be several shells (busybox); its name says which one.
    const name = basename(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).replace(/^-/, '');
    return KNOWN.includes(basename(program)) && KNOWN.includes(name) ? program : null;
  } catch {
    return null;
  }
}
