/**
 * Where the person is. `pnpm hive …` runs with the project's folder as working directory and leaves the person's own in
 * INIT_CWD; paths they give mean that one.
 */
import { chdir } from 'node:process';

/** Makes relative paths mean what the person meant. Called once, before anything is opened. */
export function enterPersonsFolder(): void {
  const folder = process.env['INIT_CWD'];
  if (folder === undefined || folder === '' || isAnotherProjectsScript()) return;
  try {
    chdir(folder);
  } catch {
    // The folder is gone; the working directory is the better guess then.
  }
}

/** A script of another project may have changed folders on purpose before it called `hive`. */
function isAnotherProjectsScript(): boolean {
  const name = process.env['npm_package_name'];
  return name !== undefined && name !== 'the-hive' && !name.startsWith('@hive/');
}

/** How this person would start `hive`, a Queen or a Drone: through pnpm if that is what they did. */
export function commandName(what: 'hive' | 'queen' | 'drone'): string {
  const isScript = process.env['npm_lifecycle_event'] !== undefined && !isAnotherProjectsScript();
  if (isScript) return `pnpm ${what}`;
  return what === 'hive' ? 'hive' : `hive ${what}`;
}
