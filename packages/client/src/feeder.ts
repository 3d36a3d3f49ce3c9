/**
 * Pulls a caller's inputs into pages, only while there is room for them, so that neither a generator of a billion values
 * nor a slow Queen costs memory.
 *
 * A page leaves when it is full, when its making has taken 4 ms, or (of an async source) at the end of the turn in which
 * its values came: whoever is slow is not made slower by waiting for a page to fill.
 * States: `idle` (no room), `running`, `ended` (the source is used up, failed, or `stop` was called).
 */
import { UsageError } from '@hive/shared';
import { EncodedValues } from './encoded.ts';
import type { InputEncoder } from './inputs.ts';
import type { Batch } from './upload.ts';

export type Inputs<T = unknown> = Iterable<T> | AsyncIterable<T>;

/** Where pages go. */
export interface FeederSink {
  /** Room in bytes of page cost; any positive amount admits one page. */
  readonly room: number;
  append(batch: Batch): void;
  /** Writes at once what was appended. */
  flush(): void;
  /** The source is used up. */
  ended(): void;
  /** The source threw, or a value cannot be sent. */
  failed(error: unknown): void;
}

const PAGE_MILLIS_MAX = 4;
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

export class Feeder {
  readonly #encoder: InputEncoder;
  readonly #sink: FeederSink;
  readonly #sync: Iterator<unknown> | null;
  readonly #async: AsyncIterator<unknown> | null;
  #state: 'idle' | 'running' | 'ended' = 'idle';
  #isFlushQueued = false;

  constructor(inputs: Inputs, encoder: InputEncoder, sink: FeederSink) {
    this.#encoder = encoder;
    this.#sink = sink;
    this.#async = isAsync(inputs) ? inputs[Symbol.asyncIterator]() : null;
    this.#sync = isAsync(inputs) ? null : iteratorOf(inputs);
  }

  /** There may be room now. */
  kick(): void {
    if (this.#state !== 'idle' || this.#room <= 0) return;
    this.#state = 'running';
    const run = this.#sync === null ? this.#runAsync(this.#async!) : this.#runSync(this.#sync);
    run.then(
      () => {
        if (this.#state === 'running') this.#state = 'idle';
      },
      (error) => this.#fail(error),
    );
  }

  /** Takes nothing more, and tells the source so. */
  stop(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    try {
      this.#sync?.return?.();
      // A generator that is busy ends when it next comes up for air; its failure then is of no interest.
      this.#async?.return?.()?.then(null, () => {});
    } catch {}
  }

  /** Room that the values gathered so far leave. */
  get #room(): number {
    return this.#sink.room - this.#encoder.cost;
  }
  get #isRunning(): boolean {
    return this.#state === 'running';
  }

  async #runSync(iterator: Iterator<unknown>): Promise<void> {
    while (this.#isRunning && this.#room > 0) {
      const filled = this.#fill(iterator);
      if (filled === 'ended') return this.#end();
      if (filled !== 'page') {
        await filled;
        continue;
      }
      this.#send();
      // What the Queen says meanwhile must be heard: results come back while inputs still go out.
      await nextTurn();
    }
    if (this.#isRunning) this.#send();
  }

  /** Fills a page from a sync source; a promise stands for a value whose bytes must be read first. */
  #fill(iterator: Iterator<unknown>): 'page' | 'ended' | Promise<void> {
    const encoder = this.#encoder;
    const room = this.#sink.room;
    const startedAt = performance.now();
    while (!encoder.isFull && encoder.cost < room) {
      const { done, value } = iterator.next();
      if (done) return 'ended';
      const reading = encoder.add(value);
      if (reading !== undefined) return reading;
      const { count } = encoder;
      // Looks at the clock after 1, 2, 4, … and then every 64 values.
      if (
        ((count & (count - 1)) === 0 || (count & 63) === 0) &&
        performance.now() - startedAt > PAGE_MILLIS_MAX
      )
        break;
    }
    return 'page';
  }

  async #runAsync(iterator: AsyncIterator<unknown>): Promise<void> {
    while (this.#isRunning && this.#room > 0) {
      const { done, value } = await iterator.next();
      if (!this.#isRunning) return;
      if (done) return this.#end();
      if (value instanceof EncodedValues) {
        this.#pass(value);
        continue;
      }
      await this.#encoder.add(value);
      if (this.#encoder.isFull || this.#room <= 0) this.#send();
      else this.#sendAtEndOfTurn();
    }
  }

  #sendAtEndOfTurn(): void {
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    setImmediate(() => {
      this.#isFlushQueued = false;
      if (this.#state !== 'ended') this.#send();
    });
  }

  #pass(values: EncodedValues): void {
    this.#send();
    if (values.count > 0) this.#sink.append(this.#encoder.adopt(values));
    this.#sink.flush();
  }

  #send(): void {
    if (this.#encoder.count === 0) return;
    this.#sink.append(this.#encoder.take());
    this.#sink.flush();
  }

  #end(): void {
    if (!this.#isRunning) return;
    this.#send();
    this.#state = 'ended';
    this.#sink.ended();
    this.#sink.flush();
  }

  #fail(error: unknown): void {
    if (this.#state === 'ended') return;
    this.stop();
    this.#sink.failed(error);
  }
}

function isAsync(inputs: Inputs): inputs is AsyncIterable<unknown> {
  return typeof (inputs as AsyncIterable<unknown>)?.[Symbol.asyncIterator] === 'function';
}

/** @throws UsageError when it is nothing to iterate over, or a text */
function iteratorOf(inputs: Iterable<unknown>): Iterator<unknown> {
  if (typeof inputs === 'string' || typeof inputs?.[Symbol.iterator] !== 'function') {
    throw new UsageError(
      'Inputs are an array or something else to iterate over, sync or async; not one value.',
    );
  }
  return inputs[Symbol.iterator]();
}
