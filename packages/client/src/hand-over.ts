/**
 * A job that is given to the Queen whole and left to her: submitted with all of its inputs, sealed, in one message; she answers
 * once, when it is durable, and never tells of it again (ADR 26). Where thousands of jobs a second are submitted for others,
 * as a gateway does, following each of them would cost as much as submitting it.
 *
 * States: `waiting` (from birth; asks again in every session), `settled` (accepted, refused, or the client was closed).
 */
import { type JobId, type JobState, type Message, type Spec, UsageError } from '@hive/shared';
import { Deferred } from './deferred.ts';
import { Sources } from './streams.ts';
import type { WholeInputs } from './upload.ts';
import type { JobMessage, JobPeer, Wire } from './wire.ts';

/** A job that is durable with all of its inputs. */
export interface Receipt {
  readonly id: JobId;
  readonly kind: string;
  readonly name: string;
  /** `waiting`, or where it stands if it had been submitted before. */
  readonly state: JobState;
  /** RFC 3339: when it was submitted first. */
  readonly createdAt: string;
}

const NO_SOURCES = new Sources();

export class HandOver implements JobPeer {
  readonly id: JobId;
  readonly blobs: readonly string[];
  readonly isIdle = false;
  readonly sources = NO_SOURCES;
  readonly #wire: Wire & { forget(job: JobId): void };
  readonly #spec: Spec;
  readonly #inputs: WholeInputs | null;
  readonly #receipt = new Deferred<Receipt | null>();

  /** @param inputs null for a job with a range */
  constructor(wire: Wire & { forget(job: JobId): void }, id: JobId, spec: Spec, inputs: WholeInputs | null) {
    this.#wire = wire;
    this.id = id;
    this.blobs = spec.blobs ?? [];
    this.#spec = spec;
    this.#inputs = inputs;
  }

  /** Null when the Queen turns out to take no whole jobs. Rejects with UsageError: what she refused it for, or 'closed'. */
  get receipt(): Promise<Receipt | null> {
    return this.#receipt.promise;
  }

  resume(): void {
    if (!this.#wire.takesWholeJobs) {
      this.#settle(() => this.#receipt.resolve(null));
      return;
    }
    const inputs = this.#inputs === null ? {} : { inputs: this.#inputs };
    this.#wire.send({ type: 'Submit', job: this.id, spec: this.#spec, ...inputs, follow: false });
  }

  receive(message: JobMessage): void {
    if (message.type === 'Accepted') this.#settle(() => this.#receipt.resolve(this.#receiptOf(message)));
    else if (message.type === 'Refused') this.close(new UsageError(message.message, message.code));
  }

  drained(): void {}
  tick(): void {}
  close(error: Error): void {
    this.#settle(() => this.#receipt.reject(error));
  }

  #receiptOf({ state, createdAt }: Message<'Accepted'>): Receipt | null {
    if (state === undefined || createdAt === undefined) return null;
    const { kind, name = kind } = this.#spec;
    return { id: this.id, kind, name, state, createdAt };
  }

  #settle(how: () => void): void {
    this.#wire.forget(this.id);
    how();
  }
}
