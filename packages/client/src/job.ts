/**
 * A job as its submitter holds it: inputs are fed from an iterator, results wait in a queue for one reader, and promises
 * tell of the milestones. `JobHandle` is the public face of it, `MapResults` another.
 */
import type { Counts, Encoding, JobId, JobState, Message, Reduce, Spec, Streamed } from '@hive/shared';
import { UsageError } from '@hive/shared';
import { Deferred } from './deferred.ts';
import type { ResultOrder } from './download.ts';
import { Feeder, type FeederSink, type Inputs } from './feeder.ts';
import { InputEncoder, type ParentsOf, shortList } from './inputs.ts';
import { type JobOwner, JobStream, type JobSummary } from './job-stream.ts';
import { type JobValue, valueOfJob } from './job-value.ts';
import { Output, type Outputs } from './outputs.ts';
import { PageQueue } from './page-queue.ts';
import { PageReader } from './page-reader.ts';
import { type OutputWatcher, PrintedOutput } from './printed.ts';
import type { JobMessage, JobPeer, Wire } from './wire.ts';

const NO_COUNTS: Counts = { appended: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0 };

/** Where a job stands. */
export interface JobProgress {
  readonly state: JobState;
  /** Tasks by where they stand; `appended` is all that are known so far. */
  readonly counts: Counts;
  /** Whether no more inputs will come. */
  readonly sealed: boolean;
}

/** What is cancelled, and why. */
export interface CancelOptions {
  /** For people. */
  readonly reason?: string | undefined;
  /** These tasks only, by their indices; those that have ended, or were not submitted yet, stay as they are. */
  readonly indices?: readonly number[] | undefined;
}

/** What a job needs of the client that it belongs to. */
export interface JobHost extends Wire {
  /** Cancels a job, or some of its tasks. Resolves when the Queen has taken note. */
  cancel(job: JobId, options: CancelOptions): Promise<unknown>;
  /** Cancels some tasks of a job; `answered` is called when the Queen has taken note, not after a reconnect. */
  cancelTasks(job: JobId, indices: readonly number[], answered: () => void): void;
  /** Routes messages to a job (again), until it is forgotten. */
  keep(job: JobPeer): void;
  forget(job: JobId): void;
  /** Somebody waits from now on: see `JobPeer.isIdle`. */
  mayWait(): void;
  readonly outputs: Outputs;
  watchOutput(watcher: OutputWatcher): () => void;
}

/** Where a job's inputs come from, and, of a graph job, on what its tasks depend. */
export interface JobSource {
  readonly inputs: Inputs;
  readonly parentsOf?: ParentsOf | undefined;
}

export class Job implements JobPeer {
  readonly id: JobId;
  readonly encoding: Encoding;
  readonly #queue = new PageQueue();
  readonly #host: JobHost;
  readonly #stream: JobStream;
  readonly #feeder: Feeder | null;
  readonly #accepted = new Deferred<void>();
  readonly #sealed = new Deferred<void>();
  readonly #done = new Deferred<JobSummary>();
  readonly #value = new Deferred<JobValue>();
  readonly #reduce: Reduce | undefined;
  readonly #watchers = new Set<(progress: JobProgress) => void>();
  #hasReader = false;
  /** The first index that the reader asked for; the page that holds it may begin before. */
  #readFrom = 0;
  /** Outputs over 1 MiB are handed out as streams, not fetched. */
  #asStreams = false;
  #progress: JobProgress = { state: 'waiting', counts: NO_COUNTS, sealed: false };

  constructor(
    host: JobHost,
    id: JobId,
    spec: Spec | null,
    source: JobSource | null,
    { encoding, reduce }: Pick<Spec, 'encoding' | 'reduce'>,
  ) {
    this.#reduce = reduce;
    this.id = id;
    this.encoding = encoding;
    this.#host = host;
    this.#stream = new JobStream(host, id, spec, this.#owner());
    this.#feeder = spec === null || source === null ? null : this.#feed(spec, source);
  }

  get accepted(): Promise<void> {
    return this.#accepted.promise;
  }
  get sealed(): Promise<void> {
    this.#stream.watchSeal();
    return this.#sealed.promise;
  }
  get done(): Promise<JobSummary> {
    return this.#done.promise;
  }
  /** Its value, if it has one. Rejects like `valueOfJob`, and if its end cannot be known. */
  get value(): Promise<JobValue> {
    return this.#value.promise;
  }
  get progress(): JobProgress {
    return this.#progress;
  }
  /** What its tasks print while they run, or what they say of themselves. */
  printed(index: number | undefined, isOfEvents = false): PrintedOutput {
    return new PrintedOutput(
      this.id,
      index,
      (watcher) => this.#host.watchOutput(watcher),
      this.#done.promise,
      isOfEvents,
    );
  }
  get blobs() {
    return this.#stream.spec?.blobs ?? [];
  }
  /** It is forgotten when its end is known and what was asked of its results has come. */
  get isIdle(): boolean {
    return false;
  }
  get sources() {
    return this.#stream.sources;
  }

