// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of source are texts here
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { codeOf, importsOf } from './source.ts';
import { violations } from './structure.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hive-structure-'));
  const manifest = (name: string, dependencies: string[], exports = {}) =>
    write(`packages/${name}/package.json`, {
      name: `@hive/${name}`,
      exports: { '.': './src/index.ts', ...exports },
      dependencies: Object.fromEntries(dependencies.map((one) => [one, 'workspace:*'])),
    });
  write('package.json', { devDependencies: { '@jest/globals': '1' } });
  manifest('shared', ['msgpackr'], { './node': './src/node/index.ts' });
  manifest('queen', ['@hive/shared']);
  manifest('drone', ['@hive/shared']);
  manifest('client', ['@hive/shared', '@hive/local', '@hive/queen']);
  manifest('local', ['@hive/shared', '@hive/queen', '@hive/drone']);
  for (const name of ['shared', 'queen', 'drone', 'client', 'local']) {
    write(`packages/${name}/src/index.ts`, 'export {};\n');
  }
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, content: string | object): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
}
/** What is wrong after one file was added to a sound tree. */
function after(path: string, content: string): string[] {
  write(path, content);
  return violations(root);
}

test('a sound tree has no violations', () => {
  write('packages/shared/src/a.ts', "import { pack } from 'msgpackr';\nimport { b } from './b.ts';\n");
  write(
    'packages/shared/src/b.ts',
    "import type { a } from './a.ts';\n// Date and setTimeout are words here\n",
  );
  write(
    'packages/shared/src/node/index.ts',
    "import { join } from 'node:path';\nimport { b } from '../b.ts';\nDate.now();\n",
  );
  write(
    'packages/queen/src/scheduler/a.ts',
    "import { x } from '@hive/shared';\nconst o = { process: 1, Date: 2 };\n",
  );
  write(
    'packages/queen/src/a.ts',
    "import { x } from '@hive/shared/node';\nimport './scheduler/a.ts';\nsetTimeout(f, 1);\n",
  );
  write(
    'packages/queen/src/scheduler/a.test.ts',
    "import { test } from '@jest/globals';\nimport './a.ts';\nDate.now();\n",
  );
  write(
    'packages/client/src/a.ts',
    "export const l = () => import('@hive/local');\nimport '../src/index.ts';\n",
  );
  write('packages/local/src/a.ts', "import { Q } from '@hive/queen';\nimport { D } from '@hive/drone';\n");
  expect(violations(root)).toEqual([]);
});

const file = 'packages/queen/src/a.ts';
describe('who may import whom', () => {
  test.each([
    ['packages/client/src/a.ts', "import { Q } from '@hive/queen';", 'client may not import @hive/queen'],
    ['packages/shared/src/node/a.ts', "import '@hive/queen';", 'shared may not import @hive/queen'],
    ['packages/drone/src/a.ts', "export * from '@hive/queen';", 'drone may not import @hive/queen'],
    ['packages/client/src/a.ts', "import { l } from '@hive/local';", 'client may not import @hive/local'],
    [file, "import { x } from '@hive/shared/src/frame.ts';", 'does not export'],
    ['packages/bench/src/a.ts', "import { l } from '@hive/local';", 'bench/package.json does not declare'],
    [file, "import type { x } from '../../shared/src/frame.ts';", 'packages/shared/src/frame.ts by its path'],
    ['packages/queen/src/a.test.ts', "import '../../shared/src/index.ts';", 'by its path'],
    [
      file,
      "import x from 'left-pad';",
      'imports left-pad, which packages/queen/package.json does not declare',
    ],
    [file, "const x = await import('left-pad');", 'does not declare'],
    [file, "import { test } from '@jest/globals';", 'does not declare'],
    [file, "import { join } from 'path';", 'write node:path'],
    [file, "import { Queen } from '@hive/queen';", 'its own package by name'],
    [file, "import '../../../scripts/x.ts';", 'by its path'],
  ])('%s: %s', (path, content, problem) => {
    const found = after(path, `${content}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${path}:1: `);
    expect(found[0]).toContain(problem);
  });

  test('a package that nobody knows may import no other', () => {
    write('packages/rogue/package.json', { dependencies: { '@hive/shared': 'workspace:*' } });
    expect(after('packages/rogue/src/a.ts', "import '@hive/shared';\n")).toEqual([
      'packages/rogue/src/a.ts:1: rogue may not import @hive/shared',
    ]);
  });
});

