/**
 * What a job's tasks print while they run, for one reader. It may come twice, because a Drone begins again whenever
 * somebody begins to watch: what was given already is passed over by its offset. A slow reader misses the older pieces.
 */
import type { JobId, Message } from '@hive/shared';
import { PrintedQueue } from './printed-queue.ts';

/** A piece of what a task prints. */
export interface Printed {
  readonly index: number;
  /** Tells one execution of the task from another: a retry begins with another number, and with offset 0. */
  readonly run: number;
  readonly stream: 'stdout' | 'stderr';
  /** Bytes of this stream before. More than the end of the last piece: some were missed. */
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface OutputWatcher {
  readonly job: JobId;
  give(output: Message<'Output'>): void;
  fail(error: Error): void;
}

/** Streams whose ends are remembered; more do not run at once on any Drone. */
const ENDS_MAX = 4_096;

export class PrintedOutput implements AsyncIterableIterator<Printed>, OutputWatcher {
  readonly job: JobId;
  readonly #index: number | undefined;
  readonly #isOfEvents: boolean;
  readonly #stop: () => void;
  readonly #waiting = new PrintedQueue();
  readonly #ends = new Map<string, number>();
  #reader: { resolve(result: IteratorResult<Printed>): void; reject(error: unknown): void } | null = null;
  #failure: { readonly error: unknown } | null = null;
  #isOver = false;

  constructor(
    job: JobId,
    index: number | undefined,
    watch: (watcher: OutputWatcher) => () => void,
    done: Promise<unknown>,
    isOfEvents = false,
  ) {
    this.#isOfEvents = isOfEvents;
    this.job = job;
    this.#index = index;
    this.#stop = watch(this);
    done.then(
      () => this.#end(),
      (error: Error) => this.fail(error),
    );
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** One reader at a time. */
  next(): Promise<IteratorResult<Printed>> {
    const printed = this.#waiting.shift();
    if (printed !== undefined) return Promise.resolve({ done: false, value: printed });
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Printed>> {
    this.#waiting.clear();
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  give({ index, lease: run, stream, offset, data }: Message<'Output'>): void {
    if (
      this.#isOver ||
      (stream === 'events') !== this.#isOfEvents ||
      (this.#index !== undefined && index !== this.#index)
    )
      return;
    const key = `${index} ${run} ${stream}`;
    const had = this.#ends.get(key) ?? 0;
    const end = offset + data.length;
    if (end <= had) return;
    this.#ends.delete(key);
    this.#ends.set(key, end);
    if (this.#ends.size > ENDS_MAX) this.#ends.delete(this.#ends.keys().next().value!);
    const skipped = Math.max(0, had - offset);
    this.#put({
      index,
      run,
      stream: stream as Printed['stream'],
      offset: offset + skipped,
      data: data.subarray(skipped),
    });
  }

  fail(error: Error): void {
    this.#failure = { error };
    this.#stop();
    this.#reader?.reject(error);
    this.#reader = null;
  }

  #put(printed: Printed): void {
    if (this.#reader === null) {
      this.#waiting.push(printed);
      return;
    }
    this.#reader.resolve({ done: false, value: printed });
    this.#reader = null;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stop();
    this.#reader?.resolve({ done: true, value: undefined });
    this.#reader = null;
  }
}
