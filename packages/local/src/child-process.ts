/** The parent's end: one forked Queen or Drone, from fork to exit. */
import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@hive/shared';
import type { ToChild, ToParent, Usage } from './ipc.ts';
import type { Exit } from './supervisor.ts';

export interface ForkOptions {
  /** Where its output goes; default 'inherit'. */
  readonly stdio?: 'inherit' | 'ignore' | 'pipe';
  /** Added to this process's environment. */
  readonly env?: { readonly [name: string]: string | undefined };
  /** Words of its own. */
  readonly onSaid?: (words: unknown) => void;
}

/** An orderly end that takes longer is cut short with SIGKILL. */
const STOP_MILLIS_MAX = 15_000;

export class Child<Config, Ready> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(usage: Usage): void; reject(error: Error): void }>();
  readonly exited: Promise<Exit>;
  /** What it said when it was ready. Rejects with UsageError when it failed to start, or ended before. */
  readonly ready: Promise<Ready>;
  readonly #onSaid: (words: unknown) => void;
  #requests = 0;
  #isOver = false;

  /** @param entry name of the entry file beside this one, without its ending */
  constructor(entry: string, config: Config, { stdio = 'inherit', env = {}, onSaid }: ForkOptions) {
    // .ts in a checkout, .js when published: as this file itself.
    const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    const path = fileURLToPath(new URL(`./entry${ending}`, import.meta.url));
    const streams: StdioOptions = ['ignore', stdio, stdio, 'ipc'];
    this.#process = fork(path, [entry], {
      stdio: streams,
      execArgv: [],
      env: { ...process.env, ...env } as NodeJS.ProcessEnv,
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => resolve({ code, signal }));
      this.#process.once('error', () => resolve({ code: 127, signal: null }));
    });
    void this.exited.then(() => this.#gone());
    this.#onSaid = onSaid ?? (() => {});
    this.ready = this.#whenReady(entry);
    this.ready.catch(() => {});
    this.#send({ type: 'start', config });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }
  /** Its output, with `stdio: 'pipe'`. */
  get stdout(): NodeJS.ReadableStream | null {
    return this.#process.stdout;
  }
  get stderr(): NodeJS.ReadableStream | null {
    return this.#process.stderr;
  }

  /** Sends a signal to exactly this process. False if it is gone. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): boolean {
    return this.#process.kill(signal);
  }

  /** Words of its parent for what it runs. */
  tell(words: unknown): void {
    this.#send({ type: 'told', words });
  }

  /** Rejects when the process has ended. */
  rusage(): Promise<Usage> {
    if (this.#isOver) return Promise.reject(new UsageError('This process has ended.', 'ended'));
    const request = ++this.#requests;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      this.#send({ type: 'usage', request });
    });
  }

  /** Ends it in order, or by force if that takes too long. */
  async stop(): Promise<Exit> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MILLIS_MAX);
    this.#send({ type: 'stop' });
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  #whenReady(entry: string): Promise<Ready> {
    return new Promise((resolve, reject) => {
      this.#process.on('message', (message: ToParent<Ready>) => {
        if (message.type === 'ready') resolve(message.ready);
        else if (message.type === 'failed') reject(new UsageError(message.message, message.code));
        else if (message.type === 'said') this.#onSaid(message.words);
        else this.#answered(message.request, message.usage);
      });
      void this.exited.then(({ code, signal }) =>
        reject(
          new UsageError(`${entry} ended before it was ready (${signal ?? `exit code ${code}`}).`, 'ended'),
        ),
      );
    });
  }

  #answered(request: number, usage: Usage): void {
    this.#waiting.get(request)?.resolve(usage);
    this.#waiting.delete(request);
  }

  #gone(): void {
    this.#isOver = true;
    for (const { reject } of this.#waiting.values())
      reject(new UsageError('This process has ended.', 'ended'));
    this.#waiting.clear();
  }

  #send(message: ToChild<Config>): void {
    // The callback keeps a process that has just ended from raising an error here; `exited` tells of it.
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}