describe('pure folders', () => {
  test.each([
    ['queen/src/scheduler', "import '@hive/shared/node';", 'may not import @hive/shared/node'],
    ['queen/src/scheduler', "import { join } from 'node:path';", 'may not import node:path'],
    ['queen/src/scheduler', "import '../runtime.ts';", 'may not import ../runtime.ts'],
    ['drone/src/agent', "import type { Slot } from '../slots.ts';", 'may not import ../slots.ts'],
    ['shared/src', "import './node/index.ts';", 'may not import ./node/index.ts'],
    ['drone/src/agent', 'const now = Date.now();', 'may not use Date'],
    ['drone/src/agent', 'const now = performance.now();', 'may not use performance'],
    ['drone/src/agent', 'const x = Math.random();', 'may not use Math.random'],
    ['drone/src/agent', 'const x = process.env;', 'may not use process'],
    ['drone/src/agent', 'setTimeout(f, 1);', 'may not use setTimeout'],
    ['shared/src', 'const x = Buffer.alloc(1);', 'may not use Buffer'],
    ['shared/src', 'const x = `${Date.now()}`;', 'may not use Date'],
    ['shared/src', 'const x = new globalThis["Date"]();', 'may not use globalThis'],
  ])('%s: %s', (folder, content, problem) => {
    const found = after(`packages/${folder}/a.ts`, `\n${content}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`packages/${folder}/a.ts:2: packages/${folder} is pure and ${problem}`);
  });
});

describe('cycles', () => {
  test('between three files are reported once', () => {
    write('packages/queen/src/a.ts', "import './b.ts';\n");
    write('packages/queen/src/b.ts', "export * from './c.ts';\n");
    expect(after('packages/queen/src/c.ts', "const a = () => import('./a.ts');\n")).toEqual([
      expect.stringMatching(/a\.ts:1: imports itself: \S+a\.ts -> \S+b\.ts -> \S+c\.ts -> \S+a\.ts$/),
    ]);
  });
  test('of one file with itself', () => {
    expect(after(file, "import './a.ts';\n")).toEqual([expect.stringContaining('imports itself')]);
  });
});

describe('text', () => {
  test('a file of 501 lines is too long', () => {
    expect(after(file, '\n'.repeat(500))).toEqual([]);
    expect(after(file, '\n'.repeat(501))).toEqual([expect.stringContaining('has 501 lines; at most 500')]);
  });
  test.each([
    ["const x = '/tmp/x';", 'path of one machine'],
    ['const x = `/work/${y}`;', 'path of one machine'],
    ['// see /home/me/notes', 'path of one machine'],
    [`// ${'TO'}${'DO'}: later`, 'unfinished work'],
    [`const x = '${'FIX'}${'ME'}';`, 'unfinished work'],
  ])('%s', (content, problem) => {
    expect(after(file, `${content}\n`)).toEqual([expect.stringContaining(problem)]);
  });
  test.each([
    "import './agent/tmp/x.ts';",
    "const x = '../tmp/x';",
    'const x = `${root}/tmp/x`;',
    '// a/tmp/b',
  ])('is fine: %s', (content) => {
    expect(after('scripts/a.ts', `${content}\n`)).toEqual([]);
  });
  test('a test may name a path of its machine', () => {
    expect(after('packages/queen/src/a.test.ts', "const x = '/tmp/x';\n")).toEqual([]);
  });
});

describe('the reader of sources', () => {
  test.each([
    ["'it''s' // x", "'  '' '     "],
    ['a /* b\n c */ d', 'a     \n      d'],
    ['`a${b}c${`d${e}`}f`', '` ${b} ${` ${e}`} `'],
    ['`${{ a: 1 }}x`', '`${{ a: 1 }} `'],
    ['x = /[\'"/]/.test(y) // z', 'x = /[   ]/.test(y)     '.replace('[   ]', '     ')],
    ['a / b / c', 'a / b / c'],
    ["'a\\'b' + c", "'    ' + c"],
    ["return /'/.exec(a)", 'return / /.exec(a)'],
  ])('%s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  test('finds imports of every form, and no others', () => {
    const text = [
      "import a from 'a';",
      "import type { b } from 'b';",
      "import {\n  c,\n} from 'c';",
      "export * from 'd';",
      "export type { e } from 'e';",
      "import 'f';",
      "const g = await import('g');",
      "type H = import('h').H;",
      "// import 'no1'",
      "const no = \"import 'no2'\"; Array.from('no3'); const from = 'no4';",
    ].join('\n');
    expect(importsOf(text).map((one) => one.specifier)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    expect(
      importsOf(text)
        .filter((one) => one.isType)
        .map((one) => one.specifier),
    ).toEqual(['b', 'e']);
    expect(
      importsOf(text)
        .filter((one) => one.isDynamic)
        .map((one) => one.specifier),
    ).toEqual(['g', 'h']);
    expect(importsOf(text).map((one) => one.line)).toEqual([1, 2, 5, 6, 7, 8, 9, 10]);
  });
});
