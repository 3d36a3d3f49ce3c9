/**
 * One command as a task's input: a map, or, where what it reads is too large for that or it has files, a stream that begins
 * with the map, then what it reads, then the files.
 */
import { resolve } from 'node:path';
import { commandStream, type LocalFile, type StreamSource } from '@hive/client';
import { encodeMsgpack, LIMITS, UsageError } from '@hive/shared';
import { type ByteText, byteText, textOrBytes } from '../byte-text.ts';
import type { CommandInput, CommandStream, CommandTask } from '../command-task.ts';
import { shellQuote } from '../template/shell-quote.ts';
import { returnPath } from './files.ts';

/** The name of an entry, the header of a byte string. */
const STDIN_ENTRY_BYTES = 6 + 5;

export interface InputRules {
  /** Folder of whoever submits. */
  readonly cwd: string;
  /** Variables of the slot that it has. */
  readonly slotEnv: Readonly<Record<string, string>>;
  /** Files go with it or come back, or all commands have some. */
  readonly hasFiles: boolean;
  /** Those that go with it. */
  readonly files: readonly LocalFile[];
}

/** A command that has files is always a stream: their bytes follow what it reads. @throws UsageError */
export async function inputOf(task: CommandTask, rules: InputRules): Promise<unknown> {
  const { cwd, slotEnv, hasFiles } = rules;
  const env = { ...task.env, ...slotEnv };
  const { stdin } = task;
  if (hasFiles) {
    const folder = isOwnFolder(task.cwd) ? {} : { cwd: resolve(cwd, task.cwd) };
    const returns = task.return.map((path) => returnPath(path, cwd).path);
    const map = { line: task.line, env, ...folder, ...(returns.length === 0 ? {} : { returns }) };
    return commandStream(map, stdin === null ? null : sourceOf(stdin), rules.files);
  }
  const map = { line: lineOf(task, cwd), env };
  if (stdin === null) return map;
  const bytes = stdin instanceof Uint8Array ? stdin.length : stdin.bytes;
  const head = encodeMsgpack(map);
  if (stdin instanceof Uint8Array && head.length + STDIN_ENTRY_BYTES + bytes <= LIMITS.valueBytesMax)
    return { ...map, stdin };
  return commandStream(map, sourceOf(stdin), []);
}

const isOwnFolder = (folder: string | null): folder is '...' | null => folder === null || folder === '...';

/** GNU parallel makes the folder that --wd names; `...` is the fresh one where a command is anyway. */
function lineOf({ line, cwd: folder }: CommandTask, cwd: string): string | Uint8Array {
  if (isOwnFolder(folder)) return line;
  const quoted = shellQuote(byteText(resolve(cwd, folder)));
  const text: ByteText = typeof line === 'string' ? byteText(line) : Buffer.from(line).toString('latin1');
  return textOrBytes(`mkdir -p -- ${quoted} && cd -- ${quoted} || exit 255\n${text}`);
}

function sourceOf(stdin: CommandInput): StreamSource {
  if (stdin instanceof Uint8Array) {
    const read = async (offset: number, length: number) => stdin.subarray(offset, offset + length);
    return { bytes: stdin.length, heldBytes: stdin.length, read };
  }
  const reader = new Rereader(stdin);
  return {
    bytes: stdin.bytes,
    read: (offset, length) => reader.read(offset, length),
    close: () => reader.close(),
  };
}

/** Bytes at any place of what can only be read from its beginning. Whoever reads on pays nothing for that. */
class Rereader {
  readonly #stream: CommandStream;
  #chunks: AsyncIterator<Uint8Array> | null = null;
  #chunk: Uint8Array = new Uint8Array();
  /** Where `#chunk` begins. */
  #at = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(stream: CommandStream) {
    this.#stream = stream;
  }

  /** One after the other, whoever asks. */
  read(offset: number, length: number): Promise<Uint8Array> {
    const read = this.#reading.then(() => this.#read(offset, length));
    this.#reading = read.catch(() => {});
    return read;
  }

  /** After what is being read. Whoever reads later begins anew. */
  close(): void {
    this.#reading = this.#reading.then(() => this.#drop());
  }

  #drop(): void {
    void this.#chunks?.return?.();
    this.#chunks = null;
    this.#chunk = new Uint8Array();
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#chunks === null || offset < this.#at) {
      this.#drop();
      this.#chunks = this.#stream.read()[Symbol.asyncIterator]();
      this.#at = 0;
    }
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; ) {
      const from = offset + length - missing - this.#at;
      if (from >= this.#chunk.length) {
        await this.#next();
        continue;
      }
      const part = this.#chunk.subarray(from, from + missing);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  async #next(): Promise<void> {
    const { done, value } = await this.#chunks!.next();
    if (done === true) throw new UsageError('A block of standard input is shorter than it was.', 'badValue');
    this.#at += this.#chunk.length;
    this.#chunk = value;
  }
}
