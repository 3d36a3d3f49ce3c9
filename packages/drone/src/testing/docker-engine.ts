/**
 * A real Docker engine for a test: its own socket and data, no bridge, no firewall rules, and one image that is a
 * busybox, or, where it is asked for, another one with the Node that runs the test. Nothing is fetched. Needs root, dockerd and a static busybox (Debian's docker.io and busybox-static).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const START_MILLIS = 60_000;
const LOOK_MILLIS = 50;
export const IMAGE = 'hive-test';
export const NODE_IMAGE = 'hive-test-node';
/** Ends the engine when its standard input ends, so that none outlives its test, however that ends. */
const KEEPER = `file=$1; shift; { dockerd "$@"; echo dockerd-has-ended; } &
read -r _; kill "$(cat "$file")"; wait`;
const BUSYBOX = '/bin/busybox';

/** An engine, or why this machine cannot have one. */
export async function tryEngine(): Promise<DockerEngineOfTest | string> {
  const why = await whyNoEngine();
  if (why !== null) return why;
  return DockerEngineOfTest.start().catch((error: Error) => error.message);
}

async function whyNoEngine(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'a Docker engine of its own needs root';
  if (!existsSync(BUSYBOX)) return 'there is no busybox (apt-get install busybox-static)';
  for (const program of ['dockerd', 'docker']) {
    const isThere = await run('sh', ['-c', `command -v ${program}`]).then(
      () => true,
      () => false,
    );
    if (!isThere) return `there is no ${program} (apt-get install docker.io)`;
  }
  return null;
}

export class DockerEngineOfTest {
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #keeper: ChildProcess;

  private constructor(folder: string, keeper: ChildProcess) {
    this.#folder = folder;
    this.#keeper = keeper;
    this.env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      DOCKER_HOST: `unix://${join(folder, 'socket')}`,
    };
  }

  /** @throws when it does not answer within a minute, with the end of what it said */
  static async start(): Promise<DockerEngineOfTest> {
    const folder = mkdtempSync(join(tmpdir(), 'hive-docker-'));
    const where = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
    const files = ['--pidfile', join(folder, 'pid'), '--host', `unix://${join(folder, 'socket')}`];
    const log = createWriteStream(join(folder, 'log'));
    await once(log, 'open');
    const options = ['--iptables=false', '--ip6tables=false', '--bridge=none', ...where, ...files];
    const keeper = spawn('sh', ['-c', KEEPER, 'sh', join(folder, 'pid'), ...options], {
      stdio: ['pipe', log, log],
    });
    log.close();
    const engine = new DockerEngineOfTest(folder, keeper);
    try {
      await engine.#answers();
      await engine.#makeImage();
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  async docker(...args: readonly string[]): Promise<string> {
    return (await run('docker', args, { env: this.env, timeout: START_MILLIS })).stdout.trim();
  }

  async close(): Promise<void> {
    const ended = once(this.#keeper, 'exit');
    this.#keeper.stdin?.end();
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    const end = Date.now() + START_MILLIS;
    for (;;) {
      const isThere = await this.docker('version').then(
        () => true,
        () => false,
      );
      if (isThere) return;
      const said = await readFile(join(this.#folder, 'log'), 'utf8');
      if (Date.now() > end || said.includes('dockerd-has-ended')) {
        throw new Error(`dockerd does not start here: ${said.slice(-1_000)}`);
      }
      await delay(LOOK_MILLIS);
    }
  }

  async #makeImage(): Promise<void> {
    const root = join(this.#folder, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
    const names = (await run(BUSYBOX, ['--list'])).stdout
      .split('\n')
      .filter((name) => name !== '' && name !== 'busybox');
    for (const name of names) symlinkSync('busybox', join(root, 'bin', name));
    await this.#import(root, IMAGE);
  }

  /** The image NODE_IMAGE: the same with this process's Node, and the libraries that it is linked with. */
  async makeNodeImage(): Promise<void> {
    const root = join(this.#folder, 'root');
    copyFileSync(process.execPath, join(root, 'bin/node'));
    const { stdout } = await run('ldd', [process.execPath]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) {
      mkdirSync(join(root, dirname(library)), { recursive: true });
      copyFileSync(library, join(root, library));
    }
    await this.#import(root, NODE_IMAGE);
  }

  async #import(root: string, image: string): Promise<void> {
    await run('tar', ['-C', root, '-cf', join(this.#folder, 'image.tar'), '.']);
    await this.docker('import', join(this.#folder, 'image.tar'), image);
  }
}
