/** For tests: one command line run by GNU parallel and by us, each in a folder of its own with the same files. */
import { execFile, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { promisify } from 'node:util';
import type { Execute } from '../command-task.ts';
import { run } from '../run.ts';
import { engineOf } from './in-process.ts';
import { WarmParallel } from './warm-parallel.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Everything that lies in its folder afterwards, by path. */
  readonly files: ReadonlyMap<string, string>;
}

export interface Example {
  readonly args: readonly string[];
  readonly stdin?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
}

/** The version of GNU parallel that is installed, or null. */
export function installedVersion(): string | null {
  const { stdout, status } = spawnSync('parallel', ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/GNU parallel (\d+)/.exec(stdout)?.[1] ?? null) : null;
}

export const CPUS = 4;
/** Bytes of a file from which on it is not written anew for every example. */
const LARGE = 65_536;
/** So that what lists a folder, or expands a pattern that it should not, finds something. */
const ALWAYS_THERE = 'abc-file';

/** A folder whose files every example finds fresh. */
export class Sandbox {
  readonly #root = mkdtempSync(join(tmpdir(), 'hive-parallel-'));
  readonly #files: Readonly<Record<string, string>>;
  #count = 0;
  #known: Promise<string> | null = null;
  #parallel: Promise<WarmParallel> | null = null;

  constructor(files: Readonly<Record<string, string>>) {
    this.#files = files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#parallel)?.stop();
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** With all files, or with those that are named in words, and one more. */
  newFolder(words?: readonly string[]): string {
    const folder = join(this.#root, String(this.#count++));
    mkdirSync(folder);
    for (const [name, content] of Object.entries(this.#files)) {
      const isNamed = words?.some((word) => word.includes(name)) ?? true;
      if (!isNamed && name !== ALWAYS_THERE) continue;
      if (content.length < LARGE) writeFileSync(join(folder, name), content, 'latin1');
      else linkSync(this.#large(name, content), join(folder, name));
    }
    return folder;
  }

  /** What no example changes is there once. */
  #large(name: string, content: string): string {
    const path = join(this.#root, `large-${name}`);
    if (!existsSync(path)) writeFileSync(path, content, 'latin1');
    return path;
  }

  /**
   * What GNU parallel finds out about a machine when it first runs there, by starting many processes, and then keeps: how
   * long a command line may be. Every example has a copy, as it would from its second run on.
   */
  #knownMachine(): Promise<string> {
    this.#known ??= this.#findOut();
    return this.#known;
  }
  async #findOut(): Promise<string> {
    const config = mkdtempSync(join(this.#root, 'known-'));
    const env = { ...this.#env(config, { args: [] }), PARALLEL_HOME: config };
    await promisify(execFile)('parallel', ['true', ':::', '1'], { env });
    return config;
  }

  #startParallel(): Promise<WarmParallel> {
    const program = spawnSync('which', ['parallel'], { encoding: 'utf8' }).stdout.trim();
    return WarmParallel.start(mkdtempSync(join(this.#root, 'warm-')), program);
  }

  #env(folder: string, example: Example): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return {
      PATH,
      HOME: folder,
      LC_ALL: 'C',
      SHELL: '/bin/bash',
      PARALLEL_SHELL: '/bin/bash',
      ...example.env,
    };
  }

  async gnu(examples: readonly Example[]): Promise<Outcome> {
    const folder = this.newFolder(examples.flatMap(({ args }) => args));
    const config = mkdtempSync(join(this.#root, 'home-'));
    cpSync(await this.#knownMachine(), config, { recursive: true });
    this.#parallel ??= this.#startParallel();
    const parallel = await this.#parallel;
    let outcome: Outcome = { exitCode: 0, stdout: '', stderr: '', files: new Map() };
    for (const example of examples) {
      const env = { ...this.#env(folder, example), PARALLEL_HOME: config };
      const args = example.args.some((word) => /^(-j|--jobs|-P)/.test(word))
        ? example.args
        : ['-j4', ...example.args];
      const ended = await parallel.run({ args, cwd: folder, env, stdin: example.stdin ?? '' });
      outcome = { ...ended, files: filesIn(folder) };
    }
    return outcome;
  }

  /** @param execute runs up to four commands at a time */
  async ours(examples: readonly Example[], execute: Execute): Promise<Outcome> {
    const folder = this.newFolder(examples.flatMap(({ args }) => args));
    let outcome: Outcome = { exitCode: 0, stdout: '', stderr: '', files: new Map() };
    for (const example of examples) {
      const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
      const texts = [textOf(streams.stdout), textOf(streams.stderr)] as const;
      const stdin = Readable.from([Buffer.from(example.stdin ?? '')]);
      const place = {
        ...streams,
        stdin,
        env: this.#env(folder, example),
        cwd: folder,
        pid: process.pid,
        parentPid: 0,
        cpus: CPUS,
        version: '0',
        now: () => performance.now(),
        interrupt: new AbortController().signal,
      };
      const exitCode = await run(example.args, place, engineOf(execute, CPUS));
      streams.stdout.end();
      streams.stderr.end();
      outcome = { exitCode, stdout: await texts[0], stderr: await texts[1], files: filesIn(folder) };
    }
    return outcome;
  }
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

/** Names, and contents without what is different each time: times in job logs. */
function filesIn(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'latin1' })) {
    const path = Buffer.from(join(folder, name), 'latin1');
    const stat = statSync(path);
    if (!stat.isFile() || name.startsWith('.') || stat.nlink > 1) continue;
    found.set(relative(folder, join(folder, name)), withoutTimes(readFileSync(path, 'latin1')));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function withoutTimes(text: string): string {
  return text.replace(/^(-?\d+\t[^\t\n]+)\t\d+\.\d{3}\t {0,9}\d+\.\d{3}\t/gm, '$1\tTIME\tTIME\t');
}

/** Messages without who says it. */
export function withoutName(text: string): string {
  return text.replace(/^(?:parallel|hive run): /gm, '');
}
