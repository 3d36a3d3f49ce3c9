/**
 * `pnpm structure`: the rules of the house that no compiler knows. Which package may import which; what the pure folders
 * may touch; no cycles; no file that grows without end; nothing that belongs to one machine. (Biome sees to the length of
 * functions, default exports and `any`.)
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { codeOf, type Import, importsOf, lineOf } from './source.ts';

/** Who may import whom (docs/ARCHITECTURE.md). Tests may import everything that is declared. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  queen: ['shared'],
  drone: ['shared'],
  client: ['shared'],
  local: ['shared', 'queen', 'drone'],
  gateway: ['shared', 'client'],
  dashboard: [],
  simulation: ['shared', 'queen', 'drone'],
  bench: ['shared', 'client', 'local', 'gateway'],
  chaos: ['shared', 'client', 'local'],
  cli: ['shared', 'client', 'queen', 'drone', 'local', 'bench', 'gateway'],
};
/** `connect({ local: true })` loads it when it is asked for, and only then. */
const MAY_IMPORT_DYNAMICALLY: Readonly<Record<string, readonly string[]>> = { client: ['local'] };

/** Folders without clocks, chance and I/O: what they may import besides themselves, and what of them is not pure. */
const PURE = [
  { folder: 'packages/shared/src', except: 'packages/shared/src/node', packages: ['msgpackr'] },
  { folder: 'packages/queen/src/scheduler', except: null, packages: ['@hive/shared'] },
  { folder: 'packages/drone/src/agent', except: null, packages: ['@hive/shared'] },
];
/** A Date that is made of a number, and the prototype of all of them, are no clocks. */
const IMPURE =
  /(?<![.\w$#])(?:Date(?!\.prototype\b|\([^)])|performance|process|Buffer|crypto|globalThis|set(?:Timeout|Interval|Immediate))\b(?!\??:)|\bMath\.random\b/g;

const FILE_LINES_MAX = 500;
/** A path of one machine, as a whole path and not as a part of a longer one. */
const MACHINE_PATH = /(?<![\w.})\]/-])\/(?:work|tmp|home|root)(?=[/'"`])/g;
const LEFT_OVER = new RegExp(`\\b(?:TO${'DO'}|FIX${'ME'})\\b`, 'g');

interface Manifest {
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
/** One source file. `path` is relative to the root, with slashes. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly Import[];
  /** Short name of its package; null for scripts. */
  readonly package: string | null;
  readonly isTest: boolean;
}
interface Tree {
  readonly root: string;
  readonly sources: ReadonlyMap<string, Source>;
  readonly manifests: ReadonlyMap<string, Manifest>;
  readonly rootManifest: Manifest;
}

/** Every violation in a tree, one line each: `path:line: what is wrong`. */
export function violations(root: string): string[] {
  const tree = readTree(root);
  const found: string[] = [];
  for (const source of tree.sources.values()) {
    found.push(...importProblems(tree, source), ...pureProblems(source), ...textProblems(source));
  }
  found.push(...cycles(tree));
  return found.sort();
}

function readTree(root: string): Tree {
  const manifest = (path: string): Manifest => {
    const file = join(root, path, 'package.json');
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  };
  const paths = globSync(['packages/*/**/*.ts', 'scripts/**/*.ts', 'examples/**/*.ts'], {
    cwd: root,
    exclude: (name) => name.endsWith('node_modules') || name.endsWith('dist'),
  });
  const sources = paths.map((path) => readSource(root, path.replaceAll('\\', '/')));
  const packages = new Set(sources.flatMap((source) => source.package ?? []));
  return {
    root,
    sources: new Map(sources.map((source) => [source.path, source])),
    manifests: new Map([...packages].map((name) => [name, manifest(`packages/${name}`)])),
    rootManifest: manifest('.'),
  };
}
function readSource(root: string, path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const code = codeOf(text);
  return {
    path,
    text,
    code,
    imports: importsOf(text, code),
    package: /^packages\/([^/]+)\//.exec(path)?.[1] ?? null,
    isTest: /\.test\.ts$|\/test\/|\/testing\//.test(path),
  };
}

function importProblems(tree: Tree, source: Source): string[] {
  if (source.package === null) return [];
  return source.imports.flatMap((one) => {
    const wrong = one.specifier.startsWith('.')
      ? relativeProblem(source, one)
      : packageProblem(tree, source, one);
    return wrong === null ? [] : [`${source.path}:${one.line}: ${wrong}`];
  });
}

function relativeProblem(source: Source, one: Import): string | null {
  const target = targetOf(source, one);
  if (target.startsWith(`packages/${source.package}/`)) return null;
  if (source.isTest && !target.startsWith('packages/')) return null;
  return `imports ${target} by its path; another package is imported by its name`;
}

function packageProblem(tree: Tree, source: Source, one: Import): string | null {
  const { specifier } = one;
  if (specifier.startsWith('node:')) return null;
  if (builtinModules.includes(specifier)) return `imports ${specifier}; write node:${specifier}`;
  const [name, subpath] = splitSpecifier(specifier);
  const undeclared = declarationProblem(tree, source, name);
  if (!name.startsWith('@hive/')) return undeclared;
  const short = name.slice('@hive/'.length);
  if (short === source.package) return `imports its own package by name; use a relative path`;
  if (!source.isTest && !mayImport(source.package!, short, one.isDynamic)) {
    return `${source.package} may not import ${name}`;
  }
  const target = tree.manifests.get(short);
  if (target === undefined) return `imports ${name}, which does not exist`;
  if (target.exports?.[subpath] === undefined) {
    return `imports ${specifier}, which ${name} does not export; only its index and declared subpaths are open`;
  }
  return undeclared;
}
function mayImport(from: string, to: string, isDynamic: boolean): boolean {
  return (
    MAY_IMPORT[from]?.includes(to) === true ||
    (isDynamic && MAY_IMPORT_DYNAMICALLY[from]?.includes(to) === true)
  );
}

function declarationProblem(tree: Tree, source: Source, name: string): string | null {
  const own = tree.manifests.get(source.package!) ?? {};
  const declared = { ...own.optionalDependencies, ...own.peerDependencies, ...own.dependencies };
  if (source.isTest) Object.assign(declared, own.devDependencies, tree.rootManifest.devDependencies);
  if (declared[name] !== undefined) return null;
  return `imports ${name}, which packages/${source.package}/package.json does not declare`;
}

/** `@a/b/c` is [`@a/b`, `./c`]; without a rest, the subpath is `.`. */
function splitSpecifier(specifier: string): [name: string, subpath: string] {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  return [name, `.${specifier.slice(name.length)}`];
}

function targetOf(source: Source, one: Import): string {
  return join(dirname(source.path), one.specifier).replaceAll('\\', '/');
}

function pureProblems(source: Source): string[] {
  const pure = PURE.find(
    ({ folder, except }) => isIn(source.path, folder) && !(except !== null && isIn(source.path, except)),
  );
  if (pure === undefined || source.isTest) return [];
  const { folder, except, packages } = pure;
  const found: string[] = [];
  for (const one of source.imports) {
    const target = one.specifier.startsWith('.') ? targetOf(source, one) : null;
    const isFine =
      target === null
        ? packages.includes(one.specifier)
        : isIn(target, folder) && !(except !== null && isIn(target, except));
    if (!isFine)
      found.push(`${source.path}:${one.line}: ${folder} is pure and may not import ${one.specifier}`);
  }
  for (const match of source.code.matchAll(IMPURE)) {
    const line = lineOf(source.text, match.index);
    found.push(`${source.path}:${line}: ${folder} is pure and may not use ${match[0]}`);
  }
  return found;
}
function isIn(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

function textProblems(source: Source): string[] {
  const found: string[] = [];
  const lines = source.text.split('\n').length - (source.text.endsWith('\n') ? 1 : 0);
  if (lines > FILE_LINES_MAX) {
    found.push(`${source.path}:${lines}: has ${lines} lines; at most ${FILE_LINES_MAX}, so split it`);
  }
  const report = (pattern: RegExp, what: string) => {
    for (const match of source.text.matchAll(pattern)) {
      found.push(`${source.path}:${lineOf(source.text, match.index)}: ${what} (${match[0]})`);
    }
  };
  report(LEFT_OVER, 'has a note of unfinished work; do it, or write an issue');
  if (!source.isTest) report(MACHINE_PATH, 'has a path of one machine');
  return found;
}

/**
 * Cycles of imports between files, each reported once, at its first file. They make the order of loading matter, so
 * `import type`, of which nothing is left at run time, may point back.
 */
function cycles(tree: Tree): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const found = new Map<string, string>();
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      const cycle = trail.slice(trail.indexOf(path));
      const key = [...cycle].sort().join();
      found.set(key, `${path}:1: imports itself: ${[...cycle, path].join(' -> ')}`);
      return;
    }
    state.set(path, 'open');
    for (const next of filesImportedBy(tree, path)) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of [...tree.sources.keys()].sort()) visit(path, []);
  return [...found.values()];
}
function filesImportedBy(tree: Tree, path: string): string[] {
  const source = tree.sources.get(path);
  if (source === undefined || source.isTest) return [];
  return source.imports.flatMap((one) => {
    if (one.isType) return [];
    if (one.specifier.startsWith('.')) return targetOf(source, one);
    const [name, subpath] = splitSpecifier(one.specifier);
    const short = name.replace('@hive/', '');
    const file = tree.manifests.get(short)?.exports?.[subpath];
    return file === undefined ? [] : join('packages', short, file).replaceAll('\\', '/');
  });
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const found = violations(root);
  for (const line of found) console.error(line);
  console.log(`structure: ${found.length === 0 ? 'sound' : `${found.length} violations`}`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
