/**
 * `node scripts/pack-check.ts`: what a stranger gets. Builds and packs the packages, installs the tarballs with plain npm in
 * an empty project outside the workspace, and there type-checks and runs a short program for each.
 */
import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, PUBLISHED } from './build.ts';
import { checkNewUser } from './new-user.ts';

const root = join(import.meta.dirname, '..');

/** Packages in the order of their dependencies, each with a program that uses it; it must print `expected`. */
const CHECKED: readonly { name: string; program: string; expected: string }[] = [
  {
    name: 'shared',
    expected: 'Hello from bee, then TaskRequest for 2',
    program: `
import { decode, encode, FrameDecoder, type Message, type PeerId, PROTOCOL_VERSION, Session } from '@hive/shared';
const peer = '00112233445566778899aabbccddeeff' as PeerId;
const { min: protocolMin, max: protocolMax } = PROTOCOL_VERSION;
const hello: Message<'Hello'> = { type: 'Hello', magic: 'hive', protocolMin, protocolMax, role: 'drone', peer, name: 'bee', capabilities: [] };
const session = new Session(null);
const heard = [...session.receive(encode(hello))][0];
if (heard?.type === 'Hello') session.open(heard.role);
const bytes = encode({ type: 'TaskRequest', slots: 2 });
for (const body of new FrameDecoder().push(bytes)) {
  const message = decode(body);
  if (heard?.type === 'Hello' && message.type === 'TaskRequest') console.log(\`Hello from \${heard.name}, then TaskRequest for \${message.slots}\`);
}`,
  },
  {
    name: 'gateway',
    expected: '3.1.0 ok',
    program: `
import { startGateway } from '@hive/gateway';
import { startLocal } from '@hive/local';
const local = await startLocal({ drones: 0 });
const gateway = await startGateway({ queen: { queen: local.address, key: local.key!, discoveryPort: 0 }, port: 0 });
const get = async (path: string) => (await (await fetch(gateway.url + path)).json()) as Record<string, unknown>;
console.log((await get('/openapi.json'))['openapi'], (await get('/api/v1/health'))['status']);
await gateway.close();
await local.stop();`,
  },
  {
    name: 'client',
    expected: 'noQueen',
    program: `
import { connect, type Hive, UsageError } from '@hive/client';
const nobody = '127.0.0.1:9';
async function double(hive: Hive): Promise<unknown> {
  return await hive.call('echo', 21);
}
try {
  console.log(String(await double(await connect({ queen: nobody, timeoutMillis: 50 }))));
} catch (error) {
  console.log(error instanceof UsageError ? error.code : String(error));
}`,
  },
  {
    name: 'local',
    expected: '2,4,6 and 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
    program: `
import { connect } from '@hive/client';
const hive = await connect({ local: { drones: 2, slots: 1 } });
const echoed = await hive.map('echo', [2, 4, 6]).all();
const digest = await hive.call('hash', 'foo');
console.log(\`\${echoed.join(',')} and \${String(digest)}\`);
await hive.close();`,
  },
];
/** Forgets to close, and must end all the same. Without the package it says what to install. */
const FORGETFUL = `
import { connect } from '@hive/client';
try {
  const hive = await connect({ local: true });
  console.log(await hive.call('echo', 'and it ends'));
} catch (error) {
  console.log(error.code, error.message);
}`;

