/**
 * A large file as the input of a task, read where it lies when a Drone asks. Unlike `fileStream` of the client it takes
 * names that are not valid text, and remembers the operating system's error, which never crosses the wire as such.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { StreamSource } from '@hive/client';
import { isSystemError } from './system-error.ts';

export class FileSource implements StreamSource {
  readonly bytes: number;
  readonly #path: Buffer | string;
  #file: Promise<FileHandle> | null = null;
  /** Why it could not be read, if it could not. */
  error: NodeJS.ErrnoException | null = null;

  constructor(path: Buffer | string, bytes: number) {
    this.#path = path;
    this.bytes = bytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    try {
      this.#file ??= open(this.#path, 'r');
      const file = await this.#file;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, offset);
      if (bytesRead === length) return buffer;
    } catch (error) {
      if (isSystemError(error)) this.error = error;
      this.close();
      throw error;
    }
    throw new Error('the file became shorter while it was read');
  }

  close(): void {
    this.#file?.then((file) => file.close()).catch(() => {});
    this.#file = null;
  }
}
