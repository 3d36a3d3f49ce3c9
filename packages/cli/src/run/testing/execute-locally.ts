/**
 * For tests only: runs commands here with `child_process`, as GNU parallel would, so that everything around an executor
 * can be compared with it. It holds output in memory, and knows nothing of files, folders and sandboxes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandEvent, CommandResult, CommandTask, ExecuteOptions } from '../command-task.ts';
import { hasFailed } from '../halt.ts';
import { SlotNumbers } from '../template/slots.ts';

export async function* executeLocally(
  commands: AsyncIterable<CommandTask>,
  options: ExecuteOptions,
): AsyncGenerator<CommandEvent> {
  const executor = new LocalExecutor(options);
  void executor.runAll(commands);
  yield* executor.events();
}

class LocalExecutor {
  readonly #options: ExecuteOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #children = new Set<ChildProcess>();
  readonly #slots = new SlotNumbers();
  readonly #events: CommandEvent[] = [];
  #wake: () => void = () => {};
  #isOver = false;
  #error: unknown = null;
  #lastStart = Number.NEGATIVE_INFINITY;

  constructor(options: ExecuteOptions) {
    this.#options = options;
    options.halt.addEventListener('abort', () => {
      if (options.halt.reason === 'now') this.#killAll();
    });
  }

  async runAll(commands: AsyncIterable<CommandTask>): Promise<void> {
    try {
      for await (const task of commands) {
        if (this.#options.halt.aborted) break;
        const run = this.#run(task);
        const tracked = run.finally(() => this.#running.delete(tracked));
        this.#running.add(tracked);
        while (this.#running.size >= this.#options.slots) await Promise.race(this.#running);
      }
    } catch (error) {
      this.#error = error;
      this.#killAll();
    }
    await Promise.allSettled(this.#running);
    this.#isOver = true;
    this.#wake();
  }

  async *events(): AsyncGenerator<CommandEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#isOver) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== null) throw this.#error;
  }

  #emit(event: CommandEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  async #run(task: CommandTask): Promise<void> {
    const { index } = task;
    const slot = this.#slots.take();
    for (let attempt = 1; ; attempt++) {
      await this.#delay();
      this.#emit({ type: 'started', index });
      const result = await this.#attempt(task, slot);
      if (!hasFailed(result) || attempt >= this.#options.attempts || this.#options.halt.aborted) {
        this.#slots.free(slot);
        this.#emit({ type: 'finished', index, result });
        return;
      }
    }
  }

  async #delay(): Promise<void> {
    const { delayMillis } = this.#options;
    const start = Math.max(performance.now(), this.#lastStart + delayMillis);
    this.#lastStart = start;
    if (delayMillis > 0) await sleep(Math.max(0, start - performance.now()));
  }

  async #attempt(task: CommandTask, slot: number): Promise<CommandResult> {
    const { shell, cwd, env, slotVariable, timeoutMillis, streamsOutput } = this.#options;
    const startedAt = Date.now();
    const own = task.slot ?? slot;
    const child = spawn(shell, ['-c', shellText(task.line)], {
      cwd: task.cwd === null ? cwd : resolve(cwd, task.cwd),
      env: { ...env, ...task.env, PARALLEL_JOBSLOT: String(own), [slotVariable]: String(own - 1) },
      detached: true,
    });
    this.#children.add(child);
    let isTimedOut = false;
    const timer =
      timeoutMillis === null
        ? null
        : setTimeout(() => {
            isTimedOut = true;
            kill(child, 'SIGTERM');
          }, timeoutMillis);
    const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (data: Buffer) => {
        if (streamsOutput) this.#emit({ type: 'output', index: task.index, stream: name, data });
        else written[name].push(data);
      });
    }
    const fed = feed(child, task.stdin);
    const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((ended) =>
      child.once('close', (code, name) => ended([code, name])),
    );
    await fed;
    if (timer !== null) clearTimeout(timer);
    this.#children.delete(child);
    const output = (parts: Buffer[]) => ({ data: Buffer.concat(parts), truncated: 0 });
    return {
      exitCode,
      signal: signal === null ? null : constants.signals[signal],
      isTimedOut,
      startedAt,
      endedAt: Date.now(),
      host: ':',
      stdout: output(written.stdout),
      stderr: output(written.stderr),
      sentBytes: 0,
      receivedBytes: 0,
    };
  }

  #killAll(): void {
    for (const child of this.#children) kill(child, 'SIGKILL');
  }
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It has ended already.
  }
}

async function feed(child: ChildProcess, input: CommandTask['stdin']): Promise<void> {
  const from = input === null ? [] : input instanceof Uint8Array ? [input] : input.read();
  // A command need not read what it is given.
  await pipeline(Readable.from(from), child.stdin!).catch(() => {});
}

/** Node passes text only; a line that is none is spelled out for the shell. */
function shellText(line: string | Uint8Array): string {
  if (typeof line === 'string') return line;
  const octal = [...line].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
  return `eval "$(printf %b '${octal}')"`;
}
