/**
 * The main thread's reader of a slot's results: takes the finished prefix out of the ring as a page. It works the same on
 * a living thread and on what a dead one left behind.
 */
import { decodeMsgpack, writeU32 } from '@hive/shared';
import type { SlotFailure, SlotStream } from '../agent/events.ts';
import type { Taken } from '../folds/fold-taken.ts';
import {
  type ControlBlock,
  FAILED_BIT,
  type FailedOutput,
  FINISH_BIT,
  RING_BYTES,
  STREAM_BIT,
  WORD,
} from './control-block.ts';

const NO_BYTES = new Uint8Array(0);

export class ResultReader {
  readonly #words: Int32Array;
  readonly #sizes: Uint32Array;
  readonly #ring: Uint8Array;
  /** What it has taken is not needed any more, and gives the thread room. */
  readonly #frees: boolean;
  #position = 0;
  /** Where the next value begins in the ring, unless it does not fit there. */
  #at = 0;
  #taken = 0;

  constructor(block: ControlBlock, sizes: SharedArrayBuffer, ring: SharedArrayBuffer, frees = true) {
    this.#frees = frees;
    this.#words = block.words;
    this.#sizes = new Uint32Array(sizes);
    this.#ring = new Uint8Array(ring);
  }

  /** A new lease begins; the thread is at rest. */
  reset(): void {
    this.restart();
    Atomics.store(this.#words, WORD.taken, 0);
  }

  /** Positions below this were taken. */
  get position(): number {
    return this.#position;
  }

  /** Begins at the first task, and leaves the thread's room as it is. */
  restart(): void {
    this.#position = 0;
    this.#at = 0;
    this.#taken = 0;
  }

  /** Positions below `end` were read by somebody else. */
  skipTo(end: number): void {
    for (; this.#position < end; this.#position++) {
      const size = sizeIn(this.#sizes[this.#position]!);
      this.#wrap(size);
      this.#at += size;
      this.#taken += size;
    }
    this.#free();
  }

  /** Takes what has finished since the last time, and wakes the thread if it waits for room. */
  take(): Taken {
    const at = this.#position;
    const end = Atomics.load(this.#words, WORD.completed);
    if (end <= at) return { at, count: 0, sizes: 0, data: NO_BYTES, failures: [] };
    const taken = this.#isPlain(at, end) ? this.#takePlain(at, end) : this.#takeMixed(at, end);
    this.#position = end;
    this.#free();
    return taken;
  }

  #free(): void {
    if (!this.#frees) return;
    Atomics.store(this.#words, WORD.taken, this.#taken | 0);
    Atomics.notify(this.#words, WORD.taken);
  }

  /** All of one size, none failed and none in a file, as most pages are. */
  #isPlain(at: number, end: number): boolean {
    const sizes = this.#sizes;
    const size = sizes[at]!;
    if (size >= FINISH_BIT) return false;
    for (let position = at + 1; position < end; position++) if (sizes[position] !== size) return false;
    return true;
  }

  #takePlain(at: number, end: number): Taken {
    const size = this.#sizes[at]!;
    const count = end - at;
    const data = bytes(size * count);
    for (let done = 0; done < count; ) {
      this.#wrap(size);
      const fitting = size === 0 ? count : Math.floor((RING_BYTES - this.#at) / size);
      const run = Math.min(count - done, fitting);
      this.#copy(run * size, data, done * size);
      done += run;
    }
    return { at, count, sizes: size, data, failures: [] };
  }

  #takeMixed(at: number, end: number): Taken {
    const count = end - at;
    const sizes = new Uint8Array(count * 4);
    const data = bytes(this.#bytesBetween(at, end));
    const failures: SlotFailure[] = [];
    const streams: SlotStream[] = [];
    let finish: number | null = null;
    let length = 0;
    for (let i = 0; i < count; i++) {
      const word = this.#sizes[at + i]!;
      const size = sizeIn(word);
      this.#wrap(size);
      if (word >= FAILED_BIT) {
        const { value = NO_BYTES, stream, ...failure } = this.#failureAt(at + i, size);
        failures.push(failure);
        if (stream !== undefined) streams.push({ position: at + i, ...stream });
        writeU32(sizes, i * 4, value.length);
        data.set(value, length);
        length += value.length;
      } else if (word >= STREAM_BIT) streams.push(this.#streamAt(at + i, size));
      else {
        if (word >= FINISH_BIT) finish ??= at + i;
        writeU32(sizes, i * 4, size);
        this.#copy(size, data, length);
        length += size;
      }
    }
    return {
      at,
      count,
      sizes,
      data: length === data.length ? data : data.subarray(0, length),
      failures,
      ...(streams.length === 0 ? {} : { streams }),
      ...(finish === null ? {} : { finish }),
    };
  }

  /** At most so many: of a failure it is not known yet whether there is a value in it. */
  #bytesBetween(at: number, end: number): number {
    let total = 0;
    for (let position = at; position < end; position++) {
      const word = this.#sizes[position]!;
      if (word < STREAM_BIT || word >= FAILED_BIT) total += sizeIn(word);
    }
    return total;
  }

  /** With the output that a task gave although it failed. */
  #failureAt(position: number, size: number): SlotFailure & FailedOutput {
    const copy = new Uint8Array(size);
    this.#copy(size, copy, 0);
    return { position, ...(decodeMsgpack(copy) as Omit<SlotFailure, 'position'>) };
  }

  #streamAt(position: number, size: number): SlotStream {
    const note = new Uint8Array(size);
    this.#copy(size, note, 0);
    const bytes = new DataView(note.buffer).getFloat64(0);
    return { position, bytes, encoded: note[8] === 1 };
  }

  /** A value of this size stands at the ring's start if it does not fit before its end. */
  #wrap(size: number): void {
    if (this.#at + size <= RING_BYTES) return;
    this.#taken += RING_BYTES - this.#at;
    this.#at = 0;
  }

  #copy(size: number, to: Uint8Array, at: number): void {
    if (size > 0) to.set(this.#ring.subarray(this.#at, this.#at + size), at);
    this.#at += size;
    this.#taken += size;
  }
}

/** Bytes of the ring that a result takes. */
const sizeIn = (word: number): number => word & ~(FAILED_BIT | STREAM_BIT | FINISH_BIT);

/** Memory that will be written whole. */
function bytes(length: number): Uint8Array {
  return length === 0 ? NO_BYTES : Buffer.allocUnsafeSlow(length);
}