  /** Calls back at every change of progress, until the function that it returns is called. */
  watch(listener: (progress: JobProgress) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** Opens the results for their one reader. @throws UsageError 'resultsTaken' the second time */
  read(order: ResultOrder, after: number, asStreams = false): PageQueue {
    if (this.#hasReader) {
      throw new UsageError(`The results of job ${this.id} have a reader already.`, 'resultsTaken');
    }
    this.#hasReader = true;
    this.#asStreams = asStreams;
    this.#host.keep(this);
    // Of a reduced job there is only what failed, as it was recorded.
    if (this.#reduce !== undefined) this.#stream.subscribe('seq', 0);
    else this.#stream.subscribe(order, after);
    if (this.#reduce === undefined && order === 'index') this.#readFrom = after;
    return this.#queue;
  }

  /** The reader wants no more, for this reason. */
  unread(reason: unknown): void {
    this.#hasReader = true;
    this.#queue.fail(reason);
    this.#stream.unsubscribe();
  }

  readerOf(page: Message<'Results'>): PageReader {
    const open = (stream: Streamed) => {
      const output = this.outputOf(page, stream);
      return this.#asStreams ? output : output.value(this.encoding);
    };
    return new PageReader(this.id, page, this.encoding, open, this.#readFrom);
  }

  /** An output of a page that is too large to be in it. */
  outputOf(page: Message<'Results'>, stream: Streamed): Output {
    return new Output(this.#host.outputs, this.id, stream, () => this.#stream.settled(page));
  }

  /** The reader is done with a page. */
  consumed(page: Message<'Results'>): void {
    this.#stream.consumed(page);
  }

  cancel(options: CancelOptions): Promise<unknown> {
    if (options.indices === undefined) this.#feeder?.stop();
    if (this.#stream.state !== 'open') return Promise.resolve();
    return this.#host.cancel(this.id, options);
  }

  /** Ends it on our side; whoever waits for it gets `error`. */
  fail(error: Error): void {
    this.#stream.fail(error);
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
    const isOurs = this.#stream.spec !== null && this.#stream.spec.attached !== false;
    if (isOurs && this.#stream.state === 'open') {
      const request = this.#host.nextRequest();
      this.#host.send({ type: 'Cancel', request, job: this.id, reason: 'its client was closed' });
    }
    this.#stream.fail(error);
  }

  // What its stream says.

  #owner(): JobOwner {
    return {
      accepted: () => {
        this.#accepted.resolve();
        if (this.#stream.isSealed) this.#sealed.resolve();
      },
      credited: () => this.#feeder?.kick(),
      arrived: (page) => {
        this.#queue.push(page);
        if (page.last) this.#queue.end();
      },
      progressed: ({ state, counts, sealed }) => {
        if (sealed) this.#sealed.resolve();
        this.#setProgress({ state, counts, sealed });
      },
      done: (message) => this.#ended(message),
      failed: (error) => this.#failed(error),
      over: () => this.#host.forget(this.id),
    };
  }

  /** Null when all inputs are known already, and go with the job. */
  #feed(spec: Spec, { inputs, parentsOf }: JobSource): Feeder | null {
    const stream = this.#stream;
    const all = shortList(spec, inputs);
    if (all !== null) {
      if (all.page.count > 0) stream.append(all);
      stream.seal();
      return null;
    }
    const { kind, encoding } = spec;
    const sink: FeederSink = {
      get room() {
        return stream.room;
      },
      append: (batch) => stream.append(batch),
      flush: () => this.#host.flush(),
      ended: () => stream.seal(),
      failed: (error) => {
        void this.#host.cancel(this.id, { reason: 'its inputs failed' }).catch(() => {});
        stream.fail(error as Error);
      },
    };
    return new Feeder(inputs, new InputEncoder(kind, encoding, stream.sources, parentsOf), sink);
  }

  #ended(done: Message<'JobDone'>): void {
    const { state, counts, elapsedMillis, message } = done;
    this.#feeder?.stop();
    this.#setProgress({ state, counts, sealed: true });
    this.#accepted.resolve();
    this.#sealed.resolve();
    this.#done.resolve({ state, counts, elapsedMillis, ...(message === undefined ? {} : { message }) });
    this.#settleValue(done);
    this.#watchers.clear();
  }

  #settleValue(done: Message<'JobDone'>): void {
    try {
      this.#value.resolve(valueOfJob(done, this.encoding, this.#reduce));
    } catch (error) {
      this.#value.reject(error);
    }
  }

  #failed(error: Error): void {
    this.#feeder?.stop();
    this.#accepted.reject(error);
    this.#sealed.reject(error);
    this.#done.reject(error);
    this.#value.reject(error);
    this.#queue.fail(error);
    this.#watchers.clear();
  }

  #setProgress(progress: JobProgress): void {
    this.#progress = progress;
    for (const listener of this.#watchers) {
      try {
        listener(progress);
      } catch (error) {
        // The caller's mistake is the caller's to see, but must not stop what else this session has brought.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
