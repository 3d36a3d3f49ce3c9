/** What `connect` gives: everything that a client can ask of a Queen. */
import { isJobId, type JobId, jobId, type Plain, UsageError } from '@hive/shared';
import { v7 } from 'uuid';
import { cancelOnAbort, unlessAborted } from './abort.ts';
import type { Blobs } from './blobs.ts';
import { CallJob } from './calls.ts';
import type { Inputs } from './feeder.ts';
import { Functions, isFunction, mustBePlain, type Target, type Targets } from './functions/functions.ts';
import type { InputOf, OutputOf, SentAs, Task } from './functions/task.ts';
import { Graph, type GraphOptions } from './graph.ts';
import { HandOver, type Receipt } from './hand-over.ts';
import { type ParentsOf, shortList } from './inputs.ts';
import { type CancelOptions, Job } from './job.ts';
import { JobHandle } from './job-handle.ts';
import { named } from './job-name.ts';
import { type JobsOptions, type JobsPageOptions, newestJobs, pageOfJobs, queryFor } from './jobs-pages.ts';
import type { KindOutputs } from './kind-outputs.ts';
import { Latest } from './latest.ts';
import { MapResults } from './map-results.ts';
import {
  type CallOptions,
  callKey,
  type FoldOptions,
  type MapOptions,
  type RangeStep,
  type ReduceOptions,
  rangeOf,
  type SpecOptions,
  type SubmitOptions,
  specOf,
} from './options.ts';
import type {
  DrainInfo,
  DroneInfo,
  JobInfo,
  JobsPage,
  KeyGenerations,
  NodeInfo,
  Overview,
  QueenStatus,
  RevokedKey,
  TaskStory,
} from './overview.ts';
import type { BuiltInReduce, GivenBy, InputFor, Reduced } from './reduced.ts';
import { Reduction } from './reduction.ts';
import type { Router } from './router.ts';
import { wholeOf } from './upload.ts';

const NO_OPTIONS: CallOptions = {};
/** Opens a session with another node, as the node `from` (a host) says that it is reached. */
export type ConnectTo = (addresses: readonly string[], from: string | null) => Promise<Hive>;

export class Hive implements AsyncDisposable {
  readonly #router: Router;
  /** Open call jobs by kind and options. */
  readonly #calls = new Map<string, CallJob>();
  /** Call jobs of functions whose code is on its way. */
  readonly #opening = new Map<string, Promise<CallJob>>();
  readonly #functions: Targets;
  readonly #ended: () => Promise<void>;
  /** Sessions with other nodes, whose jobs were opened, by node. */
  readonly #owners = new Map<string, Promise<Hive>>();
  readonly #connectTo: ConnectTo | null;
  #closing: Promise<void> | null = null;

  /** @internal Use `connect`. */
  constructor(
    router: Router,
    ended: () => Promise<void>,
    connectTo: ConnectTo | null = null,
    functions: Targets = new Functions(router.blobs),
  ) {
    this.#connectTo = connectTo;
    this.#router = router;
    this.#ended = ended;
    this.#functions = functions;
  }

  /** @internal What jobs need: give it here before the job is submitted, and name it in the job's `blobs`. */
  get blobs(): Blobs {
    return this.#router.blobs;
  }
  /** The Queen's name, or null while there is no session with her. */
  get queenName(): string | null {
    return this.#router.welcome?.name ?? null;
  }
  /** Whether a session is open; if not, one is being sought, and whatever was asked goes on afterwards. */
  get isConnected(): boolean {
    return this.#router.welcome !== null;
  }

  /** Whether there is no session because the Queen has revoked the key: whatever is asked now will be refused. */
  get isRevoked(): boolean {
    return this.#router.isRevoked;
  }

