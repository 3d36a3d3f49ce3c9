/**
 * The files that a slot's commands print into. Each is new for its command: whoever still writes into one (a daemon that has left
 * its group) must never write into the next one's. But making and removing a file costs a fifth of a short command, so one that
 * was left empty, and that nobody can write into any more, is given to the next command, too: the spare one.
 *
 * Whether anybody can is asked of a lock. It stands on the opening that the command gets, goes with that (flock(2)), and is
 * in the way of one on ours for as long as any process has inherited it. Without flock, and while somebody watches, every
 * command has a file of its own name.
 */
import { closeSync, constants, fstatSync, linkSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Libc } from './libc.ts';

const LOCK_SHARED = 1;
const LOCK_ALONE_NOW = 2 | 4;
const UNLOCK = 8;
const { O_WRONLY, O_APPEND } = constants;

/** `events`: what functions say to their client while they run. */
export type OutputName = 'stdout' | 'stderr' | 'events';
/** The file in which a task's output is while it runs, in the slot's folder. */
export const printedFile = (folder: string, run: number, position: number, name: OutputName): string =>
  join(folder, `${run}-${position}.${name}`);
/** Where it is if nobody watched when the command began. */
export const spareFile = (folder: string, name: OutputName): string => join(folder, `spare.${name}`);

/** A task that began while nobody watched prints into a spare file: gives that the task's own name, if it is there. */
export function nameSpare(folder: string, run: number, position: number, name: OutputName): void {
  try {
    linkSync(spareFile(folder, name), printedFile(folder, run, position, name));
  } catch {
    // It has its own file, or none.
  }
}

/** Says whether somebody watches at this moment. It may change at any. */
export interface Watch {
  readonly isWatched: boolean;
}

/** One output of one command. */
export interface Printed {
  /** For us: to read, and to write at its end. */
  readonly file: number;
  /** For the command; may be the same. */
  readonly given: number;
  readonly path: string;
  readonly name: OutputName;
  readonly isSpare: boolean;
}

export class PrintedFiles {
  readonly #folder: string;
  readonly #flock: Libc['flock'] | null;
  /** Open, empty, and nobody else's. */
  readonly #spare = new Map<OutputName, number>();

  constructor(folder: string, libc: Libc | null) {
    this.#folder = folder;
    this.#flock = libc?.flock ?? null;
    // Of a thread that has died.
    for (const name of ['stdout', 'stderr'] as const) rmSync(spareFile(folder, name), { force: true });
  }

  open(run: number, position: number, name: OutputName, watch: Watch): Printed {
    const flock = this.#flock;
    const own = printedFile(this.#folder, run, position, name);
    if (watch.isWatched || flock === null) {
      // Who has begun to watch a moment ago may have given the spare one this name.
      rmSync(own, { force: true });
      const file = create(own);
      return { file, given: file, path: own, name, isSpare: false };
    }
    const path = spareFile(this.#folder, name);
    const file = this.#spare.get(name) ?? create(path);
    this.#spare.delete(name);
    let given: number;
    try {
      given = openSync(path, O_WRONLY | O_APPEND);
    } catch (error) {
      closeSync(file);
      rmSync(path, { force: true });
      throw error;
    }
    // Who has begun to watch since then looked for a spare one when it was perhaps not there yet.
    if (watch.isWatched) nameSpare(this.#folder, run, position, name);
    return { file, given, path, name, isSpare: flock(given, LOCK_SHARED) === 0 };
  }

  /** Its command has ended. Who watches reads the file until its end, and removes it. */
  close(printed: Printed, isWatched: boolean): void {
    const { file, given, path, name, isSpare } = printed;
    if (given !== file) closeSync(given);
    if (isSpare && !isWatched && this.#isNobodys(file)) {
      this.#spare.set(name, file);
      return;
    }
    closeSync(file);
    // Who watches has given a spare one the command's own name.
    if (given !== file || !isWatched) unlinkSync(path);
  }

  #isNobodys(file: number): boolean {
    const { size, nlink } = fstatSync(file);
    if (size > 0 || nlink !== 1) return false;
    const flock = this.#flock!;
    return flock(file, LOCK_ALONE_NOW) === 0 && flock(file, UNLOCK) === 0;
  }
}

/** Open for writing at its end, and for reading anywhere. */
function create(path: string): number {
  return openSync(path, 'ax+', 0o600);
}
