/** `pnpm types`: type-checks every package, and the pure folders once more without Node's types, so that nothing leaks in. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const projects = [
  ...globSync(
    [
      'packages/*/tsconfig.json',
      'packages/*/src/**/tsconfig.json',
      'scripts/tsconfig.json',
      'examples/tsconfig.json',
    ],
    {
      cwd: root,
    },
  ),
].sort();
let failed = 0;
for (const project of projects) {
  const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', dirname(project)], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status === 0) continue;
  failed++;
  console.error(`types: ${dirname(project)} does not compile`);
}
console.log(`types: ${projects.length - failed} of ${projects.length} projects are sound`);
process.exitCode = failed === 0 ? 0 : 1;
