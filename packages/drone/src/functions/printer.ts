/**
 * What functions print: `console.log` and all that writes to the thread's stdout and stderr goes to files, as that of
 * commands does, so that it can be watched while they run and survives the thread's death. Nothing is opened for a task
 * that prints nothing.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { closeSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { encodeHiveJs } from '@hive/shared';
import { type OutputName, printedFile } from '../commands/printed-files.ts';
import type { KindSlot } from '../kinds/kind.ts';

/** Of one stream of one task; what is printed beyond it is left out. */
const PRINTED_BYTES_MAX = 16 * 1024 * 1024;

/** The output of one task. */
export class Printed {
  readonly #slot: KindSlot;
  readonly #run: number;
  readonly #position: number;
  readonly #files = new Map<OutputName, { file: number; bytes: number }>();
  #isOver = false;

  constructor(slot: KindSlot, position: number) {
    this.#slot = slot;
    this.#run = slot.run;
    this.#position = position;
  }

  write(name: OutputName, bytes: Uint8Array): void {
    if (this.#isOver) return;
    let open = this.#files.get(name);
    if (open === undefined) {
      open = { file: this.#open(name), bytes: 0 };
      this.#files.set(name, open);
    }
    const room = PRINTED_BYTES_MAX - open.bytes;
    if (room <= 0) return;
    open.bytes += writeSync(open.file, bytes.length > room ? bytes.subarray(0, room) : bytes);
  }

  /** A line that only a client reads: the value, as hive-js in base64. */
  event(value: unknown): void {
    const bytes = encodeHiveJs(value);
    this.write('events', Buffer.from(`${Buffer.from(bytes).toString('base64')}\n`));
  }

  /** The task has ended. What is watched is read and removed by the main thread. */
  end(): void {
    this.#isOver = true;
    for (const [name, { file }] of this.#files) {
      closeSync(file);
      if (!this.#slot.isWatched) unlinkSync(printedFile(this.#slot.folder, this.#run, this.#position, name));
    }
  }

  #open(name: OutputName): number {
    mkdirSync(this.#slot.folder, { recursive: true, mode: 0o700 });
    return openSync(printedFile(this.#slot.folder, this.#run, this.#position, name), 'a', 0o600);
  }
}

/** The task that runs, or, where several do, the one in whose course something is printed. */
let current: Printed | null = null;
const several = new AsyncLocalStorage<Printed>();
let isCaptured = false;

/** From now on, what is printed belongs to this task; null: to none. */
export function printFor(printed: Printed | null): void {
  if (!isCaptured && printed !== null) capture();
  current = printed;
}
/** The same, for one of several that run at once. */
export function printWithin<T>(printed: Printed, run: () => T): T {
  if (!isCaptured) capture();
  return several.run(printed, run);
}

function capture(): void {
  isCaptured = true;
  for (const name of ['stdout', 'stderr'] as const) {
    const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
      const bytes =
        typeof chunk === 'string'
          ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
          : chunk;
      (several.getStore() ?? current)?.write(name, bytes);
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
    Object.defineProperty(process[name], 'write', { value: write, configurable: true, writable: true });
  }
}