function run(command: string, args: readonly string[], cwd: string): string {
  // Whoever runs this script by pnpm is in another folder.
  const env = { ...process.env, INIT_CWD: cwd };
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
/** pnpm, which may be installed, or only be running this script, or be fetched by npx. */
function pnpm(args: readonly string[], cwd: string): string {
  const isOurs = process.env['npm_config_user_agent']?.startsWith('pnpm/') === true;
  return isOurs ? run('pnpm', args, cwd) : run('npx', ['-y', 'pnpm@12', ...args], cwd);
}

function pack(names: readonly string[], to: string): string[] {
  for (const name of names) pnpm(['pack', '--pack-destination', to], join(root, 'packages', name));
  return readdirSync(to).filter((file) => file.endsWith('.tgz'));
}

/** Refuses a package that still points into its sources or its workspace. */
function checkInstalled(folder: string): void {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  for (const wrong of ['workspace:', './src/']) {
    if (text.includes(wrong)) throw new Error(`${folder}/package.json says ${wrong}`);
  }
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const stray = files.find((file) => /\.test\.|(?<!\.d)\.ts$|^src\b|^test\b/.test(file));
  if (stray !== undefined) throw new Error(`${folder} has ${stray}, which nobody needs`);
  if (!files.includes('LICENSE')) throw new Error(`${folder} has no LICENSE`);
}

function check(project: string, names: readonly string[]): void {
  const tarballs = pack(names, project);
  const dependencies = Object.fromEntries(
    names.map((name) => {
      const file = tarballs.find((one) => one.startsWith(`hive-${name}-`));
      if (file === undefined) throw new Error(`no tarball of ${name}`);
      return [`@hive/${name}`, `file:./${file}`];
    }),
  );
  const write = (file: string, content: object | string) =>
    writeFileSync(join(project, file), typeof content === 'string' ? content : JSON.stringify(content));
  write('package.json', { name: 'stranger', private: true, type: 'module', dependencies });
  write('tsconfig.json', {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      strict: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      outDir: 'out',
    },
    include: ['*.ts'],
  });
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], project);
  for (const name of names) checkInstalled(join(project, 'node_modules/@hive', name));
  const programs = CHECKED.filter(({ name }) => names.includes(name));
  for (const { name, program } of programs) {
    write(`${name}-program.ts`, `${program}\n`);
  }
  run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], project);
  for (const { name, expected } of programs) {
    const said = run(process.execPath, [`out/${name}-program.js`], project).trim();
    if (said !== expected) throw new Error(`the program of ${name} said ${JSON.stringify(said)}`);
    console.log(`pack-check: @hive/${name} works outside of the workspace`);
  }
  checkForgetful(project);
  checkCommand(project);
  const tools = {
    tsc: join(root, 'node_modules/.bin/tsc'),
    hive: join(project, 'node_modules/.bin/hive'),
  };
  checkNewUser(project, (command, args) => run(command, args, project), tools);
}

function checkForgetful(project: string): void {
  const program = join(project, 'forgetful.js');
  writeFileSync(program, FORGETFUL);
  const says = (expected: RegExp) => {
    const said = run(process.execPath, [program], project).trim();
    if (!expected.test(said)) throw new Error(`connect({ local: true }) said ${JSON.stringify(said)}`);
  };
  says(/^and it ends$/);
  const local = join(project, 'node_modules/@hive/local');
  renameSync(local, `${local}-away`);
  says(/^noLocal .+ npm install @hive\/local$/);
  renameSync(`${local}-away`, local);
  console.log('pack-check: connect({ local: true }) ends by itself, and says when @hive/local is missing');
}

/** The `hive` command, as npm links it. */
function checkCommand(project: string): void {
  const hive = (...args: string[]) => run(join(project, 'node_modules/.bin/hive'), args, project);
  if (!hive('--help').includes('hive hash')) throw new Error('hive --help does not list its commands');
  const bench = JSON.parse(hive('bench', 'echo', '--tasks', '10000', '--json')) as { tasks: number };
  if (bench.tasks !== 10_000) throw new Error('hive bench measured something else');
  writeFileSync(join(project, 'words.csv'), 'word\nqueen\ndrone\n');
  const mapped = hive('map', '--local', '--kind', 'echo', '--input', 'words.csv');
  if (mapped !== '{"word":"queen"}\n{"word":"drone"}\n') throw new Error(`hive map said ${mapped}`);
  console.log('pack-check: the hive command works outside of the workspace');
}

const names: readonly string[] = PUBLISHED;
const project = realpathSync(mkdtempSync(join(tmpdir(), 'hive-pack-')));
try {
  build(names);
  check(project, names);
} finally {
  rmSync(project, { recursive: true });
}
