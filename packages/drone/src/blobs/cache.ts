/**
 * Blobs that this Drone has at hand, as files that all of its slots share, so that each is pulled once however many tasks
 * need it. Bounded in bytes: what was not used for longest goes first, but nothing that a slot has been given for the lease
 * that it runs now. The folder is the process's own and goes with it.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SlotNumber } from '../agent/events.ts';

interface Kept {
  readonly hash: string;
  readonly bytes: number;
  /** Slots whose lease uses it. */
  readonly users: Set<SlotNumber>;
}
/** A blob on its way in. */
export interface IncomingBlob {
  readonly path: string;
  readonly file: FileHandle;
}

export class BlobCache {
  readonly #folder: string;
  readonly #bytesMax: number;
  /** The one that was used last stands last. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #made = 0;

  constructor(folder: string, bytesMax: number) {
    this.#folder = folder;
    this.#bytesMax = bytesMax;
  }

  /** Bytes of all that it keeps. */
  get bytes(): number {
    return this.#bytes;
  }
  has(hash: string): boolean {
    return this.#kept.has(hash);
  }

  /** Where it is, for as long as the slot's lease lasts; undefined if it is not here. */
  use(hash: string, slot: SlotNumber): string | undefined {
    const kept = this.#kept.get(hash);
    if (kept === undefined) return undefined;
    kept.users.add(slot);
    this.#kept.delete(hash);
    this.#kept.set(hash, kept);
    return this.#path(hash);
  }

  /** The slot's lease has ended. */
  release(slot: SlotNumber): void {
    for (const { users } of this.#kept.values()) users.delete(slot);
    this.#evict();
  }

  async create(): Promise<IncomingBlob> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, `incoming-${++this.#made}`);
    return { path, file: await open(path, 'wx', 0o600) };
  }

  /** All of it was written, and it is right. It stays at least until the slots that wait for it have been told. */
  async adopt({ path, file }: IncomingBlob, hash: string, users: Iterable<SlotNumber>): Promise<void> {
    const { size } = await file.stat();
    // Whoever runs as another user in a sandbox may read it; nobody may change it.
    await file.chmod(0o444);
    await file.close();
    await rename(path, this.#path(hash));
    this.#kept.set(hash, { hash, bytes: size, users: new Set(users) });
    this.#bytes += size;
    this.#evict();
  }

  async abandon({ path, file }: IncomingBlob): Promise<void> {
    await file.close().catch(() => {});
    await unlink(path).catch(() => {});
  }

  #evict(): void {
    if (this.#bytes <= this.#bytesMax) return;
    for (const { hash, bytes, users } of this.#kept.values()) {
      if (users.size > 0) continue;
      this.#kept.delete(hash);
      this.#bytes -= bytes;
      unlink(this.#path(hash)).catch(() => {});
      if (this.#bytes <= this.#bytesMax) return;
    }
  }

  #path(hash: string): string {
    return join(this.#folder, hash);
  }
}
