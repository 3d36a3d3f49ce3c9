/**
 * Outputs over 1 MiB: a slot's thread writes each into a file of its own, which stays until its result is acknowledged or
 * not wanted any more, and is read by the Queen meanwhile. Nothing of it is held in memory.
 *
 * The folder is the process's own. What a killed process left behind is removed by the next one on the machine.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StreamSource } from '@hive/shared';
import { OpenFiles } from '@hive/shared/node';
import type { OutputFile } from '../agent/events.ts';

const PREFIX = 'hive-drone-';
/** What the name of a process's folder begins with. */
export const folderPrefix = (pid: number): string => `${PREFIX}${pid}-`;

export class OutputFiles {
  readonly folder: string;
  readonly #files = new OpenFiles();

  constructor(parent = tmpdir()) {
    removeStale(parent);
    this.folder = mkdtempSync(join(parent, folderPrefix(process.pid)));
  }

  source(file: OutputFile, bytes: number): StreamSource {
    const path = join(this.folder, file);
    return { bytes, read: (offset, length) => this.#files.read(path, offset, length) };
  }

  /** Nobody wants it any more; it may not be there. */
  drop(file: OutputFile): void {
    const path = join(this.folder, file);
    void this.#files.close(path).then(() => unlink(path).catch(() => {}));
  }

  async close(): Promise<void> {
    await this.#files.closeAll();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(pid) && !isAlive(pid)) {
      try {
        rmSync(join(parent, name), { recursive: true, force: true });
      } catch {
        // Another user's.
      }
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
