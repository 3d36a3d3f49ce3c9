/** The gateway under test, and what it uses. */
import { type ChildProcess, fork } from 'node:child_process';
import { extname, join } from 'node:path';
import type { ProcessesAccess } from '@hive/local';
import type { Usage } from './entry-gateway.ts';

const SAMPLE_MILLIS = 100;

export class GatewayProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(queen: ProcessesAccess): Promise<GatewayProcess> {
    const entry = join(import.meta.dirname, `entry-gateway${extname(import.meta.filename)}`);
    const child = fork(entry, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.send(queen);
    const { port } = await answerOf<{ port: number }>(child);
    return new GatewayProcess(child, port);
  }

  async usage(): Promise<Usage> {
    this.#child.send('usage');
    return (await answerOf<{ usage: Usage }>(this.#child)).usage;
  }

  /** Runs `body` and says how much memory the gateway held at most, as far as looking ten times a second shows it. */
  async watching(body: () => Promise<void>): Promise<{ peakBytes: number; cpuMillis: number }> {
    const before = await this.usage();
    let peakBytes = before.residentBytes;
    let isOver = false;
    const watch = async () => {
      while (!isOver) {
        peakBytes = Math.max(peakBytes, (await this.usage()).residentBytes);
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_MILLIS));
      }
    };
    const watching = watch();
    try {
      await body();
    } finally {
      isOver = true;
      await watching;
    }
    return { peakBytes, cpuMillis: (await this.usage()).cpuMillis - before.cpuMillis };
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}

/** @throws Error when it ends instead */
function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the gateway ended (${code})`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}
