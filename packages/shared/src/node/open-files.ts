/**
 * Files that are read piece by piece: kept open between two pieces, and only so many at once.
 */
import { type FileHandle, open } from 'node:fs/promises';

const OPEN_MAX = 64;

interface Entry {
  readonly file: Promise<FileHandle>;
  /** Reads under way. */
  readers: number;
}

export class OpenFiles {
  /** The one that was used last stands last. */
  readonly #entries = new Map<string, Entry>();

  /** The bytes at [offset, offset + length), fewer at the end of the file. Rejects when it cannot be read. */
  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    const entry = this.#entryOf(path);
    entry.readers++;
    try {
      const file = await entry.file;
      const buffer = Buffer.allocUnsafeSlow(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    } finally {
      entry.readers--;
      if (this.#entries.get(path) !== entry && entry.readers === 0) await closeQuietly(entry);
    }
  }

  /** Length of a file in bytes; undefined if it is not there. */
  async size(path: string): Promise<number | undefined> {
    try {
      const file = await this.#entryOf(path).file;
      return (await file.stat()).size;
    } catch {
      return undefined;
    }
  }

  /** A later read opens it again. */
  async close(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    this.#entries.delete(path);
    if (entry !== undefined && entry.readers === 0) await closeQuietly(entry);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((path) => this.close(path)));
  }

  #entryOf(path: string): Entry {
    const known = this.#entries.get(path);
    this.#entries.delete(path);
    const entry = known ?? { file: open(path, 'r'), readers: 0 };
    if (known === undefined) entry.file.catch(() => this.#entries.delete(path));
    this.#entries.set(path, entry);
    if (this.#entries.size > OPEN_MAX) void this.close(this.#entries.keys().next().value!);
    return entry;
  }
}

async function closeQuietly({ file }: Entry): Promise<void> {
  try {
    await (await file).close();
  } catch {
    // It could not be opened, or is gone.
  }
}
