/** The tasks that an operator has put into a folder for jobs to name: what runs is then the operator's choice. */
import { readdirSync } from 'node:fs';
import { UsageError } from '@hive/shared';

const TASK_FILE = /^(.+?)(?:\.task)?\.(?:[cm]?[jt]s)$/;

/** The tasks in a folder by their names: `resize.task.ts` is `resize`. @throws UsageError if there is no such folder */
export function registeredTasks(folder: string): ReadonlyMap<string, string> {
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch {
    throw new UsageError(`There is no folder ${folder} with tasks.`, 'noTasks');
  }
  const tasks = new Map<string, string>();
  for (const file of files) {
    const [, name] = TASK_FILE.exec(file) ?? [];
    if (name === undefined || /\.(?:d|test)$/.test(name)) continue;
    const other = tasks.get(name);
    if (other !== undefined) throw new UsageError(`Two tasks have the name "${name}": ${other} and ${file}.`);
    tasks.set(name, file);
  }
  return tasks;
}
