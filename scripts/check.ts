/**
 * `pnpm check`: types, lint, structure, docs/api, tests, each even if an earlier one failed, so that one run tells everything.
 * With HIVE_SKIP_TESTS set, the tests are left out: for whoever has just run them (.ci/run).
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const node = (...args: string[]) => [process.execPath, ...args];
const steps: [name: string, command: string[]][] = [
  ['types', node('scripts/types.ts')],
  ['lint', [join(root, 'node_modules/.bin/biome'), 'check', '--error-on-warnings', '.']],
  ['structure', node('scripts/structure.ts')],
  ['api', node('scripts/api-docs.ts', '--check')],
];
if (!process.env['HIVE_SKIP_TESTS']) {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  steps.push(['tests', node(...flags, 'node_modules/jest/bin/jest.js')]);
}

const failed: string[] = [];
for (const [name, [command, ...args]] of steps) {
  console.log(`check: ${name}`);
  const { status } = spawnSync(command!, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'check: all is well' : `check: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
