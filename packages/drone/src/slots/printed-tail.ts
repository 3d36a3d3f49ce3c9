/**
 * Reads what the commands of a slot print while they run, on the main thread, and only while somebody watches. The files
 * of a watched command's output are left here by the thread, so that their ends are read before they go.
 *
 * A reader who is too slow never holds a command up: while he takes nothing (`mayRead` says no) nothing is read, and later
 * it goes on where it was; of what is not read when a command has ended the last piece is told, and the rest is left out,
 * which its offsets show.
 */
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { LIMITS } from '@hive/shared';
import type { RunNumber } from '../agent/events.ts';
import { nameSpare, type OutputName, printedFile } from '../commands/printed-files.ts';

/** Pieces of one stream that one look takes: 1 MiB ten times a second. */
const PIECES_MAX = 4;
/** Errors first, so that a flood on the other never costs them. */
const NAMES = ['stderr', 'stdout', 'events'] as const;

export interface Printed {
  readonly position: number;
  readonly stream: OutputName;
  readonly offset: number;
  readonly data: Uint8Array;
}

export class PrintedTail {
  readonly #folder: string;
  readonly #mayRead: () => boolean;
  readonly #tell: (printed: Printed) => void;
  #run: RunNumber = 0;
  /** Whether files may have been left here in this run. */
  #isUsed = false;
  #position = 0;
  readonly #offsets = { stdout: 0, stderr: 0, events: 0 };

  constructor(folder: string, mayRead: () => boolean, tell: (printed: Printed) => void) {
    this.#folder = folder;
    this.#mayRead = mayRead;
    this.#tell = tell;
  }

  /** Another lease begins, whose number in the slot is `run`. */
  begin(run: RunNumber, isWatched: boolean): void {
    this.#run = run;
    this.#isUsed = isWatched;
    this.#goTo(0);
  }

  /**
   * Begins again with the first byte of the task that runs. `running` says which one that is; from before this call on,
   * whatever starts knows that it is watched.
   */
  restart(running: () => number): void {
    this.#isUsed = true;
    const position = running();
    this.#goTo(position);
    for (const name of NAMES) nameSpare(this.#folder, this.#run, position, name);
    // By now the spare files may be another task's, or nobody's.
    if (running() !== position) for (const name of NAMES) this.#remove(name);
  }

  /** What is new of the task that runs. */
  look(position: number): void {
    this.finish(position);
    if (this.#isUsed) this.#readAll();
  }

  /** The tasks before this position have ended: what is left of their output is read, and their files go. */
  finish(position: number): void {
    if (!this.#isUsed) return;
    while (this.#position < position) {
      this.#readAll(true);
      for (const name of NAMES) this.#remove(name);
      this.#goTo(this.#position + 1);
    }
  }

  #goTo(position: number): void {
    this.#position = position;
    this.#offsets.stdout = 0;
    this.#offsets.stderr = 0;
    this.#offsets.events = 0;
  }

  #readAll(isLast = false): void {
    for (const name of NAMES) this.#read(name, isLast);
  }

  #read(name: OutputName, isLast: boolean): void {
    const file = this.#open(name);
    if (file === null) return;
    try {
      for (let pieces = 0; pieces < PIECES_MAX; pieces++) if (!this.#tellPiece(file, name)) return;
      if (!isLast) return;
      const { size } = fstatSync(file);
      this.#offsets[name] = Math.max(this.#offsets[name], size - LIMITS.chunkBytesMax);
      this.#tellPiece(file, name);
    } finally {
      closeSync(file);
    }
  }

  /** @returns whether there may be more */
  #tellPiece(file: number, name: OutputName): boolean {
    if (!this.#mayRead()) return false;
    const piece = Buffer.allocUnsafe(LIMITS.chunkBytesMax);
    const offset = this.#offsets[name];
    const count = readSync(file, piece, 0, piece.length, offset);
    if (count === 0) return false;
    this.#offsets[name] += count;
    this.#tell({ position: this.#position, stream: name, offset, data: piece.subarray(0, count) });
    return count === piece.length;
  }

  /** Null if it is not there: the task has not begun, or began before anybody watched and has ended. */
  #open(name: OutputName): number | null {
    try {
      return openSync(printedFile(this.#folder, this.#run, this.#position, name), 'r');
    } catch {
      return null;
    }
  }

  #remove(name: OutputName): void {
    try {
      unlinkSync(printedFile(this.#folder, this.#run, this.#position, name));
    } catch {
      // The thread has removed it.
    }
  }
}
