/**
 * Temporary files for what cannot be read twice or held in memory: standard input, pipes and lines beyond 1 MiB. The
 * folder is made when it is first needed and goes when the process does, whichever way it ends short of SIGKILL.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS } from '@hive/shared';

const HELD_BYTES_MAX = LIMITS.valueBytesMax;

/** A temporary file with everything in it. */
export interface Spooled {
  readonly path: string;
  readonly bytes: number;
}

export class Spool {
  #folder: string | null = null;
  #files = 0;

  /** A path for a new file. */
  newPath(): string {
    this.#folder ??= makeFolder();
    return join(this.#folder, String(this.#files++));
  }

  /** Nobody needs any of the files any more. */
  close(): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = null;
  }

  /** The file was read; its space is wanted back. */
  async remove(file: Spooled): Promise<void> {
    await rm(file.path, { force: true });
  }
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hive-hash-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One value that comes in pieces: held in memory up to 1 MiB, in a temporary file from then on. */
export class Gathering {
  readonly #spool: Spool;
  #held: Uint8Array[] = [];
  #file: FileHandle | null = null;
  #path = '';
  #bytes = 0;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Adds a piece; it is kept by reference until `take`. */
  async append(piece: Uint8Array): Promise<void> {
    this.#held.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes <= HELD_BYTES_MAX) return;
    if (this.#file === null) {
      this.#path = this.#spool.newPath();
      this.#file = await open(this.#path, 'wx', 0o600);
    }
    const held = this.#held;
    this.#held = [];
    for (const part of held) await this.#file.writeFile(part);
  }

  /** All of it; the next piece begins a new value. */
  async take(): Promise<Uint8Array | Spooled> {
    const bytes = this.#bytes;
    const held = this.#held;
    const file = this.#file;
    this.#bytes = 0;
    this.#held = [];
    this.#file = null;
    if (file === null) return held.length === 1 ? held[0]! : Buffer.concat(held, bytes);
    await file.close();
    return { path: this.#path, bytes };
  }
}

export function isSpooled(value: Uint8Array | Spooled): value is Spooled {
  return !(value instanceof Uint8Array);
}
