/** The run's end of one client process. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ProcessesAccess } from '@hive/local';
import type { FromClient, ToClient } from './ipc.ts';
import type { Log } from './log.ts';

export class ClientChild {
  readonly name: string;
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  /** Whether it has a session, so that it can be given work. */
  isReady = false;
  isGone = false;
  isFrozen = false;
  /** It was killed, or told to stop: its end is no surprise. */
  #isEnding = false;

  constructor(name: string, access: ProcessesAccess, log: Log, onMessage: (message: FromClient) => void) {
    this.name = name;
    const path = fileURLToPath(new URL('./entry-client.ts', import.meta.url));
    this.#process = fork(path, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] });
    log.follow(name, this.#process.stdout, this.#process.stderr);
    this.#process.on('message', (message: FromClient) => {
      if (message.type === 'ready') this.isReady = true;
      onMessage(message);
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.isGone = true;
        if (!this.#isEnding) log.problem(`client ${name} ended by itself (${signal ?? `exit code ${code}`})`);
        resolve();
      });
    });
    this.send({ type: 'connect', access, name });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  send(message: ToClient): void {
    // The callback keeps a process that has just ended from raising an error here.
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  kill(): void {
    this.#isEnding = true;
    this.#process.kill('SIGKILL');
  }
  freeze(isFrozen: boolean): void {
    this.isFrozen = isFrozen;
    this.#process.kill(isFrozen ? 'SIGSTOP' : 'SIGCONT');
  }
  /** Ends it in order; by force after `millis`. True if it went by itself. */
  async stop(millis: number): Promise<boolean> {
    this.#isEnding = true;
    let isForced = false;
    const timer = setTimeout(() => {
      isForced = true;
      this.#process.kill('SIGKILL');
    }, millis);
    this.send({ type: 'stop' });
    await this.exited;
    clearTimeout(timer);
    return !isForced;
  }
}
