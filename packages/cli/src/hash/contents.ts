/**
 * The contents of files as a job takes them: whole when they have at most 1 MiB, by name when they are larger, so that
 * memory is bounded whatever is hashed. Anything that can be read works: regular files, pipes, devices, `/proc`.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { LIMITS } from '@hive/shared';
import { Gathering, type Spool, type Spooled } from './spool.ts';

/** All of it; a file of the person's that is to be streamed; or a temporary one, which is ours to remove. */
export type Contents = Uint8Array | LargeFile | Spooled;
export interface LargeFile {
  readonly named: Buffer;
  readonly bytes: number;
}

const STANDARD_INPUT = Buffer.from('-');
const WHOLE_BYTES_MAX = LIMITS.valueBytesMax;
/** How much is read at a time when nobody knows how much there is. */
const READ_BYTES = 256 * 1024;

/** @throws the operating system's error when it cannot be read */
export async function readContents(path: Buffer, input: StandardInput, spool: Spool): Promise<Contents> {
  if (isStandardInput(path)) return gather(input.chunks(), spool);
  const file = await open(path, 'r');
  try {
    const stats = await file.stat();
    if (stats.isFile() && stats.size > WHOLE_BYTES_MAX) return { named: path, bytes: stats.size };
    if (stats.isFile() && stats.size > 0) {
      const whole = await readWhole(file, stats.size);
      if (whole !== null) return whole;
    }
    return await gather(chunksOf(file), spool);
  } finally {
    await file.close();
  }
}

/** The bytes of a file or of standard input, as they come. */
export function readChunks(path: Buffer, input: StandardInput): AsyncIterable<Uint8Array> {
  return isStandardInput(path) ? input.chunks() : createReadStream(path, { highWaterMark: READ_BYTES });
}

export function isStandardInput(path: Buffer): boolean {
  return path.equals(STANDARD_INPUT);
}

/** Standard input, which can be read once: whoever names it again finds it empty, as with sha256sum. */
export class StandardInput {
  #isTaken = false;

  async *chunks(): AsyncGenerator<Uint8Array> {
    if (this.#isTaken) return;
    this.#isTaken = true;
    yield* process.stdin;
  }
}

/** A file of a known size in one read, or null when it is not as large as it said. */
async function readWhole(file: FileHandle, size: number): Promise<Uint8Array | null> {
  const buffer = Buffer.allocUnsafeSlow(size + 1);
  const { bytesRead } = await file.read(buffer, 0, size + 1, 0);
  return bytesRead === size ? buffer.subarray(0, size) : null;
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(READ_BYTES), 0, READ_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function gather(chunks: AsyncIterable<Uint8Array>, spool: Spool): Promise<Uint8Array | Spooled> {
  const value = new Gathering(spool);
  for await (const chunk of chunks) await value.append(chunk);
  return value.take();
}
