/**
 * Inputs that are too large for a page: the Drone pulls them chunk by chunk, the Queen relays, and the client reads from
 * wherever they are when asked. They are kept until the result of their task has arrived, because a retry reads again.
 */
import { fstatSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { LIMITS, type StreamSource, UsageError } from '@hive/shared';

export type { StreamSource } from '@hive/shared';

export function isStreamSource(value: unknown): value is StreamSource {
  const { bytes, read } = (value ?? {}) as Partial<StreamSource>;
  return typeof value === 'object' && typeof read === 'function' && typeof bytes === 'number';
}

/** A source over bytes in memory. */
export function bytesStream(data: Uint8Array): StreamSource {
  return {
    bytes: data.length,
    heldBytes: data.length,
    read: (offset, length) => Promise.resolve(data.subarray(offset, offset + length)),
  };
}

/**
 * A file as an input, of any size. Its length is taken now; it is opened when the first byte is wanted, and closed when
 * its end was read. A file that has changed its length by then fails its task.
 * @throws UsageError 'noFile' if there is no such file
 */
export function fileStream(path: string): StreamSource {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw new UsageError(`There is no file ${path}.`, 'noFile');
  const bytes = stats.size;
  let handle: Promise<FileHandle> | null = null;
  const close = () => {
    handle?.then((file) => file.close()).catch(() => {});
    handle = null;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    handle ??= openUnchanged(path, bytes);
    const file = await handle;
    const buffer = new Uint8Array(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    if (bytesRead !== length) throw changed(path, bytes);
    return buffer;
  };
  return {
    bytes,
    read: (offset, length) =>
      read(offset, length).catch((error) => {
        close();
        throw error;
      }),
    close,
  };
}

async function openUnchanged(path: string, bytes: number): Promise<FileHandle> {
  const file = await open(path, 'r');
  if (fstatSync(file.fd).size === bytes) return file;
  await file.close();
  throw changed(path, bytes);
}

const changed = (path: string, bytes: number) =>
  new Error(`${path} has changed: it had ${bytes} bytes when its task was submitted`);

/** What an entry costs beside its bytes, so that a great many files are bounded too. */
const ENTRY_BYTES = 256;

/** The sources of one job, by index. */
export class Sources {
  readonly #byIndex = new Map<number, StreamSource>();
  #heldBytes = 0;

  get size(): number {
    return this.#byIndex.size;
  }
  /** Whether so much is held that no more should be taken until results have come. */
  get isFull(): boolean {
    return this.#heldBytes >= LIMITS.inputBytesHeldMax;
  }
  get(index: number): StreamSource | undefined {
    return this.#byIndex.get(index);
  }
  add(index: number, source: StreamSource): void {
    this.#byIndex.set(index, source);
    this.#heldBytes += ENTRY_BYTES + (source.heldBytes ?? 0);
  }
  /** The tasks [first, first + count) have ended. */
  release(first: number, count: number): void {
    if (count < this.#byIndex.size) {
      for (let index = first; index < first + count; index++) this.#drop(index);
      return;
    }
    for (const index of this.#byIndex.keys()) {
      if (index >= first && index < first + count) this.#drop(index);
    }
  }
  clear(): void {
    for (const index of this.#byIndex.keys()) this.#drop(index);
  }
  #drop(index: number): void {
    const source = this.#byIndex.get(index);
    if (source === undefined) return;
    this.#byIndex.delete(index);
    this.#heldBytes -= ENTRY_BYTES + (source.heldBytes ?? 0);
    try {
      source.close?.();
    } catch {
      // A source that cannot even be closed is nobody's concern any more.
    }
  }
}
