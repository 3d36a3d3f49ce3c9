/**
 * `command`: runs a program, or a line in a shell, and gives its exit code, what it printed, and what it used. Each in a
 * process group of its own, with a TMPDIR of its own, in a fresh folder with a scrubbed environment unless the job asks
 * for others. docs/PROTOCOL.md has the table of params and results, docs/adr/0016 says why it is done like this.
 */
import { writeSync } from 'node:fs';
import { ByteReader, decodeMsgpack } from '@hive/shared';
import type { Text } from '../commands/launch.ts';
import { type CommandParams, type Order, orderOf, readParams } from '../commands/params.ts';
import { PlacedFiles } from '../commands/place-files.ts';
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
  readonly #slot: KindSlot;
  readonly #place: Workplace;
  readonly #runner: CommandRunner;

  /** @throws TaskFailure */
  constructor({ encoding, params }: KindJob, slot: KindSlot) {
    if (encoding === 'hive-js')
      throw badInput('command takes plain values; submit its job with the encoding "msgpack".');
    this.#params = readParams(params);
    this.#slot = slot;
    if (encoding === 'raw' && this.#params.returns.length > 0)
      throw badInput('"returns" of command needs the encoding "msgpack".');
    shared ??= new Workplace(slot.folder, slot.number, slot.groups);
    this.#place = shared;
    this.#runner = new CommandRunner(this.#params, slot, shared, encoding === 'raw');
  }

  run(task: Task): void | Promise<void> {
    if (task.streamBytes !== null) return this.#runWithStream(task, task.chunks());
    const value = task.value();
    if (this.#params.hasHead && value instanceof Uint8Array) return this.#runWithStream(task, whole(value));
    const order = orderOf(this.#params, value);
    const { stdin } = order;
    if (this.#hasFiles(order))
      return this.#runWithFiles(task, order, new ByteReader(whole(new Uint8Array(0))));
    const file = stdin === null || stdin.length === 0 ? null : this.#inputFile(stdin);
    return this.#runner.run(task, order, file, null);
  }

  /** What the command reads is written to a file first: how fast it comes is not the command's affair. */
  async #runWithStream(task: Task, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const reader = new ByteReader(chunks);
    const head = this.#params.hasHead ? await readHead(reader) : undefined;
    const order = orderOf(this.#params, head);
    if (this.#hasFiles(order)) return this.#runWithFiles(task, order, reader);
    return this.#runner.run(task, order, await this.#streamFile(reader.rest()), null);
  }

  #hasFiles({ files, returns }: Order): boolean {
    return files.length + returns.length + this.#params.baseFiles.length > 0;
  }

  /** The stream is standard input, if `stdinBytes` says how much of it is, and then the files. */
  async #runWithFiles(task: Task, order: Order, reader: ByteReader): Promise<void> {
    this.#runner.mayPlaceIn(order);
    const { stdin, stdinBytes, files, cwd } = order;
    let file: number | null = null;
    let placed: PlacedFiles | null = null;
    try {
      if (stdinBytes !== null) file = await this.#streamFile(reader.part(stdinBytes));
      else if (stdin !== null && stdin.length > 0) file = this.#inputFile(stdin);
      placed = new PlacedFiles(cwd ?? this.#place.work);
      for (const base of this.#params.baseFiles)
        if (base.blob === null) await placed.place(base, reader);
        else placed.placeCopy(base, await this.#blob(task, base.blob));
      for (const entry of files) await placed.place(entry, reader);
      placed.finish();
    } catch (error) {
      if (file !== null) this.#place.close(file);
      if (cwd !== null && this.#params.isCleaned) placed?.remove([]);
      this.#place.clean();
      throw error;
    }
    try {
      await this.#runner.run(task, order, file, placed);
    } finally {
      if (cwd !== null && this.#params.isCleaned) placed.remove(placed.given);
    }
  }

  /** Whoever cancels the task need not wait for a Queen who is away. */
  #blob({ signal }: Task, hash: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const cancelled = () => reject(signal.reason);
      signal.addEventListener('abort', cancelled, { once: true });
      this.#slot
        .blob(hash)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', cancelled));
    });
  }

  async #streamFile(chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const file = this.#place.openInput();
    try {
      let at = 0;
      for await (const chunk of chunks) at = writeFully(file, chunk, at);
      return file;
    } catch (error) {
      this.#place.close(file);
      throw error;
    }
  }

  #inputFile(text: Text): number {
    const file = this.#place.openInput();
    writeFully(file, typeof text === 'string' ? Buffer.from(text) : text, 0);
    return file;
  }
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

/** The file's own offset stays at its beginning, where the command starts to read. Returns where the bytes end. */
function writeFully(file: number, bytes: Uint8Array, at: number): number {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
  return at + bytes.length;
}
