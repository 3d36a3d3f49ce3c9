/**
 * `command`: runs a program, or a line in a shell, and gives its exit code, what it printed, and what it used. Each in a
 * process group of its own, with a TMPDIR of its own, in a fresh folder with a scrubbed environment unless the job asks
 * for others. docs/PROTOCOL.md has the table of params and results, docs/adr/0016 says why it is done like this.
 */
import { writeSync } from 'node:fs';
import { decodeMsgpack } from '@hive/shared';
import type { Text } from '../commands/launch.ts';
import { type CommandParams, type Order, orderOf, readParams } from '../commands/params.ts';
import { CommandRunner } from '../commands/runner.ts';
import { readHead } from '../commands/stream-head.ts';
import { Workplace } from '../commands/workplace.ts';
import { badInput } from './failure.ts';
import type { Kind, KindJob, KindSlot, Task } from './kind.ts';

export const command: Kind = {
  name: 'command',
  prepare: (job, slot) => {
    const commands = new Commands(job, slot);
    return (task) => commands.run(task);
  },
  displayOutput: (encoding, output) => (encoding === 'msgpack' ? shortResult(output) : null),
};

const SHOWN_BYTES = 80;

/** How it ended, and the beginning of what it printed. */
function shortResult(output: Uint8Array): string | null {
  const { exitCode, signal, stdout } = decodeMsgpack(output) as {
    readonly exitCode?: number;
    readonly signal?: number;
    readonly stdout: Uint8Array;
  };
  const end = exitCode === undefined ? `signal ${signal}` : `exit code ${exitCode}`;
  const [line = ''] = Buffer.from(stdout.subarray(0, SHOWN_BYTES)).toString().split('\n');
  return line === '' ? end : `${end}, ${JSON.stringify(line)}`;
}

/** A thread is one slot, and has one of these for all its jobs. */
let shared: Workplace | null = null;

class Commands {
  readonly #params: CommandParams;
  readonly #place: Workplace;
  readonly #runner: CommandRunner;

  /** @throws TaskFailure */
  constructor({ encoding, params }: KindJob, slot: KindSlot) {
    if (encoding === 'hive-js')
      throw badInput('command takes plain values; submit its job with the encoding "msgpack".');
    this.#params = readParams(params);
    shared ??= new Workplace(slot.folder, slot.number, slot.groups);
    this.#place = shared;
    this.#runner = new CommandRunner(this.#params, slot, shared, encoding === 'raw');
  }

  run(task: Task): void | Promise<void> {
    if (task.streamBytes !== null) return this.#runWithStream(task);
    const order = orderOf(this.#params, task.value());
    const { stdin } = order;
    return this.#runner.run(
      task,
      order,
      stdin === null || stdin.length === 0 ? null : this.#inputFile(stdin),
    );
  }

  /** What the command reads is written to a file first: how fast it comes is not the command's affair. */
  async #runWithStream(task: Task): Promise<void> {
    const file = this.#place.openInput();
    let order: Order;
    try {
      let at = 0;
      const write = (bytes: Uint8Array) => {
        at = writeFully(file, bytes, at);
      };
      let head: unknown;
      if (this.#params.hasHead) head = await readHead(task.chunks(), write);
      else for await (const chunk of task.chunks()) write(chunk);
      order = orderOf(this.#params, head);
    } catch (error) {
      this.#place.close(file);
      throw error;
    }
    return this.#runner.run(task, order, file);
  }

  #inputFile(text: Text): number {
    const file = this.#place.openInput();
    writeFully(file, typeof text === 'string' ? Buffer.from(text) : text, 0);
    return file;
  }
}

/** The file's own offset stays at its beginning, where the command starts to read. Returns where the bytes end. */
function writeFully(file: number, bytes: Uint8Array, at: number): number {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
  return at + bytes.length;
}
