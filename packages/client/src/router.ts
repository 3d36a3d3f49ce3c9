/**
 * Between the one session and everything that talks over it: routes messages to jobs, requests and watchers, and tells
 * them all when a new session has been opened, so that each goes on from where it was.
 */
import {
  type ClientToQueen,
  checkPage,
  type JobId,
  LIMITS,
  MESSAGES,
  type Message,
  type Plain,
  type QueenId,
  type QueenToClient,
  StreamServer,
  UsageError,
  WHOLE_JOBS,
} from '@hive/shared';
import type { QueenFinder } from '@hive/shared/node';
import { Blobs } from './blobs.ts';
import { Deferred } from './deferred.ts';
import type { WhoWeAre } from './greeting.ts';
import type { CancelOptions, JobHost } from './job.ts';
import { KeepAlive } from './keep-alive.ts';
import { Link, type LinkHandlers } from './link.ts';
import { Outputs } from './outputs.ts';
import type { OutputWatcher } from './printed.ts';
import type { JobMessage, JobPeer } from './wire.ts';

type Request = Message<'Query' | 'Cancel' | 'Manage'>;
interface Waiting {
  readonly message: Request;
  readonly answer: Deferred<Plain>;
  /** Whether it is asked again in a new session. */
  readonly isLasting: boolean;
}
interface Watcher {
  readonly everyMillis: number;
  give(body: Plain): void;
  fail(error: Error): void;
}
/** One handler per message, by its name: a new message without one is a compile error. */
type Handlers = { [M in QueenToClient as M['type']]: (message: M) => void };

const TASK_LOST = 'The session of this task with its Queen was lost, and with it what it has submitted.';

export class Router implements JobHost {
  readonly #link: Link;
  readonly #jobs = new Map<string, JobPeer>();
  readonly #requests = new Map<number, Waiting>();
  readonly #watchers = new Set<Watcher>();
  readonly #outputWatchers = new Set<OutputWatcher>();
  readonly #streams: StreamServer;
  readonly outputs = new Outputs((message) => this.send(message));
  readonly blobs = new Blobs(this);
  #watchMillis = 0;
  #request = 0;
  #closedWith: Error | null = null;
  readonly #handlers: Handlers;

  readonly #keepAlive: KeepAlive | null;
  /** The job of the task whose session this is; what it submits is below that. */
  readonly #parent: JobId | null;

  /** @param isLocal whether the process may end although the session is open, if nobody waits for anything of it */
  constructor(finder: QueenFinder, who: WhoWeAre, isLocal = false) {
    this.#keepAlive = isLocal ? new KeepAlive(() => !this.#isIdle) : null;
    this.#parent = who.task?.job ?? null;
    this.#handlers = this.#makeHandlers();
    this.#streams = new StreamServer(this, ({ job, index, direction }) =>
      direction === 'in' ? this.#jobs.get(job)?.sources.get(index) : undefined,
    );
    const handlers: LinkHandlers = {
      opened: () => this.#opened(),
      message: (message) => this.#received(message as QueenToClient),
      lost: () => {
        this.#lost();
        // Its lease may have gone with it, and what it has submitted; the task is tried again.
        if (who.task !== undefined) this.fail(new UsageError(TASK_LOST, 'sessionLost'));
      },
      drained: () => this.#drained(),
      revoked: (error) => this.#fail(error),
      ticked: () => {
        for (const job of this.#jobs.values()) job.tick();
      },
    };
    this.#link = new Link(finder, who, handlers, isLocal);
  }

  /** Where the Queen was dialled; null while there is no session. */
  get host(): string | null {
    return this.#link.connection?.socket.remoteAddress ?? null;
  }

  open(timeoutMillis: number): Promise<void> {
    return this.#link.open(timeoutMillis);
  }

