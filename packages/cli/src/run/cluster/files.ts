/**
 * The files of `--transferfile`, `--basefile` and `--return`: which file here is which one in a command's folder, by GNU parallel's
 * rules. A relative path is the same in both; of one with `/./` in it, what stands behind that is. Unlike there, nothing lies
 * outside of a command's folder on a Drone: an absolute path without `/./` is refused, and so is one with `..`.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { type LocalFile, localFiles, type SentPath } from '@hive/client';
import { pathProblem, UsageError } from '@hive/shared';
import type { CommandTask } from '../command-task.ts';

/** What comes back as `path` lies in `folder`, here. */
export interface ReturnPath {
  readonly path: string;
  readonly folder: string;
}

/** @throws UsageError for a path that cannot be one in a folder of a Drone */
export function sentPath(option: string, path: string | Uint8Array, cwd: string): SentPath {
  const text = textOf(option, path);
  return { from: resolve(cwd, text), to: splitPath(option, text).path };
}

/** @throws UsageError likewise */
export function returnPath(path: string | Uint8Array, cwd: string): ReturnPath {
  const { folder, path: own } = splitPath('--return', textOf('--return', path));
  return { path: own, folder: resolve(cwd, folder) };
}

/** What stands before the last `/./`, and behind it. */
function splitPath(option: string, text: string): { readonly folder: string; readonly path: string } {
  const at = text.lastIndexOf('/./');
  const folder = at < 0 ? '' : text.slice(0, at + 1);
  const given = at < 0 ? text : text.slice(at + 3);
  const path = given
    .split('/')
    .filter((part, n) => (part !== '' || n === 0) && part !== '.')
    .join('/');
  const wrong = pathProblem(path);
  if (wrong === null) return { folder, path };
  if (isAbsolute(given))
    throw new UsageError(
      `${option} ${text}: an absolute path is not the same on a Drone. Write /./ where the part begins that its command is to find in its folder, such as ${join('/', ...text.split('/').slice(0, -1), '.')}/./${text.split('/').at(-1)}.`,
      'badPath',
    );
  throw new UsageError(
    `${option} ${text}: the path ${wrong}, so it does not lie in the folder of a command.`,
    'badPath',
  );
}

function textOf(option: string, path: string | Uint8Array): string {
  if (typeof path === 'string') return path;
  throw new UsageError(
    `${option} ${Buffer.from(path).toString('latin1')}: the name of a file that travels must be UTF-8.`,
    'badPath',
  );
}

/** What a command takes along. A file that is not there is left out, and told of, as GNU parallel does it. */
export async function transferredFiles(
  { transfer }: CommandTask,
  cwd: string,
  say: (text: string) => void,
): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  for (const path of transfer) {
    const sent = sentPath('--transferfile', path, cwd);
    try {
      files.push(...(await localFiles([sent])));
    } catch (error) {
      if (!(error instanceof UsageError) || error.code !== 'noFile') throw error;
      say(`Warning: ${String(path)} is not readable and will not be transferred.`);
    }
  }
  return files;
}
