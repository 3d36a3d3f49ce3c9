/**
 * The thread's end of outputs over 1 MiB: one file at a time, written where the task runs. Writing is synchronous, because
 * a slot's thread has nothing else to do.
 */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { outputFile, type RunNumber, type SlotNumber } from '../agent/events.ts';
import { TaskFailure } from '../kinds/failure.ts';

export class OutputWriter {
  readonly #folder: string;
  readonly #slot: SlotNumber;
  #open: { readonly path: string; readonly file: number } | null = null;
  /** Bytes written for the task at hand. */
  bytes = 0;

  constructor(folder: string, slot: SlotNumber) {
    this.#folder = folder;
    this.#slot = slot;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  /** @throws TaskFailure when the disk does not take it */
  write(run: RunNumber, position: number, bytes: Uint8Array): void {
    try {
      this.#open ??= this.#create(join(this.#folder, outputFile(this.#slot, run, position)));
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#open.file, bytes, done);
      this.bytes += bytes.length;
    } catch (error) {
      throw new TaskFailure(
        'outputFailed',
        `The output could not be written: ${(error as Error).message}`,
        true,
      );
    }
  }

  /** The file stays. */
  finish(): void {
    if (this.#open !== null) closeSync(this.#open.file);
    this.#open = null;
    this.bytes = 0;
  }

  /** What was written goes. */
  discard(): void {
    const path = this.#open?.path;
    this.finish();
    if (path !== undefined) unlinkSync(path);
  }

  #create(path: string): { path: string; file: number } {
    return { path, file: openSync(path, 'w', 0o600) };
  }
}
