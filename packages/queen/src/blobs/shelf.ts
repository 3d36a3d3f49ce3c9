/**
 * The folder where a Queen keeps blobs: one file each, named by the SHA-256 of its bytes. What is on its way is in
 * `incoming`, and gone with the process; a file gets its name when all of it is there, right and durable. So whatever has
 * a name can be trusted, and no list of them is needed beside the folder. A file's time of modification says when its blob
 * was last used, to the hour.
 */
import {
  type BigIntStats,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, rename, rm, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isBlobHash, type StreamSource } from '@hive/shared';
import { OpenFiles } from '@hive/shared/node';

const INCOMING = 'incoming';
/** How much later than its file says a blob may have been used last. */
const NOTED_MILLIS = 3_600_000;

/** A blob on its way in. */
export interface IncomingBlob {
  readonly path: string;
  readonly file: FileHandle;
}
/** A blob that is here. */
export interface Shelved {
  readonly hash: string;
  readonly bytes: number;
  /** When somebody last wanted it, in milliseconds since 1970. */
  usedAt: number;
  /** What its file says of that. */
  notedAt: number;
}

export class BlobShelf {
  readonly #folder: string;
  readonly #isDurable: boolean;
  readonly #files = new OpenFiles();
  readonly #blobs = new Map<string, Shelved>();
  #made = 0;

  /** @param isDurable whether what it keeps must survive a power cut */
  constructor(folder: string, isDurable: boolean) {
    this.#folder = folder;
    this.#isDurable = isDurable;
  }

  /** Finds what is here, and removes what a crash has left behind. */
  open(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (isBlobHash(name)) this.#know(name, statSync(path, { bigint: true }));
      else if (name === INCOMING) rmSync(path, { recursive: true, force: true });
    }
    mkdirSync(join(this.#folder, INCOMING), { mode: 0o700 });
  }

  #know(hash: string, { size, mtimeMs }: BigIntStats): void {
    const usedAt = Number(mtimeMs);
    this.#blobs.set(hash, { hash, bytes: Number(size), usedAt, notedAt: usedAt });
  }

  get isEmpty(): boolean {
    return this.#blobs.size === 0;
  }
  all(): IterableIterator<Shelved> {
    return this.#blobs.values();
  }
  /** Looks a blob up without wanting it. */
  has(hash: string): boolean {
    return this.#blobs.has(hash);
  }

  /** Somebody wants it: it stays for a while. Undefined if it is not here. */
  use(hash: string, now: number): Shelved | undefined {
    const blob = this.#blobs.get(hash);
    if (blob === undefined) return undefined;
    blob.usedAt = now;
    if (now - blob.notedAt > NOTED_MILLIS) {
      blob.notedAt = now;
      // For the next start only; that it cannot be written must stop nobody.
      utimes(this.#path(hash), now / 1_000, now / 1_000).catch(() => {});
    }
    return blob;
  }

  source(hash: string): StreamSource | undefined {
    const blob = this.#blobs.get(hash);
    if (blob === undefined) return undefined;
    const path = this.#path(hash);
    return { bytes: blob.bytes, read: (offset, length) => this.#files.read(path, offset, length) };
  }

  async create(): Promise<IncomingBlob> {
    const path = join(this.#folder, INCOMING, String(++this.#made));
    return { path, file: await open(path, 'wx', 0o600) };
  }

  /** Everything was written and is right: makes it durable, and gives it its name. */
  async adopt({ path, file }: IncomingBlob, hash: string, bytes: number, now: number): Promise<void> {
    if (this.#isDurable) await file.datasync();
    await file.close();
    await rename(path, this.#path(hash));
    if (this.#isDurable) syncFolder(this.#folder);
    this.#blobs.set(hash, { hash, bytes, usedAt: now, notedAt: now });
  }

  /** It could not be read to its end, or is not what it was said to be. */
  async abandon({ path, file }: IncomingBlob): Promise<void> {
    await file.close().catch(() => {});
    await unlink(path).catch(() => {});
  }

  async remove(hash: string): Promise<void> {
    this.#blobs.delete(hash);
    await this.#files.close(this.#path(hash));
    await unlink(this.#path(hash)).catch(() => {});
  }

  /** @param isGone the folder goes too */
  async close(isGone: boolean): Promise<void> {
    await this.#files.closeAll();
    if (isGone) await rm(this.#folder, { recursive: true, force: true });
  }

  #path(hash: string): string {
    return join(this.#folder, hash);
  }
}

/** A name is durable only when its folder is. */
function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