  get #isIdle(): boolean {
    if (this.#requests.size > 0 || this.#watchers.size > 0 || this.#outputWatchers.size > 0) return false;
    for (const job of this.#jobs.values()) if (!job.isIdle) return false;
    return this.blobs.isIdle;
  }
  mayWait(): void {
    this.#keepAlive?.begin();
  }

  /** The process exits: the connection ends at once, without a word. */
  cut(): void {
    this.#link.connection?.destroy();
  }

  /** There is no Queen any more, and there will be none. */
  fail(error: UsageError): void {
    if (this.#closedWith !== null) return;
    this.#fail(error);
    void this.#link.close();
  }

  /** Ends every job that is attached to this client, fails whatever waits, and closes the session. */
  close(): Promise<void> {
    if (this.#closedWith !== null) return Promise.resolve();
    this.#fail(new UsageError('This client was closed.', 'closed'));
    return this.#link.close();
  }

  /** Everything that waits, and everything that is asked from now on, fails with this. */
  #fail(error: UsageError): void {
    this.#keepAlive?.end();
    for (const job of [...this.#jobs.values()]) job.close(error);
    this.#closedWith = error;
    for (const { answer } of this.#requests.values()) answer.reject(error);
    this.#requests.clear();
    for (const watcher of this.#watchers) watcher.fail(error);
    this.#watchers.clear();
    for (const watcher of this.#outputWatchers) watcher.fail(error);
    this.#outputWatchers.clear();
    this.outputs.fail(error);
    this.blobs.fail(error);
  }

  get welcome(): Message<'Welcome'> | null {
    return this.#link.welcome;
  }
  get isRevoked(): boolean {
    return this.#link.isRevoked;
  }
  /** @throws UsageError 'closed' */
  mustBeOpen(): void {
    if (this.#closedWith !== null) throw this.#closedWith;
  }

  // What jobs need.

  get queen(): QueenId | null {
    return this.#link.welcome?.queen ?? null;
  }
  get takesWholeJobs(): boolean {
    return this.#link.welcome?.capabilities.includes(WHOLE_JOBS) ?? false;
  }
  get bufferedBytes(): number {
    return this.#link.connection?.bufferedBytes ?? 0;
  }
  get isClogged(): boolean {
    return this.bufferedBytes >= LIMITS.sendBufferSoft;
  }
  send(message: ClientToQueen): void {
    const isChild = message.type === 'Submit' && this.#parent !== null;
    this.#link.send(isChild ? { ...message, spec: { ...message.spec, parent: this.#parent } } : message);
  }
  flush(): void {
    this.#link.connection?.flush();
  }
  nextRequest(): number {
    return ++this.#request;
  }
  /** Routes messages to a job from now on, and lets it introduce itself if it is new. */
  start(job: JobPeer): void {
    this.keep(job);
    if (this.#link.connection !== null) this.#resume(job);
  }
  keep(job: JobPeer): void {
    this.mayWait();
    this.#jobs.set(job.id, job);
  }
  /** A job of this client that is not over. */
  held(job: JobId): JobPeer | undefined {
    return this.#jobs.get(job);
  }
  forget(job: JobId): void {
    this.#jobs.delete(job);
  }
  async cancel(job: JobId, { reason, indices }: CancelOptions): Promise<Plain> {
    const details = { job, ...(reason === undefined ? {} : { reason }) };
    if (indices === undefined) return this.#ask({ type: 'Cancel', request: this.nextRequest(), ...details });
    let answer: Plain = {};
    // At least one request: no tasks at all are a question too, and the answer says where the job stands.
    for (let at = 0; at === 0 || at < indices.length; at += LIMITS.listMax) {
      const some = indices.slice(at, at + LIMITS.listMax);
      answer = await this.#ask({
        type: 'Cancel',
        request: this.nextRequest(),
        ...details,
        indices: some,
      });
    }
    return answer;
  }
  cancelTasks(job: JobId, indices: readonly number[], answered: () => void): void {
    this.#ask({ type: 'Cancel', request: this.nextRequest(), job, indices }, false).then(answered, () => {});
  }

  // What the public face needs.

  /** @throws UsageError with what the Queen refused it for */
  query(about: Message<'Query'>['about'], details: Partial<Message<'Query'>> = {}): Promise<Plain> {
    return this.#ask({ ...details, type: 'Query', request: this.nextRequest(), about });
  }

  /** @throws UsageError with what the Queen refused it for */
  manage(action: Message<'Manage'>['action'], details: Partial<Message<'Manage'>> = {}): Promise<Plain> {
    return this.#ask({ ...details, type: 'Manage', request: this.nextRequest(), action });
  }

  /** Calls back with every overview, at least as often as asked for, until the function that it returns is called. */
  watch(everyMillis: number, give: (body: Plain) => void, fail: (error: unknown) => void): () => void {
    const watcher: Watcher = { everyMillis, give, fail };
    this.mayWait();
    this.#watchers.add(watcher);
    this.#updateWatch();
    return () => {
      if (this.#watchers.delete(watcher)) this.#updateWatch();
    };
  }

  /**
   * Gives what the job's tasks print, from the beginning of those that run, until the function that it returns is called.
   * Whatever others have been given already comes again when one more begins to watch.
   */
  watchOutput(watcher: OutputWatcher): () => void {
    this.mustBeOpen();
    const { job } = watcher;
    this.mayWait();
    this.#outputWatchers.add(watcher);
    this.send({ type: 'WatchOutput', job, on: true });
    return () => {
      if (!this.#outputWatchers.delete(watcher)) return;
      const isWatched = [...this.#outputWatchers].some((other) => other.job === job);
      if (!isWatched) this.send({ type: 'WatchOutput', job, on: false });
    };
  }

  #updateWatch(): void {
    let everyMillis = 0;
    for (const watcher of this.#watchers) {
      everyMillis = everyMillis === 0 ? watcher.everyMillis : Math.min(everyMillis, watcher.everyMillis);
    }
    if (everyMillis === this.#watchMillis) return;
    this.#watchMillis = everyMillis;
    this.send({ type: 'Watch', everyMillis });
  }

  #ask(message: Request, isLasting = true): Promise<Plain> {
    if (this.#closedWith !== null) return Promise.reject(this.#closedWith);
    const wrong = MESSAGES[message.type].problem(message);
    if (wrong !== null)
      return Promise.reject(new UsageError(`This cannot be asked: ${wrong}.`, 'badQuestion'));
    const answer = new Deferred<Plain>();
    this.mayWait();
    this.#requests.set(message.request, { message, answer, isLasting });
    this.send(message);
    return answer.promise;
  }

  #opened(): void {
    this.blobs.opened();
    for (const job of [...this.#jobs.values()]) this.#resume(job);
    this.outputs.resume();
    for (const { message } of this.#requests.values()) this.send(message);
    if (this.#watchMillis > 0) this.send({ type: 'Watch', everyMillis: this.#watchMillis });
    for (const job of new Set([...this.#outputWatchers].map((watcher) => watcher.job)))
      this.send({ type: 'WatchOutput', job, on: true });
  }

  /** What a job needs is offered again before the job: the Queen may have lost it, or be another one. */
  #resume(job: JobPeer): void {
    const { connection } = this.#link;
    if (!this.blobs.mustRenew(job.blobs)) job.resume();
    else
      this.blobs.renew(job.blobs).then(
        () => {
          if (this.#link.connection === connection && this.#jobs.get(job.id) === job) job.resume();
        },
        (error: Error) => job.close(error),
      );
  }

  #drained(): void {
    this.#streams.pump();
    this.blobs.drained();
    for (const job of this.#jobs.values()) job.drained();
  }

  #lost(): void {
    this.#streams.reset();
    this.blobs.lost();
    for (const [request, { isLasting }] of this.#requests) {
      if (!isLasting) this.#requests.delete(request);
    }
  }

  #received(message: QueenToClient): void {
    (this.#handlers[message.type] as (message: QueenToClient) => void)(message);
  }

  #makeHandlers(): Handlers {
    const toJob = (message: JobMessage) => {
      if (message.job !== undefined) this.#jobs.get(message.job)?.receive(message);
    };
    const ignored = () => {};
    return {
      Accepted: toJob,
      InputCredit: toJob,
      Results: (message) => {
        checkPage(message);
        toJob(message);
      },
      Progress: toJob,
      JobDone: toJob,
      Refused: (message) => {
        if (message.blob !== undefined) this.blobs.refused(message.blob, message);
        else if (message.request === undefined) toJob(message);
        else this.#refused(message);
      },
      Answer: ({ request, body }) => this.#take(request)?.answer.resolve(body),
      Overview: ({ body }) => {
        for (const watcher of [...this.#watchers]) watcher.give(body);
      },
      StreamGet: (message) => this.#streams.get(message),
      StreamChunk: (message) => this.outputs.arrived(message),
      Output: (message) => {
        for (const watcher of [...this.#outputWatchers])
          if (watcher.job === message.job) watcher.give(message);
      },
      BlobHave: (message) => this.blobs.has(message),
      BlobGet: (message) => this.blobs.asked(message),
      BlobChunk: ignored,
      // The session itself, dealt with below us.
      Welcome: ignored,
      Reject: ignored,
      Heartbeat: ignored,
      Goodbye: ignored,
    };
  }

  #refused({ request, code, message }: Message<'Refused'>): void {
    this.#take(request!)?.answer.reject(new UsageError(message, code));
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#requests.get(request);
    this.#requests.delete(request);
    return waiting;
  }
}
