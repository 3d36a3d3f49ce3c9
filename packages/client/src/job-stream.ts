/**
 * One job's conversation with the Queen, over as many sessions as it takes: inputs up, results down, its end. The owner
 * (a job handle, or the calls of a kind) decides what to append and what to do with pages.
 *
 * States: `open` (from birth), `done` (by JobDone: nothing more is appended, results may still come), `failed` (by Refused,
 * a lost store, or `fail`; nothing passes). After `done` with its results read, or `failed`, the router forgets it.
 */
import { assertNever, type JobId, type Message, type Spec, UsageError } from '@hive/shared';
import { Download, type ResultOrder } from './download.ts';
import { Sources } from './streams.ts';
import { type Batch, jobLost, Upload } from './upload.ts';
import type { JobMessage, Wire } from './wire.ts';

/** How a job ended. Times are in milliseconds. */
export type JobSummary = Pick<Message<'JobDone'>, 'state' | 'counts' | 'elapsedMillis' | 'message'>;

export interface JobOwner {
  /** The Queen has the job; called in every session. */
  accepted(): void;
  /** There is room for inputs. */
  credited(): void;
  /** A page of results, never twice. It is consumed by `consumed(page)`. */
  arrived(page: Message<'Results'>): void;
  progressed(message: Message<'Progress'>): void;
  done(summary: Message<'JobDone'>): void;
  failed(error: Error): void;
  /** Nothing more will come: the router may forget the job. */
  over(): void;
}

export class JobStream {
  readonly id: JobId;
  /** Null for a job that somebody else submitted. */
  readonly spec: Spec | null;
  readonly sources = new Sources();
  readonly #wire: Wire;
  readonly #owner: JobOwner;
  readonly #upload: Upload;
  #download: Download | null = null;
  /** Whether this session has been told of the job, so that what follows finds it. */
  #isAnnounced = false;
  #mustKnowSeal = false;
  #state: 'open' | 'done' | 'failed' = 'open';
  /** The Queen that accepted the job first: another one cannot have its results. */
  #queen: string | null = null;

  constructor(wire: Wire, id: JobId, spec: Spec | null, owner: JobOwner) {
    this.#wire = wire;
    this.id = id;
    this.spec = spec;
    this.#owner = owner;
    this.#upload = new Upload(id);
  }

