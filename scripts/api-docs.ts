/**
 * `pnpm docs:api`: writes docs/api, the reference of what the packages export, from their doc comments. With `--check` it
 * writes nothing and says whether docs/api is up to date.
 *
 * TypeDoc needs a TypeScript with a JavaScript API, which version 7 does not have, so it has one of its own: scripts/api is
 * a package for these two alone. Nothing else uses that compiler.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'docs/api');
const typedoc = join(root, 'scripts/api');

/** What people import, and what each page says first. */
const PAGES: Readonly<Record<string, string>> = {
  client: 'Submits work: `connect`, then `call`, `map`, `submit` or `graph`.',
  local:
    'A Queen and Drones in your process or beside it. For most, `connect({ local: true })` of `@hive/client` is enough.',
};

/** The pages by the names of their files. @throws Error when the packages cannot be read */
function generate(): Map<string, string> {
  const out = mkdtempSync(join(tmpdir(), 'hive-api-'));
  try {
    run(out);
    return new Map(
      Object.entries(PAGES).map(([name, purpose]) => [`${name}.md`, pageOf(out, name, purpose)]),
    );
  } finally {
    rmSync(out, { recursive: true });
  }
}

function run(out: string): void {
  const program = join(typedoc, 'node_modules/typedoc/bin/typedoc');
  const args = [program, '--options', 'typedoc.json', '--out', out, '--logLevel', 'Warn'];
  const { status } = spawnSync(process.execPath, args, { cwd: typedoc, stdio: 'inherit' });
  if (status !== 0) throw new Error('typedoc could not read the packages');
}

/** TypeDoc makes a folder of each package; here they are files side by side. */
function pageOf(out: string, name: string, purpose: string): string {
  const text = readFileSync(join(out, name, 'src.md'), 'utf8').trim();
  const linked = text.replace(/\]\((?:\.\.\/(\w+)\/)?src\.md(#[^)]*)?\)/g, (_, other = name, anchor = '') =>
    other === name ? `](${anchor})` : `](${other}.md${anchor})`,
  );
  return `# @hive/${name}\n\n${purpose}\n\nMade from the doc comments by \`pnpm docs:api\`.\n\n${linked}\n`;
}

/** Files of docs/api that are not what they should be. */
function stale(pages: ReadonlyMap<string, string>): string[] {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  const wrong = [...pages].filter(([file, text]) => !there.includes(file) || read(file) !== text);
  return [...wrong.map(([file]) => file), ...there.filter((file) => !pages.has(file))];
}
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');

const pages = generate();
if (process.argv.includes('--check')) {
  const found = stale(pages);
  for (const file of found) console.error(`docs/api/${file} is not up to date: run pnpm docs:api`);
  console.log(
    `api: ${found.length === 0 ? 'docs/api says what the doc comments say' : `${found.length} stale pages`}`,
  );
  process.exitCode = found.length === 0 ? 0 : 1;
} else {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of pages) writeFileSync(join(folder, file), text);
  console.log(`api: wrote ${[...pages.keys()].map((file) => `docs/api/${file}`).join(', ')}`);
}
