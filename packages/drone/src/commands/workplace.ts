/**
 * Where a slot's commands live on the disk: a folder for TMPDIR, a fresh one to start in, and files for what they read and
 * print. All of it is in the Drone's own folder, which goes when the Drone ends, or is killed.
 *
 * Making and removing a folder costs as much as a short command, so one that was left empty is used again.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { loadLibc } from './libc.ts';
import { PrintedFiles } from './printed-files.ts';

export const slotFolder = (outputs: string, slot: number): string => join(outputs, `slot-${slot}`);
/** One line per slot: see GROUP_BYTES. */
export const groupsFile = (outputs: string): string => join(outputs, 'groups');
/** Bytes of a slot's line: the number of its process group, or 0, padded on the left, and a line feed. */
export const GROUP_BYTES = 12;
export const groupLine = (group: number): string => `${String(group).padStart(GROUP_BYTES - 1)}\n`;

export class Workplace {
  readonly tmp: string;
  readonly work: string;
  readonly #folder: string;
  readonly #slot: number;
  readonly #groups: number;
  readonly nothing: number;
  readonly printed: PrintedFiles;

  constructor(folder: string, slot: number, groups: string) {
    this.#folder = folder;
    this.#slot = slot;
    this.tmp = join(folder, 'tmp');
    this.work = join(folder, 'work');
    for (const path of [folder, this.tmp, this.work]) mkdirSync(path, { recursive: true, mode: 0o700 });
    // Of a thread that was ended while it put files into place.
    this.clean();
    this.nothing = openSync('/dev/null', 'r+');
    this.printed = new PrintedFiles(folder, loadLibc());
    // Not 'w': the other slots' lines stay.
    this.#groups = openSync(groups, 'r+');
  }

  /** A file without a name to be filled with what the command reads; its offset stays at 0 as long as one says where. */
  openInput(): number {
    const path = join(this.#folder, 'stdin');
    const file = openSync(path, 'w+', 0o600);
    unlinkSync(path);
    return file;
  }

  /** The group that runs now, or 0: what the guardian ends if this process is killed. */
  noteGroup(group: number): void {
    writeSync(this.#groups, groupLine(group), this.#slot * GROUP_BYTES, 'latin1');
  }

  /** Empties the folders for the next command. */
  clean(): void {
    for (const path of [this.tmp, this.work]) {
      if (isEmpty(path)) continue;
      removeAll(path);
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
  }

  close(file: number): void {
    closeSync(file);
  }
}

function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).length === 0;
  } catch {
    // It has removed or shut its own folder.
    return false;
  }
}

function removeAll(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // What cannot be removed (another user's files) stays until the Drone ends.
  }
}
