/** Finds a program as a shell does, but in the command's own PATH and folder. */
import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LaunchError, type Text } from './launch.ts';

/** @throws LaunchError ENOENT, or EACCES when all that has the name is not executable */
export function findProgram(name: Text, path: string, cwd: string): string {
  const text = typeof name === 'string' ? name : Buffer.from(name).toString();
  if (text.includes('/')) return resolve(cwd, text);
  let isThere = false;
  for (const folder of path.split(':')) {
    const file = resolve(cwd, join(folder === '' ? '.' : folder, text));
    const found = look(file);
    if (found === 'program') return file;
    isThere ||= found === 'file';
  }
  throw new LaunchError(isThere ? 'EACCES' : 'ENOENT', text);
}

function look(file: string): 'program' | 'file' | 'nothing' {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile() ? 'program' : 'nothing';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'file' : 'nothing';
  }
}
