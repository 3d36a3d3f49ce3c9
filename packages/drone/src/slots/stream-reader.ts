/**
 * Reads one task's stream: asks for the next chunks while the task is busy with the last one, and hands them out in order.
 * What was asked for and not used is bounded (`LIMITS.chunksAhead`), so a task that is slow holds its sender back.
 */
import { LIMITS } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';

export interface Pull {
  readonly position: number;
  readonly offset: number;
  readonly length: number;
}
interface Chunk {
  readonly data: Uint8Array;
  readonly length: number;
}

export class StreamReader {
  readonly #position: number;
  readonly #bytes: number;
  readonly #pull: (pull: Pull) => void;
  /** Parts that were asked for, by offset: their length until they have come. */
  readonly #parts = new Map<number, number | Chunk>();
  /** Up to here was asked for, and up to here handed out. */
  #asked = 0;
  #read = 0;
  #failure: TaskFailure | null = null;
  #wake: (() => void) | null = null;

  constructor(position: number, bytes: number, pull: (pull: Pull) => void) {
    this.#position = position;
    this.#bytes = bytes;
    this.#pull = pull;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#read < this.#bytes) {
      this.#askAhead();
      const part = this.#parts.get(this.#read);
      if (this.#failure !== null) throw this.#failure;
      if (typeof part === 'object') {
        this.#parts.delete(this.#read);
        this.#read += part.length;
        yield part.data;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A part has come, whole or not; `error` says that the rest cannot be read. */
  arrived(offset: number, data: Uint8Array, last: boolean, error: string | null): void {
    const asked = this.#parts.get(offset);
    if (typeof asked !== 'number') return;
    if (error !== null) this.fail(new TaskFailure('streamFailed', error));
    else if (data.length > asked)
      this.fail(new TaskFailure('streamFailed', 'A chunk is longer than asked for.'));
    else if (data.length < asked && (last || data.length === 0)) {
      this.fail(new TaskFailure('streamFailed', 'The stream is shorter than was said.'));
    } else {
      this.#parts.set(offset, { data, length: data.length });
      if (data.length < asked) this.#ask(offset + data.length, asked - data.length);
      this.#awake();
    }
  }

  fail(failure: TaskFailure): void {
    this.#failure ??= failure;
    this.#awake();
  }

  #askAhead(): void {
    while (this.#asked < this.#bytes && this.#parts.size < LIMITS.chunksAhead) {
      const length = Math.min(LIMITS.chunkBytesMax, this.#bytes - this.#asked);
      this.#ask(this.#asked, length);
      this.#asked += length;
    }
  }

  #ask(offset: number, length: number): void {
    this.#parts.set(offset, length);
    this.#pull({ position: this.#position, offset, length });
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
