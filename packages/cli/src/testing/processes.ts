/** For tests: `hive` as a person runs it, in processes of its own with a data folder of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '..', 'main.ts');
const NODE = join(import.meta.dirname, '../../../../node_modules/.bin/node');

/** What was not said by then will not be said; the error shows what was. */
const SAYING_MILLIS_MAX = 100_000;

/** One process and what it has said so far. */
export class Running {
  readonly child: ChildProcess;
  stdout: Buffer = Buffer.alloc(0);
  stderr: Buffer = Buffer.alloc(0);
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  #end: number | string | null = null;
  #listeners = new Set<() => void>();

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout = Buffer.concat([this.stdout, chunk]);
      this.#tell();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr = Buffer.concat([this.stderr, chunk]);
      this.#tell();
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#end = code ?? signal ?? 'unknown';
        this.#tell();
        resolve(this.#end);
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }
  get text(): string {
    return `${this.stdout}${this.stderr}`;
  }

  /** Resolves once the process has said it, on either stream. @throws Error if it ends without, or is silent for too long */
  async saying(what: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#tell();
    }, SAYING_MILLIS_MAX);
    try {
      return await this.#saying(what, () => isLate);
    } finally {
      clearTimeout(timer);
    }
  }

  async #saying(what: RegExp, isLate: () => boolean): Promise<RegExpExecArray> {
    for (;;) {
      const found = what.exec(this.text);
      if (found !== null) return found;
      if (this.#end !== null)
        throw new Error(`it ended (${this.#end}) without saying ${what}:\n${this.text}`);
      if (isLate()) throw new Error(`it does not say ${what}:\n${this.text}`);
      await new Promise<void>((resolve) => this.#listeners.add(resolve));
    }
  }

  /** Stops all its threads, as a machine does that hangs. Resolves once none of them runs any more. */
  async freeze(): Promise<void> {
    this.child.kill('SIGSTOP');
    const threads = `/proc/${this.pid}/task`;
    const isStopped = (id: string) => / T /.test(readFileSync(`${threads}/${id}/stat`, 'utf8'));
    while (existsSync(threads) && !readdirSync(threads).every(isStopped)) await sleep(5);
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = new Set();
    for (const listener of listeners) listener();
  }
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What standard input holds; null keeps it open, empty. */
  readonly input?: Uint8Array | string | null;
  /** Stands before the command: where it runs. */
  readonly within?: readonly string[];
  /** Another program than `hive`. */
  readonly entry?: string;
}

/** A Queen or node of a test is none of the network's business, unless the test has made that network. */
function staying([command, ...options]: readonly string[], within: readonly string[]): readonly string[] {
  const isOwn = within.length > 0 || options.includes('--host');
  return (command === 'queen' || command === 'node') && !isOwn ? ['--host', '127.0.0.1'] : [];
}

/** A folder for a test, and all the processes that it started. */
export class Processes {
  readonly folder = mkdtempSync(join(tmpdir(), 'hive-test-'));
  readonly #all: Running[] = [];

  /** Starts `hive …`; its data folder is the test's own. */
  hive(args: readonly string[], { cwd, env, input, within = [], entry = MAIN }: RunOptions = {}): Running {
    const { INIT_CWD: _, ...inherited } = process.env;
    const [command, ...rest] = [...within, NODE, entry, ...args, ...staying(args, within)];
    const child = spawn(command!, rest, {
      cwd: cwd ?? this.folder,
      env: { ...inherited, HIVE_DATA: join(this.folder, 'data'), LC_ALL: 'C.UTF-8', ...env },
      stdio: 'pipe',
    });
    // A process that leaves early reads no input; that is its business.
    child.stdin.on('error', () => {});
    if (input !== null) child.stdin.end(input ?? '');
    const running = new Running(child);
    this.#all.push(running);
    return running;
  }

  /** Starts a Queen and Drones, and waits until they work together. Resolves with the Queen's address. */
  async startHive(drones: number): Promise<{ queen: Running; drones: Running[]; address: string }> {
    const queen = this.hive(['queen', '--port', '0']);
    const [, port] = await queen.saying(/listening on port (\d+)/);
    const started = Array.from({ length: drones }, (_, i) =>
      this.hive(['drone', '--slots', '1', '--name', `drone-${i}`]),
    );
    for (const drone of started) await drone.saying(/Connected to Queen/);
    return { queen, drones: started, address: `127.0.0.1:${port}` };
  }

  /** Ends what is still running and removes the folder. */
  async end(): Promise<void> {
    for (const { child } of this.#all) child.kill('SIGKILL');
    await Promise.all(this.#all.map((running) => running.ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