  /**
   * One task, one answer. Calls in flight survive the loss of the connection. What is called is a task that was imported,
   * the file of one ("./resize.task.ts", relative to the working directory, or a URL), or a kind ("hash").
   * Rejects with TaskError when the task does not succeed, with the signal's reason, or with UsageError ('badValue',
   * 'tooLarge', 'unknownKind', 'badTask', 'jobLost', 'closed', …).
   */
  call<K extends keyof KindOutputs>(
    kind: K,
    input: unknown,
    options?: Omit<CallOptions, 'encoding'>,
  ): Promise<KindOutputs[K]>;
  call<In, Out>(task: Task<In, Out>, input: SentAs<In>, options?: CallOptions): Promise<Awaited<Out>>;
  call<M = unknown>(kind: string | URL, input: InputOf<M>, options?: CallOptions): Promise<OutputOf<M>>;
  call(target: Target, input: unknown, options: CallOptions = NO_OPTIONS): Promise<unknown> {
    const name = typeof target === 'string' ? target : this.#functions.keyOf(target);
    const key = options === NO_OPTIONS ? name : callKey(name, options);
    const job = this.#calls.get(key);
    if (job?.isOpen) return job.call(input, options.signal);
    if (isFunction(target)) return this.#callFunction(key, target, input, options);
    try {
      mustBePlain(options);
      const opened = this.#openCalls(name, options);
      this.#calls.set(key, opened);
      return opened.call(input, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The first of its calls: those that come meanwhile wait for the same code. */
  async #callFunction(key: string, target: Target, input: unknown, options: CallOptions): Promise<unknown> {
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.#openFunction(key, target, options).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return (await unlessAborted(opening, options.signal)).call(input, options.signal);
  }

  async #openFunction(key: string, target: Target, { signal: _, ...options }: CallOptions): Promise<CallJob> {
    this.#router.mustBeOpen();
    const { kind, ...own } = await this.#functions.optionsOf(target, options);
    const job = this.#openCalls(kind, own as CallOptions);
    this.#calls.set(key, job);
    return job;
  }

  /**
   * One task per input: of a task that was imported, the file of one, or a kind. Await it for an array of all values in the
   * order of the inputs, or iterate over it. Types come with an imported task; for a file, say them:
   * `hive.map<typeof import('./resize.task.ts')>('./resize.task.ts', paths)`.
   * Inputs are pulled only as fast as the Queen takes them, results sent only as fast as they are read.
   */
  map<K extends keyof KindOutputs>(
    kind: K,
    inputs: Inputs,
    options?: Omit<MapOptions, 'encoding' | 'streams'>,
  ): MapResults<KindOutputs[K]>;
  map<In, Out>(
    task: Task<In, Out>,
    inputs: Inputs<SentAs<In>>,
    options?: MapOptions,
  ): MapResults<Awaited<Out>>;
  map<M = unknown>(
    kind: string | URL,
    inputs: Inputs<InputOf<M>>,
    options?: MapOptions,
  ): MapResults<OutputOf<M>>;
  /**
   * With `reduce`: the results are folded into one value on the Drones, in their order; await it. With a reducer the value of
   * no tasks is undefined.
   */
  map<In, T>(
    task: Task<In, NoInfer<T>>,
    inputs: Inputs<SentAs<In>>,
    options: FoldOptions<T>,
  ): Reduction<T | undefined>;
  map<T>(file: string | URL, inputs: Inputs, options: FoldOptions<T>): Reduction<T | undefined>;
  map<const K extends Target, const R extends BuiltInReduce>(
    target: K,
    inputs: Inputs<InputFor<K>>,
    options: ReduceOptions<R>,
  ): Reduction<Reduced<GivenBy<K>, R>>;
  map<T = unknown>(task: Target, inputs: Inputs, options: ReduceOptions): Reduction<T>;
  map(
    target: Target,
    inputs: Inputs,
    options: MapOptions | ReduceOptions | FoldOptions<unknown> = {},
  ): MapResults<unknown> | Reduction {
    return this.#resultsOf(this.#jobOf({ ...options, kind: target, inputs }), options);
  }

  /**
   * One task per integer from `start` up to `end`, which is not among them, or every `step`-th of them; down to it if `step` is
   * negative. Nothing is sent: Drones compute their inputs, and the range splits itself, so a trillion of them costs no more than
   * ten. Otherwise like `map`.
   * @throws UsageError 'badSpec' for a range that leaves the integers of 53 bits, or never ends
   */
  range<Out>(
    start: number,
    end: number,
    task: Task<number, Out>,
    options?: MapOptions & RangeStep,
  ): MapResults<Awaited<Out>>;
  range<M = unknown>(
    start: number,
    end: number,
    kind: string | URL,
    options?: MapOptions & RangeStep,
  ): MapResults<OutputOf<M>>;
  /** With `reduce`: the results are folded into one value on the Drones, in their order; await it. */
  range<T>(
    start: number,
    end: number,
    task: Task<number, NoInfer<T>>,
    options: FoldOptions<T> & RangeStep,
  ): Reduction<T | undefined>;
  range<T>(
    start: number,
    end: number,
    file: string | URL,
    options: FoldOptions<T> & RangeStep,
  ): Reduction<T | undefined>;
  range<const K extends Task<number> | string | URL, const R extends BuiltInReduce>(
    start: number,
    end: number,
    target: K,
    options: ReduceOptions<R> & RangeStep,
  ): Reduction<Reduced<GivenBy<K>, R>>;
  range<T = unknown>(
    start: number,
    end: number,
    task: Target,
    options: ReduceOptions & RangeStep,
  ): Reduction<T>;
  range(
    start: number,
    end: number,
    target: Target,
    { step = 1, ...options }: (MapOptions | ReduceOptions | FoldOptions<unknown>) & RangeStep = {},
  ): MapResults<unknown> | Reduction {
    const job = this.#jobOf({ ...options, kind: target, range: rangeOf(start, end, step) });
    return this.#resultsOf(job, options);
  }

  #resultsOf(
    job: Job | Promise<Job>,
    options: MapOptions | ReduceOptions | FoldOptions<unknown>,
  ): MapResults<unknown> | Reduction {
    if ('reduce' in options && options.reduce !== undefined) return new Reduction(job, options.signal);
    const { ordered = true, streams = false, signal } = options as MapOptions;
    return new MapResults(job, { ordered, signal, streams });
  }

