/**
 * The inputs of one job on their way to the Queen: what was appended and is not known to be durable is kept, so that after
 * a reconnect the client goes on from the count that the Queen names. It touches no socket; messages come out as values.
 *
 * Seal: `open` (more may be appended) -> `wanted` (by `seal()`) -> `sent` (after the last page), or `whole` (in the Submit, with
 * all inputs) -> `durable` (said by an Accepted). A new session takes `sent` and `whole` back to `wanted`.
 * It must never let more under way than the credit allows, nor forget a page before the Queen has confirmed it.
 */
import {
  type ClientToQueen,
  type JobId,
  type Message,
  type Page,
  type Streamed,
  UsageError,
} from '@hive/shared';

/** A page of inputs and what belongs to it. */
export interface Batch {
  readonly page: Page;
  /** Values of it that are streams. */
  readonly streams: readonly Streamed[];
  /** Of a graph job: for every task, how many parents it has, then their indices. */
  readonly parents?: readonly number[];
}

/** The cost of a page where credit is counted, in bytes. */
export const pageCost = (page: Pick<Page, 'count' | 'data'>): number => page.data.length + 4 * page.count;

/** All inputs of a job, as they travel in its Submit. */
export type WholeInputs = NonNullable<Message<'Submit'>['inputs']>;
const NO_INPUTS: WholeInputs = { count: 0, sizes: 0, data: new Uint8Array(0) };

export function wholeOf({ page: { count, sizes, data } }: Batch): WholeInputs {
  return { count, sizes, data };
}

export class Upload {
  readonly #job: JobId;
  /** Appended and not confirmed, oldest first. */
  #batches: Batch[] = [];
  /** How many of `#batches` were sent in this session. */
  #sent = 0;
  #credit = 0;
  #appended = 0;
  #confirmed = 0;
  #seal: 'open' | 'wanted' | 'sent' | 'whole' | 'durable' = 'open';
  /** Whether the Queen has accepted the job in this session. */
  #isAccepted = false;

  constructor(job: JobId) {
    this.#job = job;
  }

  /** Inputs appended so far: the index of the next one. */
  get appended(): number {
    return this.#appended;
  }
  /** Inputs that the Queen has called durable. */
  get confirmed(): number {
    return this.#confirmed;
  }
  get isSealed(): boolean {
    return this.#seal === 'durable';
  }
  /** Whether the Queen has been told in this session that no more inputs come, and has not said that she knows. */
  get isSealSent(): boolean {
    return this.#seal === 'sent';
  }
  /** Credit for new pages, in bytes of page cost; any positive amount admits one page. */
  get room(): number {
    return this.#isAccepted && this.#sent === this.#batches.length && this.#seal === 'open'
      ? this.#credit
      : 0;
  }

  /** The session is gone, and with it everything that was said in it. */
  lost(): void {
    this.#isAccepted = false;
    this.#credit = 0;
    this.#sent = 0;
    if (this.#seal === 'sent' || this.#seal === 'whole') this.#seal = 'wanted';
  }

  append(batch: Batch): void {
    this.#batches.push(batch);
    this.#appended += batch.page.count;
  }

  /** No more inputs will come. */
  seal(): void {
    if (this.#seal === 'open') this.#seal = 'wanted';
  }

  /** All inputs, if they are one page at most and none is known to be durable: they count as sent with the Submit, sealed. */
  whole(): WholeInputs | null {
    if (this.#seal !== 'wanted' || this.#confirmed > 0 || this.#batches.length > 1) return null;
    const [batch] = this.#batches;
    if (batch !== undefined && (batch.streams.length > 0 || batch.parents !== undefined)) return null;
    this.#sent = this.#batches.length;
    this.#seal = 'whole';
    return batch === undefined ? NO_INPUTS : wholeOf(batch);
  }

  /** @throws UsageError when the Queen no longer has what was called durable */
  accepted({ count, sealed, bytes }: Message<'Accepted'>, isElsewhere = false): void {
    if (count < this.#confirmed) throw jobLost(this.#job, this.#confirmed, count, isElsewhere);
    if (count > this.#appended && this.#seal !== 'durable' && !sealed) {
      throw new UsageError(`Job ${this.#job} exists and has inputs of another client.`, 'jobDiffers');
    }
    this.#confirm(count);
    if (sealed) this.#seal = 'durable';
    // A second Accepted within one session only answers a Submit that asked for the count again.
    if (this.#isAccepted) return;
    this.#isAccepted = true;
    this.#credit = bytes;
  }

  credited({ count, bytes }: Message<'InputCredit'>): void {
    this.#confirm(count);
    this.#credit += bytes;
  }

  /** The next message that may be sent now; it counts as sent. */
  next(): ClientToQueen | null {
    if (!this.#isAccepted) return null;
    if (this.#sent < this.#batches.length) {
      if (this.#credit <= 0) return null;
      const batch = this.#batches[this.#sent++]!;
      this.#credit -= pageCost(batch.page);
      return appendOf(this.#job, batch);
    }
    if (this.#seal !== 'wanted') return null;
    this.#seal = 'sent';
    return { type: 'Seal', job: this.#job, count: this.#appended };
  }

  #confirm(count: number): void {
    this.#confirmed = Math.max(this.#confirmed, count);
    let done = 0;
    for (const { page } of this.#batches) {
      if (page.first + page.count > count) break;
      done++;
    }
    if (done === 0) return;
    this.#batches.splice(0, done);
    this.#sent = Math.max(0, this.#sent - done);
  }
}

function appendOf(job: JobId, { page, streams, parents }: Batch): ClientToQueen {
  const { first, count, sizes, data } = page;
  return {
    type: 'Append',
    job,
    first,
    count,
    sizes,
    data,
    ...(streams.length === 0 ? {} : { streams }),
    ...(parents === undefined ? {} : { parents }),
  };
}

/** A job that this Queen does not have as the client knows it. `isElsewhere`: another Queen, or another store, answered. */
export function jobLost(job: JobId, had: number, has: number, isElsewhere: boolean): UsageError {
  const why = isElsewhere
    ? 'another Queen answers now, or this one has lost what she had in memory'
    : 'its Queen has removed it meanwhile, or has gone back to an older copy of her store';
  return new UsageError(
    `Job ${job} is lost: ${why} (${had} of its inputs had been confirmed, ${has} are left). Submit it again; a Queen with a data folder (--data) keeps jobs when she is restarted.`,
    'jobLost',
  );
}
