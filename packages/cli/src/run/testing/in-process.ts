/** For tests: `hive run` in this process, with texts for streams and any executor. */
import { PassThrough, Readable } from 'node:stream';
import type { StartEngine } from '../cluster/engine.ts';
import type { CommandEvent, CommandResult, CommandTask, Execute, ExecuteOptions } from '../command-task.ts';
import { type RunPlace, run } from '../run.ts';

const CPUS = 4;

export interface InProcess {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface InProcessOptions extends Partial<Omit<RunPlace, 'stdin' | 'stdout' | 'stderr'>> {
  /** Where standard error goes; what is written comes back as text, too. */
  readonly stderr?: PassThrough;
  readonly stdin?: string | AsyncIterable<Uint8Array>;
}

export function runHere(
  args: readonly string[],
  execute: Execute,
  options: InProcessOptions = {},
): Promise<InProcess> {
  return runWith(args, engineOf(execute, CPUS), options);
}

export async function runWith(
  args: readonly string[],
  start: StartEngine,
  { stdin = '', stderr: errors = new PassThrough(), ...others }: InProcessOptions = {},
): Promise<InProcess> {
  const streams = { stdout: new PassThrough(), stderr: errors };
  const texts = Promise.all([textOf(streams.stdout), textOf(streams.stderr)]);
  const place: RunPlace = {
    ...streams,
    stdin: Readable.from(typeof stdin === 'string' ? [Buffer.from(stdin)] : stdin),
    env: { PATH: process.env['PATH'], PARALLEL_SHELL: '/bin/sh' },
    cwd: process.cwd(),
    pid: 4711,
    parentPid: 0,
    cpus: CPUS,
    version: '0',
    now: () => 0,
    interrupt: new AbortController().signal,
    ...others,
  };
  const exitCode = await run(args, place, start);
  streams.stdout.end();
  streams.stderr.end();
  const [stdout, stderr] = await texts;
  return { exitCode, stdout, stderr };
}

/** One that runs commands with this. */
export function engineOf(execute: Execute, cpus: number): StartEngine {
  return async () => ({ execute, cpus, async [Symbol.asyncDispose]() {} });
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export const resultOf = (stdout: string, others: Partial<CommandResult> = {}): CommandResult => ({
  exitCode: 0,
  signal: null,
  isTimedOut: false,
  startedAt: 1_700_000_000_000,
  endedAt: 1_700_000_001_500,
  host: ':',
  stdout: { data: Buffer.from(stdout), truncated: 0 },
  stderr: { data: new Uint8Array(), truncated: 0 },
  sentBytes: 0,
  receivedBytes: 0,
  ...others,
});

/** An executor that runs nothing, remembers what it was asked, and ends everything with the same result. */
export class Recorder {
  readonly tasks: CommandTask[] = [];
  options: ExecuteOptions | null = null;
  readonly #most: number;

  /** @param most commands that it takes before it has had enough */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  get lines(): (string | Uint8Array)[] {
    return this.tasks.map((task) => task.line);
  }

  readonly execute = (commands: AsyncIterable<CommandTask>, options: ExecuteOptions) => {
    this.options = options;
    return this.#events(commands);
  };

  async *#events(commands: AsyncIterable<CommandTask>): AsyncGenerator<CommandEvent> {
    for await (const task of commands) {
      this.tasks.push(task);
      yield { type: 'started', index: task.index };
      yield { type: 'finished', index: task.index, result: resultOf('') };
      if (this.tasks.length >= this.#most) return;
    }
  }
}
