/** What all commands of a run share, as the params of one job of the kind `command` (docs/PROTOCOL.md has the table). */
import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { UsageError } from '@hive/shared';
import type { ExecuteOptions } from '../command-task.ts';

/** All of what a command prints is kept, as far as the Drone's disk goes; this is the most that can be asked for. */
const KEEP_BYTES_MAX = 2 ** 32 - 1;

type Params = { readonly [name: string]: string | number | boolean | Variables };
type Variables = Readonly<Record<string, string>>;

/**
 * @param isOwnHost whether they run where the person could have run them himself. In a sandbox they have the folder even so,
 * but of the person's variables no more than they would have elsewhere: secrets may stand in others.
 */
export function paramsOf(options: ExecuteOptions, isOwnHost: boolean): Params {
  const { shell, cwd, env, timeoutMillis, sandbox } = options;
  const isOpen = isOwnHost && sandbox === null;
  return {
    shell: pathOf(shell, env['PATH'] ?? ''),
    ...(isOwnHost ? { cwd } : {}),
    ...(isOpen ? { env, exactEnv: true } : { env: carried(options) }),
    exitCodes: 'any',
    keepStdout: KEEP_BYTES_MAX,
    keepStderr: KEEP_BYTES_MAX,
    head: true,
    ...(options.cleanup ? { cleanup: true } : {}),
    ...(timeoutMillis === null ? {} : { timeoutMillis }),
  };
}

/** Variables that were asked for by name and are set; `_` stands for all. */
function carried({ carriedEnv, env }: ExecuteOptions): Variables {
  if (carriedEnv.includes('_')) return env;
  return Object.fromEntries(
    carriedEnv.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}

/** @throws UsageError */
function pathOf(shell: string, path: string): string {
  if (isAbsolute(shell)) return shell;
  for (const folder of path.split(':').filter(isAbsolute)) {
    const file = join(folder, shell);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next one may have it.
    }
  }
  throw new UsageError(`There is no shell "${shell}" in your PATH: set PARALLEL_SHELL to another one.`);
}