  get state(): 'open' | 'done' | 'failed' {
    return this.#state;
  }
  get isSealed(): boolean {
    return this.#upload.isSealed;
  }
  get appended(): number {
    return this.#upload.appended;
  }
  /** Room for inputs, in bytes of page cost. Streams held in memory count while results can release them. */
  get room(): number {
    if (this.#state !== 'open' || this.#wire.isClogged) return 0;
    // No results come of a reduced job, which would release them.
    if (this.spec?.reduce !== undefined) return this.#upload.room;
    return this.#download !== null && this.sources.isFull ? 0 : this.#upload.room;
  }

  /** A session has been opened. */
  resume(): void {
    this.#upload.lost();
    if (this.#state === 'failed') return;
    this.#isAnnounced = true;
    if (this.#state === 'open' && this.spec !== null) {
      const mayBeWhole = this.#wire.takesWholeJobs && this.spec.graph === undefined;
      const inputs = mayBeWhole ? this.#upload.whole() : null;
      const whole = inputs === null ? {} : { inputs };
      this.#wire.send({ type: 'Submit', job: this.id, spec: this.spec, ...whole });
    }
    if (this.#download !== null && !this.#download.isOver) this.#wire.send(this.#download.open());
    else if (this.spec === null && this.#state === 'open') this.#follow();
  }

  /** Somebody else's job: a subscription without credit is how we hear of its end. */
  #follow(): void {
    this.#wire.send({ type: 'ResultCredit', job: this.id, bytes: 0, order: 'seq', after: 0 });
  }

  append(batch: Batch): void {
    this.#upload.append(batch);
    this.#pump();
  }

  /** Somebody waits to hear that the seal is durable; nobody is told otherwise. */
  watchSeal(): void {
    if (this.#mustKnowSeal) return;
    this.#mustKnowSeal = true;
    if (this.#state === 'open' && this.#upload.isSealSent) this.#askForSeal();
  }

  seal(): void {
    this.#upload.seal();
    this.#pump();
  }

  /** The send buffer has room again. */
  drained(): void {
    this.#pump();
    this.#owner.credited();
  }

  /** Opens the one subscription to the results. */
  subscribe(order: ResultOrder, after: number): void {
    this.#download = new Download(this.id, order, after);
    if (this.#isAnnounced && this.#state !== 'failed') this.#wire.send(this.#download.open());
  }

  /** Nobody will read the results: what still comes is dropped, and no more is asked for. */
  unsubscribe(): void {
    this.#download = null;
    this.#maybeOver();
  }

  /** The consumer is done with a page. */
  consumed(page: Message<'Results'>): void {
    const grant = this.#download?.consumed(page);
    if (grant) this.#wire.send(grant);
  }

  /** One of the streams of a page was read, or will not be. */
  settled(page: Message<'Results'>): void {
    this.#download?.settled(page);
  }

  /** Tells the Queen what has arrived, so that it need not keep it. */
  confirm(): void {
    const grant = this.#download?.flush();
    if (grant) this.#wire.send(grant);
  }

  /** Ends it on our side. */
  fail(error: Error): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.sources.clear();
    this.#owner.failed(error);
    this.#owner.over();
  }

  receive(message: JobMessage): void {
    if (this.#state === 'failed') return;
    switch (message.type) {
      case 'Accepted':
        this.#accepted(message);
        break;
      case 'InputCredit':
        this.#upload.credited(message);
        this.#inputsDurable(message.count);
        this.#pump();
        this.#owner.credited();
        break;
      case 'Results':
        this.#results(message);
        break;
      case 'Progress':
        this.#owner.progressed(message);
        break;
      case 'JobDone':
        this.#done(message);
        break;
      case 'Refused':
        this.#refused(message);
        break;
      default:
        assertNever(message);
    }
  }

  #accepted(message: Message<'Accepted'>): void {
    const isElsewhere = this.#queen !== null && this.#queen !== this.#wire.queen;
    this.#queen = this.#wire.queen;
    try {
      if (isElsewhere && this.#download?.hasArrived)
        throw jobLost(this.id, this.#upload.confirmed, message.count, true);
      this.#upload.accepted(message, isElsewhere);
      this.#inputsDurable(message.count);
    } catch (error) {
      // What stands there now under this id is only a fragment, and nobody would end it.
      this.#wire.send({ type: 'Cancel', request: this.#wire.nextRequest(), job: this.id, reason: 'lost' });
      this.fail(error as Error);
      return;
    }
    this.#pump();
    this.#owner.accepted();
    this.#owner.credited();
  }

  /** Of a detached job the Queen has the streams too by now: this client need not read them any more. */
  #inputsDurable(count: number): void {
    if (this.spec?.attached === false && this.sources.size > 0) this.sources.release(0, count);
  }

  #results(page: Message<'Results'>): void {
    if (this.#download === null || !this.#download.arrived(page)) return;
    if (this.sources.size > 0) {
      this.sources.release(page.first, page.count);
      this.#owner.credited();
    }
    this.#owner.arrived(page);
    this.#maybeOver();
  }

  #done(message: Message<'JobDone'>): void {
    if (this.#state !== 'open') return;
    this.#state = 'done';
    this.sources.clear();
    this.#owner.done(message);
    this.#maybeOver();
  }

  #refused({ code, message }: Message<'Refused'>): void {
    if (this.#state === 'done') {
      // What was still to be read is gone, with the Queen's memory or by retention.
      if (code === 'unknownJob' && this.#download?.isOver === false) this.fail(new UsageError(message, code));
      return;
    }
    // An Append that crossed the job's end; the JobDone that tells of it is on its way.
    if (code === 'jobEnded' && this.#queen !== null) return;
    this.fail(new UsageError(message, code));
  }

  #maybeOver(): void {
    if (this.#state === 'done' && (this.#download === null || this.#download.isOver)) this.#owner.over();
  }

  #pump(): void {
    if (this.#state !== 'open') return;
    while (!this.#wire.isClogged) {
      const message = this.#upload.next();
      if (message === null) return;
      this.#wire.send(message);
      if (message.type === 'Seal' && this.#mustKnowSeal) this.#askForSeal();
    }
  }

  /** Seal has no answer of its own; the same Submit again has one, when everything before it is durable. */
  #askForSeal(): void {
    if (this.spec !== null) this.#wire.send({ type: 'Submit', job: this.id, spec: this.spec });
  }
}
