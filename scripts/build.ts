/**
 * `pnpm build [package…]`: compiles the published packages to `packages/<name>/dist`: JavaScript and declarations, no tests.
 * All of them are one program, since in the workspace a package's types are its sources.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const draft = join(root, 'node_modules/.cache/hive-build');
/** In the order of their dependencies. */
export const PUBLISHED = ['shared', 'queen', 'drone', 'client', 'local', 'gateway', 'bench', 'cli'] as const;

/** Compiles these packages. @throws Error when they do not compile; what was built before is gone then */
export function build(packages: readonly string[] = PUBLISHED): void {
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  for (const name of packages) rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true });
  const config = join(draft, 'tsconfig.json');
  writeFileSync(config, JSON.stringify(configOf(packages)));
  const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the packages do not compile');
  for (const name of packages) {
    const from = join(draft, 'out', name, 'src');
    const to = join(root, 'packages', name, 'dist');
    if (!existsSync(from)) throw new Error(`nothing was compiled for ${name}`);
    cpSync(from, to, { recursive: true });
    for (const file of globSync('**/*.d.ts', { cwd: to })) pointToJavaScript(join(to, file));
  }
  rmSync(draft, { recursive: true });
}

function configOf(packages: readonly string[]): object {
  return {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rootDir: join(root, 'packages'),
      outDir: join(draft, 'out'),
      noEmitOnError: true,
    },
    include: packages.map((name) => join(root, 'packages', name, 'src')),
    exclude: ['test.ts', 'test', 'testing'].map((end) =>
      join(root, end === 'test.ts' ? 'packages/*/src/**/*.test.ts' : `packages/*/src/**/${end}/**`),
    ),
  };
}

/** tsc rewrites the endings of imports in JavaScript, but leaves them in declarations, where no `.ts` will be. */
function pointToJavaScript(file: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/((?:from\s+|import\s*\(?\s*)(['"])\.{1,2}\/[^'"\n]*)\.ts\2/g, '$1.js$2'));
}

if (import.meta.main) {
  const packages = process.argv.length > 2 ? process.argv.slice(2) : PUBLISHED;
  build(packages);
  console.log(`build: ${packages.join(', ')}`);
}
