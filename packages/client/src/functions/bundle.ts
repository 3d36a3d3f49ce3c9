/**
 * Makes one file of a task's file and all that it imports, with a source map. esbuild is loaded when the first file is
 * given, and not before. Packages with native parts do not travel: they are looked for where the task runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UsageError } from '@hive/shared';
import type { BuildFailure, Message, Plugin, PluginBuild } from 'esbuild';
import { STAND_IN } from './stand-in.ts';

export interface Bundle {
  readonly code: Uint8Array;
  /** Names that the file exports. */
  readonly exports: readonly string[];
}

const SOURCE_MAP = /\n\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/;
const OWN_FILES = new Set(
  ['task', 'reducer'].map((name) =>
    fileURLToPath(new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)),
  ),
);
const BUILT_IN: ReadonlySet<string> = new Set(builtinModules);
/** Packages that only those with native parts depend on. */
const NATIVE_HELPERS = [
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'prebuild-install',
  '@mapbox/node-pre-gyp',
  'node-addon-api',
  'nan',
  'napi-postinstall',
];
/** A package per platform: @img/sharp-linux-x64. */
const OF_A_PLATFORM = /(?:linux|darwin|win32|freebsd|android)-(?:x64|arm64|arm|ia32)/;

/** @throws UsageError 'badTask' with file, line and text of the first thing that is wrong */
export async function bundle(path: string): Promise<Bundle> {
  if (!existsSync(path)) {
    throw new UsageError(
      `There is no task file ${path}. A path is taken from the folder in which the program runs; "new URL('./${basename(path)}', import.meta.url)" stays with your file.`,
      'badTask',
    );
  }
  const { build } = await import('esbuild');
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [path],
      outfile: join(dirname(path), 'task.mjs'),
      write: false,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      sourcemap: 'inline',
      sourcesContent: false,
      legalComments: 'none',
      charset: 'utf8',
      metafile: true,
      logLevel: 'silent',
      loader: { '.txt': 'text', '.wasm': 'binary' },
      plugins: [standIn, natives],
    });
    const [output] = Object.values(metafile.outputs);
    const text = outputFiles[0]!.text;
    return { code: Buffer.from(withWholePaths(text, dirname(path))), exports: output?.exports ?? [] };
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>;
    if (errors === undefined || errors.length === 0) throw error;
    throw new UsageError(sentenceOf(errors, path), 'badTask', { cause: error });
  }
}

/** A stack then names the file where its author has it, wherever the bundle is. */
function withWholePaths(code: string, folder: string): string {
  return code.replace(SOURCE_MAP, (_, base64: string) => {
    const map = JSON.parse(Buffer.from(base64, 'base64').toString()) as { sources: string[] };
    map.sources = map.sources.map((source) => pathToFileURL(join(folder, source)).href);
    return `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}\n`;
  });
}

function sentenceOf(errors: readonly Message[], path: string): string {
  const { text, location } = errors[0]!;
  const file = location === null ? path : join(process.cwd(), location.file);
  const shown = relative(process.cwd(), file).startsWith('..') ? file : relative(process.cwd(), file);
  const place = location === null ? shown : `${shown}:${location.line}:${location.column + 1}`;
  const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`;
  return `${basename(path)} cannot be bundled: ${place}: ${text}${more}`;
}

const standIn: Plugin = {
  name: 'hive-client',
  setup(build) {
    build.onResolve({ filter: /^@hive\/client$/ }, () => ({
      path: '@hive/client',
      namespace: 'hive-client',
    }));
    // The same where this package's own sources are imported by their path.
    build.onResolve({ filter: /(?:task|reducer)\.[jt]s$/ }, ({ path, resolveDir }) =>
      path.startsWith('.') && OWN_FILES.has(resolve(resolveDir, path))
        ? { path: '@hive/client', namespace: 'hive-client' }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'hive-client' }, () => ({ contents: STAND_IN, loader: 'js' }));
  },
};

const natives: Plugin = {
  name: 'hive-native',
  setup(build) {
    build.onResolve(
      { filter: /^[^./]/ },
      async ({ path, namespace, importer, resolveDir, kind, pluginData }) => {
        if (namespace === 'hive-native') return { path, external: true };
        if (pluginData === SKIP || kind === 'entry-point' || isBuiltIn(path)) return undefined;
        const found = await build.resolve(path, { importer, resolveDir, kind, pluginData: SKIP });
        if (found.errors.length > 0 || !isNative(found.path)) return found;
        return { path, namespace: 'hive-native' };
      },
    );
    refuseAddons(build);
    build.onLoad({ filter: /./, namespace: 'hive-native' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
      loader: 'js',
    }));
  },
};
const SKIP = Symbol('resolve as usual');

function refuseAddons(build: PluginBuild): void {
  const text =
    'a native addon (.node) does not travel. Put it into a package, and install that on the Drones.';
  build.onResolve({ filter: /\.node$/ }, () => ({ errors: [{ text }] }));
}

const isBuiltIn = (path: string): boolean => path.startsWith('node:') || BUILT_IN.has(path);

const known = new Map<string, boolean>();

/** Whether a file is of a package that has parts for one platform only. */
function isNative(path: string): boolean {
  const [, root] = /^(.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/.exec(path) ?? [];
  if (root === undefined) return false;
  let answer = known.get(root);
  if (answer === undefined) {
    answer = hasNativeParts(root);
    known.set(root, answer);
  }
  return answer;
}

function hasNativeParts(root: string): boolean {
  if (existsSync(join(root, 'binding.gyp')) || existsSync(join(root, 'prebuilds'))) return true;
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
    const { gypfile, binary, napi, dependencies = {}, optionalDependencies = {} } = manifest;
    return (
      gypfile === true ||
      binary !== undefined ||
      napi !== undefined ||
      NATIVE_HELPERS.some((name) => name in dependencies) ||
      Object.keys(optionalDependencies).some((name) => OF_A_PLATFORM.test(name))
    );
  } catch {
    return false;
  }
}
interface Manifest {
  readonly gypfile?: boolean;
  readonly binary?: unknown;
  readonly napi?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
