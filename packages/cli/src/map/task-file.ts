/** The file of a task as a person names it: `resize.task.ts`, or `tasks.ts#resize` for one of several exports. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '@hive/shared';

const TASK_FILE = /^(.+\.[cm]?[jt]sx?)(?:#([\w$]+))?$/;

/** The file's URL, with the export that was named, for `hive.submit`. @throws UsageError when there is no such file */
export function taskFile(written: string): string {
  const [, file, name] = TASK_FILE.exec(written) ?? [];
  if (file === undefined) {
    throw new UsageError(
      `${written} is no task file: that is TypeScript or JavaScript, as in "hive map resize.task.ts --input photos.csv". For a kind of work that Drones know, write --kind.`,
      'badTask',
    );
  }
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new UsageError(`There is no task file ${file}.`, 'noFile');
  }
  return `${pathToFileURL(resolve(file)).href}${name === undefined ? '' : `#${name}`}`;
}
