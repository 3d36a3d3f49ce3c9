/**
 * Single calls: each is a task appended to an open hidden job, one job per (kind, options), which lives as long as the
 * client. Calls made in one turn of the event loop leave in one page; results come in pages too.
 *
 * States: `open` (from the first call), `closed` (the job failed or ended; the next call opens a new one).
 * Cost: per call a promise, an entry in a map and a few bytes in a page; no timer, no message.
 */
import { type JobId, type Message, type Spec, type Streamed, UsageError } from '@hive/shared';
import { InputEncoder, isSmallStream, readWhole } from './inputs.ts';
import type { JobHost } from './job.ts';
import { type JobOwner, JobStream } from './job-stream.ts';
import { Output } from './outputs.ts';
import { PageReader } from './page-reader.ts';
import type { JobMessage, JobPeer } from './wire.ts';

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Forgets the caller's AbortSignal. */
  unlisten: (() => void) | null;
}

export class CallJob implements JobPeer {
  readonly id: JobId;
  readonly #host: JobHost;
  readonly #stream: JobStream;
  readonly #encoder: InputEncoder;
  /** Calls that have no result yet, by task index. */
  readonly #calls = new Map<number, Call>();
  /** Indices whose cancellation the Queen has not answered yet. */
  readonly #cancelled = new Set<number>();
  #isSendQueued = false;
  #error: Error | null = null;

  constructor(host: JobHost, id: JobId, spec: Spec) {
    this.id = id;
    this.#host = host;
    this.#stream = new JobStream(host, id, spec, this.#owner());
    this.#encoder = new InputEncoder(spec.kind, spec.encoding, this.#stream.sources);
    this.#stream.subscribe('seq', 0);
  }

  get isOpen(): boolean {
    return this.#stream.state === 'open';
  }
  get blobs() {
    return this.#stream.spec?.blobs ?? [];
  }
  get isIdle(): boolean {
    return this.#calls.size === 0 && this.#cancelled.size === 0;
  }
  get sources() {
    return this.#stream.sources;
  }

  /** Rejects with TaskError, the signal's reason, or UsageError. */
  call(input: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (isSmallStream(input) && this.#stream.spec?.encoding !== 'hive-js')
      return readWhole(input).then((bytes) => this.call(bytes, signal));
    if (!this.isOpen) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      // Throws into the promise when the value cannot be sent; it then has no index.
      this.#encoder.add(input);
      this.#added({ resolve, reject, unlisten: null }, signal);
    });
  }

  #added(call: Call, signal: AbortSignal | undefined): void {
    const index = this.#encoder.index - 1;
    if (this.#calls.size === 0) this.#host.mayWait();
    this.#calls.set(index, call);
    if (signal !== undefined) this.#listen(signal, call, index);
    if (this.#encoder.isFull) this.#send();
    else if (!this.#isSendQueued) this.#sendAtEndOfTurn();
  }

  #sendAtEndOfTurn(): void {
    this.#isSendQueued = true;
    // Runs when the microtasks of this turn are done, so whatever the results of one page set off goes out together.
    process.nextTick(() => {
      this.#isSendQueued = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#encoder.count === 0) return;
    this.#stream.append(this.#encoder.take());
  }

  #listen(signal: AbortSignal, call: Call, index: number): void {
    const abort = () => {
      if (!this.#calls.delete(index)) return;
      call.unlisten?.();
      call.reject(signal.reason);
      this.#send();
      this.#cancelled.add(index);
      this.#cancel([index]);
    };
    signal.addEventListener('abort', abort, { once: true });
    call.unlisten = () => signal.removeEventListener('abort', abort);
    if (signal.aborted) abort();
  }

  #cancel(indices: readonly number[]): void {
    this.#host.cancelTasks(this.id, indices, () => {
      for (const index of indices) this.#cancelled.delete(index);
    });
  }

  // What the router says.

  resume(): void {
    this.#stream.resume();
  }
  receive(message: JobMessage): void {
    this.#stream.receive(message);
  }
  drained(): void {
    this.#stream.drained();
  }
  tick(): void {
    this.#stream.confirm();
  }
  close(error: Error): void {
    if (this.#stream.state === 'open') {
      if (this.#calls.size === 0) this.#stream.seal();
      else this.#host.send({ type: 'Cancel', request: this.#host.nextRequest(), job: this.id });
    }
    this.#stream.fail(error);
  }

  // What its stream says.

  #owner(): JobOwner {
    return {
      // The calls are on their way again by now, so their cancellation finds them.
      accepted: () => {
        if (this.#cancelled.size > 0) this.#cancel([...this.#cancelled]);
      },
      credited: () => {},
      arrived: (page) => this.#arrived(page),
      progressed: () => {},
      done: ({ message }) => {
        const text = message ?? 'The Queen has ended the calls of this client.';
        this.#stream.fail(new UsageError(text, 'cancelled'));
      },
      failed: (error) => this.#failed(error),
      over: () => this.#host.forget(this.id),
    };
  }

  #arrived(page: Message<'Results'>): void {
    const { encoding } = this.#stream.spec!;
    const open = (stream: Streamed) =>
      new Output(this.#host.outputs, this.id, stream, () => this.#stream.settled(page)).value(encoding);
    const reader = new PageReader(this.id, page, encoding, open);
    while (!reader.isAtEnd) this.#settle(reader);
    this.#stream.consumed(page);
  }

  #settle(reader: PageReader): void {
    const { index } = reader;
    const call = this.#calls.get(index);
    if (call === undefined && reader.isStream) {
      reader.skip();
      return;
    }
    try {
      const value = reader.next();
      call?.resolve(value);
    } catch (error) {
      call?.reject(error);
    }
    if (call === undefined) return;
    this.#calls.delete(index);
    call.unlisten?.();
  }

  #failed(error: Error): void {
    this.#error = error;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      call.unlisten?.();
      call.reject(error);
    }
  }
}
