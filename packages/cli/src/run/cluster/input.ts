/**
 * One command as a task's input: a map, or, where what it reads is too large for that, a stream that begins with the map
 * (u32 big-endian length, the map in msgpack, then what it reads).
 */
import { resolve } from 'node:path';
import type { StreamSource } from '@hive/client';
import { encodeMsgpack, LIMITS, UsageError } from '@hive/shared';
import { type ByteText, byteText, textOrBytes } from '../byte-text.ts';
import type { CommandInput, CommandStream, CommandTask } from '../command-task.ts';
import { shellQuote } from '../template/shell-quote.ts';

const LENGTH_BYTES = 4;
/** The name of an entry, the header of a byte string. */
const STDIN_ENTRY_BYTES = 6 + 5;

export interface InputRules {
  /** Folder of whoever submits. */
  readonly cwd: string;
  /** Variables of the slot that it has. */
  readonly slotEnv: Readonly<Record<string, string>>;
}

export function inputOf(task: CommandTask, { cwd, slotEnv }: InputRules): unknown {
  const map = { line: lineOf(task, cwd), env: { ...task.env, ...slotEnv } };
  const { stdin } = task;
  if (stdin === null) return map;
  // With this entry a stream is longer than a map with the same bytes: none is so short that it would go as a value.
  const head = encodeMsgpack({ ...map, args: [] });
  const bytes = stdin instanceof Uint8Array ? stdin.length : stdin.bytes;
  if (stdin instanceof Uint8Array && head.length + STDIN_ENTRY_BYTES + bytes <= LIMITS.valueBytesMax)
    return { ...map, stdin };
  const prefix = Buffer.alloc(LENGTH_BYTES + head.length);
  prefix.writeUInt32BE(head.length);
  prefix.set(head, LENGTH_BYTES);
  return withHead(prefix, stdin);
}

/** GNU parallel makes the folder that --wd names; `...` is the fresh one where a command is anyway. */
function lineOf({ line, cwd: folder }: CommandTask, cwd: string): string | Uint8Array {
  if (folder === null || folder === '...') return line;
  const quoted = shellQuote(byteText(resolve(cwd, folder)));
  const text: ByteText = typeof line === 'string' ? byteText(line) : Buffer.from(line).toString('latin1');
  return textOrBytes(`mkdir -p -- ${quoted} && cd -- ${quoted} || exit 255\n${text}`);
}

function withHead(prefix: Uint8Array, stdin: CommandInput): StreamSource {
  const reader = stdin instanceof Uint8Array ? null : new Rereader(stdin);
  const rest = (offset: number, length: number) =>
    reader === null ? (stdin as Uint8Array).subarray(offset, offset + length) : reader.read(offset, length);
  return {
    bytes: prefix.length + (stdin instanceof Uint8Array ? stdin.length : stdin.bytes),
    heldBytes: prefix.length + (stdin instanceof Uint8Array ? stdin.length : 0),
    async read(offset, length) {
      const begun = prefix.subarray(offset, offset + length);
      if (begun.length === length) return begun;
      return Buffer.concat([begun, await rest(offset + begun.length - prefix.length, length - begun.length)]);
    },
    close: () => reader?.close(),
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

  close(): void {
    void this.#chunks?.return?.();
    this.#chunks = null;
    this.#chunk = new Uint8Array();
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#chunks === null || offset < this.#at) {
      this.close();
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