  /**
   * A job with a handle. Resolves when the Queen has accepted it; a detached one, when all its inputs are durable.
   * Rejects with UsageError: what the Queen refused it for ('unknownKind', 'badSpec', 'unsupported', …), 'badValue',
   * 'tooLarge', 'badTask', or what its inputs threw.
   */
  submit(options: SubmitOptions): Promise<JobHandle> {
    return this.#submit(options);
  }

  /**
   * Submits a detached job and leaves it to the Queen: resolves when it is durable with all of its inputs, and nothing more is heard
   * of it here; `open(id)` follows it. For whoever submits very many small jobs: one message goes, and one comes, if the inputs are a
   * range or a short list (256 of them, 64 KiB). Rejects like `submit`.
   */
  async handOver(options: SubmitOptions): Promise<Receipt> {
    const short = this.#shortOf(options);
    if (short !== null) {
      this.#router.start(short);
      const receipt = await short.receipt;
      if (receipt !== null) return receipt;
    }
    const { id } = await this.#submit({ ...options, attached: false });
    return this.job(id);
  }

  /** Null if it must be submitted like any other. */
  #shortOf(options: SubmitOptions): HandOver | null {
    const { kind, inputs, range, signal } = options;
    this.#router.mustBeOpen();
    if (typeof kind !== 'string' || isFunction(kind) || signal !== undefined) return null;
    if ((inputs === undefined) === (range === undefined) || !this.#router.takesWholeJobs) return null;
    mustBePlain(options);
    const id = this.#freeId(options.id);
    const spec = specOf(kind, { ...options, attached: false });
    if (inputs === undefined) return new HandOver(this.#router, id, spec, null);
    const batch = shortList(spec, inputs);
    return batch === null ? null : new HandOver(this.#router, id, spec, wholeOf(batch));
  }

  async #submit(options: SubmitOptions & SpecOptions, parentsOf?: ParentsOf): Promise<JobHandle> {
    const { signal } = options;
    signal?.throwIfAborted();
    const job = await unlessAborted(Promise.resolve(this.#jobOf(options, parentsOf)), signal);
    if (signal !== undefined) cancelOnAbort(job, signal);
    await unlessAborted(options.attached === false ? job.sealed : job.accepted, signal);
    return new JobHandle(job);
  }

  /**
   * A job of tasks that depend on one another: a child starts when its parents have ended, and gets their results. All of
   * its tasks are of one kind, or run one function, whose input is then a list: its own input, and its parents' results.
   */
  graph(target: Target, options: GraphOptions = {}): Graph {
    this.#router.mustBeOpen();
    return new Graph(target, options, (all, parentsOf) => this.#submit(all, parentsOf));
  }

  /**
   * A handle for a job that was submitted elsewhere: its end and (of a detached job) its results. For a job that this
   * client has under way itself it is one more handle of the same; its results still have one reader.
   */
  async open(id: string): Promise<JobHandle> {
    const info = await this.job(id);
    const { encoding, reduce } = info;
    const owner = await this.#owner(info);
    if (owner !== null) return owner.open(id);
    const held = this.#router.held(jobId(id));
    if (held instanceof Job) return new JobHandle(held);
    const known = encoding === 'raw' || encoding === 'hive-js' ? encoding : 'msgpack';
    const how = { encoding: known, ...(reduce === undefined ? {} : { reduce }) } as const;
    const job = new Job(this.#router, jobId(id), null, null, how);
    this.#router.start(job);
    return new JobHandle(job);
  }

  async status(): Promise<QueenStatus> {
    return (await this.#router.query('status')) as unknown as QueenStatus;
  }
  async drones({ limit }: { limit?: number } = {}): Promise<readonly DroneInfo[]> {
    const body = await this.#router.query('drones', limit === undefined ? {} : { limit });
    return (body as unknown as { drones: DroneInfo[] }).drones;
  }
  /** The nodes of the mesh, the one that is asked first; none if the Queen is not part of one. */
  async nodes(): Promise<readonly NodeInfo[]> {
    return ((await this.#router.query('nodes')) as unknown as { nodes: NodeInfo[] }).nodes;
  }
  /** The newest jobs first, 100 of them unless told otherwise (all: Infinity); jobs that only hold calls are hidden. */
  jobs(options: JobsOptions = {}): Promise<readonly JobInfo[]> {
    return newestJobs((page) => this.jobsPage(page), options);
  }
  /** So many of the newest jobs, at most 1,000, or fewer; with `next` of a page as `before`, those that are older. */
  async jobsPage(options: JobsPageOptions = {}): Promise<JobsPage> {
    return pageOfJobs(await this.#router.query('jobs', queryFor(options)));
  }
  /** Rejects with UsageError 'unknownJob'. */
  async job(id: string): Promise<JobInfo> {
    return (await this.#router.query('job', { job: idOf(id) })) as unknown as JobInfo;
  }
  /** Why a job is where it is, in sentences. Rejects with UsageError 'unknownJob'. */
  async explain(id: string): Promise<readonly string[]> {
    const body = await this.#router.query('explain', { job: idOf(id) });
    return (body as { lines: readonly string[] }).lines;
  }
  /** What became of one task: every attempt, where, and how it ended. Rejects with UsageError 'unknownJob'. */
  async task(id: string, index: number): Promise<TaskStory> {
    return (await this.#router.query('task', { job: idOf(id), index })) as unknown as TaskStory;
  }
  /**
   * Cancels a job, or the tasks of it with these indices, running or not; resolves with where it stands then. Rejects with
   * UsageError 'unknownJob'.
   */
  async cancel(id: string, what: string | CancelOptions = {}): Promise<JobInfo> {
    const options = typeof what === 'string' ? { reason: what } : what;
    return (await this.#router.cancel(idOf(id), options)) as unknown as JobInfo;
  }
  /**
   * Runs the tasks of an ended job again that did not succeed; resolves with where it stands then and how many run.
   * `open` gives a handle to follow it. Rejects with UsageError 'unknownJob', or 'badSpec' if there is nothing to run.
   */
  async retry(id: string): Promise<JobInfo & { readonly retried: number }> {
    return (await this.#router.manage('retry', { job: idOf(id) })) as unknown as JobInfo & {
      readonly retried: number;
    };
  }
  /** Gives a Drone (its id, or a name that only it has) no more work. What it has not started goes to others. */
  async drain(drone: string): Promise<DrainInfo> {
    return (await this.#router.manage('drain', { drone })) as unknown as DrainInfo;
  }
  /** Gives a drained Drone work again. */
  async resume(drone: string): Promise<DrainInfo> {
    return (await this.#router.manage('resume', { drone })) as unknown as DrainInfo;
  }
  /** Removes ended jobs and their results before their time, or this one; resolves with how many. */
  async gc(id?: string): Promise<number> {
    const details = id === undefined ? {} : { job: idOf(id) };
    return ((await this.#router.manage('gc', details)) as { removed: number }).removed;
  }

  /** The keys that were revoked, the newest first. Like all about keys only for a node's key, or the secret itself. */
  async revokedKeys(): Promise<readonly RevokedKey[]> {
    return ((await this.#router.query('keys')) as unknown as { revoked: RevokedKey[] }).revoked;
  }
  /** Makes a key worthless: its sessions are closed, and it opens no more. Resolves when that is durable. */
  async revokeKey(id: string): Promise<{ readonly key: string; readonly sessions: number }> {
    const body = await this.#router.manage('revokeKey', { key: id });
    return body as unknown as { key: string; sessions: number };
  }
  /** Makes a new generation of the secret; keys of the one before stay valid until it is retired. */
  async rotateKeys(): Promise<KeyGenerations> {
    return (await this.#router.manage('rotateKeys')) as unknown as KeyGenerations;
  }
  /** Makes all keys of the generation before the newest worthless, and closes their sessions. */
  async retireKeys(): Promise<KeyGenerations> {
    return (await this.#router.manage('retireKeys')) as unknown as KeyGenerations;
  }

  /** Overviews of the cluster, every so many milliseconds (at least 250). Who reads slowly misses some. */
  watch(everyMillis = 1_000): AsyncIterableIterator<Overview> {
    this.#router.mustBeOpen();
    return new Latest<Overview>((give, fail) =>
      this.#router.watch(everyMillis, (body: Plain) => give(body as unknown as Overview), fail),
    );
  }

  /**
   * Ends every job that is attached to this client, waits until the Queen has been told, and, with `local`, ends the
   * Queen and Drones in this process. What still waits rejects with UsageError 'closed'.
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** At once if it is of a kind, once its code is there if it is of a function. @throws UsageError */
  #jobOf(options: SubmitOptions & SpecOptions, parentsOf?: ParentsOf): Job | Promise<Job> {
    const { kind } = options;
    this.#router.mustBeOpen();
    if (typeof kind === 'string' && !isFunction(kind)) {
      mustBePlain(options);
      return this.#newJob({ ...options, kind }, parentsOf);
    }
    return this.#functions.optionsOf(kind, options).then((own) => this.#newJob(named(own), parentsOf));
  }

  async #closeAll(): Promise<void> {
    const owners = await Promise.allSettled(this.#owners.values());
    for (const owner of owners) if (owner.status === 'fulfilled') await owner.value.close();
    await this.#router.close().finally(this.#ended);
  }

  /** A session with the node that owns a job, if that is not the one that is asked: what a job gives comes from its owner. */
  async #owner({ node, nodeName, nodeAddresses, lastKnownAt, state }: JobInfo): Promise<Hive | null> {
    if (node === undefined || node === this.#router.welcome?.queen) return null;
    const isAway = lastKnownAt !== undefined || nodeAddresses === undefined || nodeAddresses.length === 0;
    if (isAway || this.#connectTo === null) {
      throw new UsageError(
        `The job belongs to the node ${nodeName ?? node}, which is away; it goes on, and its results can be had, when that is back.${lastKnownAt === undefined ? '' : ` Last known, at ${lastKnownAt}: it was ${state}.`}`,
        'nodeAway',
      );
    }
    let owner = this.#owners.get(node);
    if (owner === undefined) {
      owner = this.#connectTo(nodeAddresses, this.#router.host);
      this.#owners.set(node, owner);
      owner.catch(() => this.#owners.delete(node));
    }
    return owner;
  }

  #newJob(options: SubmitOptions & SpecOptions & { kind: string }, parentsOf?: ParentsOf): Job {
    this.#router.mustBeOpen();
    if ((options.inputs === undefined) === (options.range === undefined)) {
      throw new UsageError('A job has either inputs or a range.');
    }
    const id = this.#freeId(options.id);
    const spec = specOf(options.kind, options);
    const source = options.inputs === undefined ? null : { inputs: options.inputs, parentsOf };
    const job = new Job(this.#router, id, spec, source, spec);
    this.#router.start(job);
    return job;
  }

  /** @throws UsageError 'jobHeld', 'badJobId' */
  #freeId(chosen: string | undefined): JobId {
    const id = chosen === undefined ? newJobId() : idOf(chosen);
    if (this.#router.held(id) === undefined) return id;
    throw new UsageError(`This client has job ${id} under way already.`, 'jobHeld');
  }

  #openCalls(kind: string, options: CallOptions): CallJob {
    this.#router.mustBeOpen();
    const { signal: _, ...rest } = options;
    const spec = { ...specOf(kind, rest), hidden: true, name: `calls of ${kind}` };
    const job = new CallJob(this.#router, newJobId(), spec);
    this.#router.start(job);
    return job;
  }
}

/** An id for `submit`, if it must be known before: a UUID of version 7. */
export const newJobId = (): JobId => jobId(v7());

function idOf(text: string): JobId {
  if (isJobId(text)) return text;
  throw new UsageError(`"${text}" is not a job id; those look like ${newJobId()}.`, 'badJobId');
}
