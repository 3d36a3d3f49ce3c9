/**
 * Joins the pure scheduler to sockets, store and clock. Works in turns: all that has arrived is stepped, the turn is
 * settled, what is to be stored goes to the store in one batch, and every peer is written to once.
 *
 * It owns exactly one timer. It never decides anything that a test would want to see decided in virtual time.
 */
import type { JobId, Message, Millis, Page, PeerId, RefusalCode, SessionNumber } from '@hive/shared';
import { LIMITS, UsageError } from '@hive/shared';
import type { Connection, Keyring } from '@hive/shared/node';
import debug from 'debug';
import { BlobDesk } from './blobs/desk.ts';
import type { BlobShelf } from './blobs/shelf.ts';
import { Elsewhere } from './elsewhere.ts';
import { type Question, Questions } from './questions.ts';
import { withValue } from './reply-value.ts';
import {
  CommitPipeline,
  type Effects,
  type Identity,
  type InputRef,
  type KeyRequest,
  type Notice,
  Scheduler,
  type SchedulerEvent,
  type Send,
} from './scheduler/index.ts';
import { SpoolDesk } from './spool/desk.ts';
import type { Spool } from './spool/spool.ts';
import { composeFold, composeInputs } from './store/pages.ts';
import { StoreError } from './store/sqlite/errors.ts';
import type { Store } from './store/store.ts';
import { StoreWatch } from './store-watch.ts';
import { tellStory } from './story.ts';
import { TaskTokens } from './task-tokens.ts';
import { Trace } from './trace.ts';

const log = debug('hive:queen:runtime');
const STORE_RETRY_MILLIS = 500;
/** How often connections are looked at for bytes that complete no message yet. */
const HEARD_MILLIS = 1_000;

export interface RuntimeOptions {
  readonly identity: Identity;
  readonly store: Store;
  /** Values over 1 MiB. */
  readonly spool: Spool;
  /** Blobs. */
  readonly shelf: BlobShelf;
  /** The keys of this Queen; none when she is insecure. */
  readonly keys?: Keyring | null;
  /** Milliseconds on a clock that never goes back. */
  readonly clock: () => number;
  readonly onNotice: (notice: Notice) => void;
  /** Notices of replies get the whole value. Default: false. */
  readonly showValues?: boolean;
  /** There is no room for more jobs, and why; null when there is again. */
  readonly onStoreProblem?: (problem: StoreError | null) => void;
  /** Bytes of the disk that are kept free. Default: LIMITS.storeReserveBytes. */
  readonly storeReserveBytes?: number;
  /** After a failed commit the store is tried again this often. Default: 500 ms. */
  readonly storeRetryMillis?: number;
}

export class Runtime {
  readonly scheduler: Scheduler;
  /** Other nodes, if this Queen is part of one. */
  readonly elsewhere = new Elsewhere(
    (session, reply) => {
      if (this.#questions.answered(session)) this.#wake();
      this.#connections.get(session)?.send(reply);
    },
    (event) => this.push(event),
  );
  /** Dials a Drone once more that was dialled from here; set by whoever dials. */
  dialBack: (drone: PeerId) => void = () => {};
  /** Of tasks that submit work. */
  readonly tokens = new TaskTokens();
  readonly #store: Store;
  readonly #keys: Keyring | null;
  /** The oldest generation of keys that was valid when last looked. */
  #oldestKeys: number;
  readonly #clock: () => number;
  readonly #formatTime: (at: number) => string;
  readonly #onNotice: (notice: Notice) => void;
  readonly #showValues: boolean;
  readonly #connections = new Map<SessionNumber, Connection>();
  readonly #clogged = new Set<SessionNumber>();
  readonly #heardBytes = new Map<SessionNumber, number>();
  readonly #pipeline: CommitPipeline;
  readonly #watch: StoreWatch;
  readonly #spool: Spool;
  readonly #desk: SpoolDesk;
  readonly #shelf: BlobShelf;
  readonly #blobs: BlobDesk;
  readonly #questions: Questions;
  readonly #trace = Trace.maybe();
  readonly #storeRetryMillis: number;
  #storeRetry: NodeJS.Timeout | null = null;
  /** Connections that were told something in this turn that need not wait for its commit. */
  readonly #told = new Set<Connection>();
  #inbox: SchedulerEvent[] = [];
  #isTurnQueued = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  readonly #heardTimer: NodeJS.Timeout;

  constructor({ identity, store, spool, shelf, clock, onNotice, ...options }: RuntimeOptions) {
    this.scheduler = new Scheduler(identity);
    this.#spool = spool;
    this.#desk = new SpoolDesk({
      spool,
      store,
      scheduler: this.scheduler,
      connectionOf: (session) => this.#connections.get(session),
      step: (session, message) => this.push({ type: 'messageReceived', session, message }),
    });
    this.#shelf = shelf;
    this.#blobs = new BlobDesk({
      shelf,
      scheduler: this.scheduler,
      connectionOf: (session) => this.#connections.get(session),
      now: clock,
      isSettled: () => this.#pipeline.isIdle,
    });
    this.#questions = new Questions({
      step: (session, message) => this.#stepOne({ type: 'messageReceived', session, message }, clock()),
      now: () => performance.now(),
      isClogged: (session) => this.#clogged.has(session),
      read: (session, is) => {
        const socket = this.#connections.get(session)?.socket;
        if (is) socket?.resume();
        else socket?.pause();
      },
    });
    this.#store = store;
    this.#keys = options.keys ?? null;
    this.#oldestKeys = this.#keys?.oldest ?? 0;
    this.#clock = clock;
    this.#formatTime = identity.formatTime;
    this.#onNotice = onNotice;
    this.#showValues = options.showValues ?? false;
    this.#storeRetryMillis = options.storeRetryMillis ?? STORE_RETRY_MILLIS;
    this.#pipeline = new CommitPipeline({
      keep: (records) => store.keep(records),
      commit: () => (this.#trace === null ? store.commit() : this.#trace.commit(() => store.commit())),
      deliver: (sends) => {
        this.#watch.failure = null;
        this.#deliver(sends);
      },
      failed: (error) => this.#commitFailed(error),
    });
    const { storeReserveBytes } = options;
    this.#watch = new StoreWatch({
      store,
      onChange: (problem) => {
        this.push({ type: 'storeFilled', isLow: problem !== null });
        options.onStoreProblem?.(problem);
      },
      ...(storeReserveBytes === undefined ? {} : { reserveBytes: storeReserveBytes }),
    });
    this.#heardTimer = setInterval(() => this.#look(), HEARD_MILLIS);
    this.#heardTimer.unref();
  }

  /** Takes what the store remembers; before anybody is let in. */
  recover(): void {
    const recovered = this.scheduler.recover(this.#store.recover(), this.#clock());
    this.#spool.open((job) => this.scheduler.state.jobs.has(job));
    this.#shelf.open();
    this.#perform(recovered);
    const { jobs } = this.scheduler.state;
    log('opened: %s store, %d jobs of before', this.#store.name, jobs.size);
    void this.#watch.look();
    this.#pipeline.flush(this.#clock());
    this.#armTimer();
  }

  /** A session whose Hello was accepted; its messages follow by `push`. */
  admit(session: SessionNumber, connection: Connection): void {
    this.#connections.set(session, connection);
  }

  /** A question of an admitted session; it is answered in its turn. */
  ask(session: SessionNumber, question: Question): void {
    this.#questions.ask(session, question);
    this.#wake();
  }

  /** Any other message of an admitted session. */
  receive(session: SessionNumber, message: Message): void {
    if (this.#blobs.receive(session, message) || this.#desk.receive(session, message)) return;
    this.push({ type: 'messageReceived', session, message });
  }

  push(event: SchedulerEvent): void {
    if (this.#isStopped) return;
    this.#inbox.push(event);
    this.#trace?.event(event);
    this.#wake();
  }

  #wake(): void {
    if (this.#isTurnQueued || this.#isStopped) return;
    this.#isTurnQueued = true;
    // After the poll phase: everything that arrives in one pass of the event loop is one turn.
    setImmediate(() => this.#turn());
  }

  closed(session: SessionNumber, reason: string): void {
    if (!this.#connections.delete(session)) return;
    this.#clogged.delete(session);
    this.#heardBytes.delete(session);
    this.#desk.closed(session);
    this.#blobs.closed(session);
    this.#questions.closed(session);
    this.push({ type: 'sessionClosed', session, reason });
  }

  drained(session: SessionNumber): void {
    this.#desk.drained(session);
    this.#blobs.drained(session);
    const connection = this.#connections.get(session);
    if (connection === undefined || !this.#clogged.has(session)) return;
    if (connection.bufferedBytes > LIMITS.sendBufferSoft / 2) return;
    this.#clogged.delete(session);
    this.#wake();
    this.push({ type: 'sessionClogged', session, isClogged: false });
  }

  /** Identity of the Queen. */
  get queen(): string {
    return this.scheduler.state.identity.queen;
  }
  isRevoked(keyId: string): boolean {
    return this.scheduler.state.revokedKeys.has(keyId);
  }

  get sessions(): number {
    return this.#connections.size;
  }

  /** Says goodbye to everybody and stops. */
  stop(message: string): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#storeRetry !== null) clearTimeout(this.#storeRetry);
    this.#watch.stop();
    this.#blobs.stop();
    clearInterval(this.#heardTimer);
    for (const connection of this.#connections.values())
      connection.end({ type: 'Goodbye', code: 'stopping', message });
  }

  #turn(): void {
    this.#isTurnQueued = false;
    if (this.#isStopped) return;
    const events = this.#inbox;
    this.#inbox = [];
    const now = this.#clock();
    for (const event of events) this.#stepOne(event, now);
    if (this.#questions.serve()) this.#wake();
    this.#perform(this.scheduler.step({ type: 'settled' }, now));
    if (this.#store.isDurable && !this.#pipeline.isIdle) this.#sendNow();
    this.#told.clear();
    this.#pipeline.flush(now);
    this.#armTimer();
  }

  #stepOne(event: SchedulerEvent, now: Millis): void {
    if (this.elsewhere.takes(event, this.scheduler.state)) return;
    const effects = this.scheduler.step(event, now);
    if (event.type === 'messageReceived') this.#desk.stepped(event.message, effects);
    this.#perform(effects);
  }

  /** What need not wait for the commit leaves before it: Drones work while the disk does. */
  #sendNow(): void {
    for (const connection of this.#told) connection.flush();
  }

  #perform(effects: Effects): void {
    // Pages are kept before anything reads them, and are durable before `afterCommit` leaves.
    this.#pipeline.push(effects, this.#desk.dropped(effects));
    this.#trace?.effects(effects);
    this.#deliver(effects.now);
    if (effects.now.length > 0) this.#noteTold(effects.now);
    for (const { session, goodbye } of effects.close) {
      this.#connections.get(session)?.end(goodbye);
      this.#connections.delete(session);
      this.#clogged.delete(session);
      this.#desk.closed(session);
      this.#blobs.closed(session);
      this.#questions.closed(session);
    }
    for (const notice of effects.notices) {
      this.#onNotice(this.#showValues ? withValue(notice, effects, this.scheduler.state) : notice);
    }
    for (const request of effects.keys) this.#changeKeys(request);
    for (const request of effects.blobs) this.#blobs.serve(request);
    for (const drone of effects.dials) this.dialBack(drone);
  }

  /** What a holder of the secret has asked for. The secret is not in the store, so nothing waits for a commit. */
  #changeKeys({ session, request, action }: KeyRequest): void {
    const connection = this.#connections.get(session);
    try {
      const generation = action === 'rotateKeys' ? this.#keys?.rotate() : this.#keys?.retire();
      const generations = [...(this.#keys?.generations ?? [])];
      connection?.send({ type: 'Answer', request, body: { generation: generation ?? 0, generations } });
      log('%s: the keys of generation %o are valid', action, generations);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const code: RefusalCode = 'notPermitted';
      connection?.send({ type: 'Refused', request, code, message: error.message });
    }
    this.#noteKeys();
  }

  /** Sessions with keys that were retired end. */
  #noteKeys(): void {
    const oldest = this.#keys?.oldest ?? 0;
    if (oldest === this.#oldestKeys) return;
    this.#oldestKeys = oldest;
    this.push({ type: 'keysRetired', oldest });
  }

  #noteTold(sends: readonly Send[]): void {
    for (const { session } of sends) {
      const connection = this.#connections.get(session);
      if (connection !== undefined) this.#told.add(connection);
    }
  }

  #deliver(sends: readonly Send[]): void {
    for (const send of sends) {
      if (answersOne(send.message) && this.#questions.answered(send.session)) this.#wake();
      const connection = this.#connections.get(send.session);
      if (connection === undefined || connection.isClosed) continue;
      if (!this.#send(connection, send)) continue;
      if (connection.bufferedBytes > LIMITS.sendBufferSoft && !this.#clogged.has(send.session)) {
        this.#clogged.add(send.session);
        this.push({ type: 'sessionClogged', session: send.session, isClogged: true });
      }
    }
  }

  /** What cannot be said must not end the Queen: a damaged page, or more than fits a frame. False when nothing was sent. */
  #send(connection: Connection, send: Send): boolean {
    try {
      const message = this.#withToken(send.session, this.#complete(send));
      if (message !== null) connection.send(message);
      if (message !== null) this.#trace?.sent(send, message);
      return message !== null;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      log('a %s could not be sent: %s', send.message.type, error.message);
      const instead = refusalOf(send.message, error);
      if (instead !== null) connection.send(instead);
      else if (send.message.type === 'TaskAssign') {
        const { lease } = send.message;
        this.push({ type: 'leaseUnsendable', lease, code: error.code, message: error.message });
      } else connection.end({ type: 'Goodbye', code: 'tooLarge', message: error.message });
      return false;
    }
  }

  #withToken(session: SessionNumber, message: Message | null): Message | null {
    if (message?.type !== 'TaskAssign' || message.token === undefined) return message;
    const key = this.scheduler.state.sessions.get(session)?.key ?? null;
    return { ...message, token: this.tokens.mint(key, message.job, message.lease) };
  }

  /** Adds the bytes that the scheduler named but does not hold. Null when they are gone, and with them the need. */
  #complete({ message, inputs, results, fold, story }: Send): Message | null {
    if (story !== undefined)
      return tellStory(this.#store, message as Message<'Answer'>, story, this.#formatTime);
    if (inputs !== undefined) return { ...(message as Message<'TaskAssign'>), ...this.#inputs(inputs) };
    if (fold !== undefined) {
      const input = composeFold(fold, (job, seq) => this.#store.readResults(job, seq));
      return { ...(message as Message<'TaskAssign'>), ...input };
    }
    if (results === undefined) return message;
    const stored = this.#store.readResults(results.job, results.seq);
    if (stored === undefined) return this.#removed(results.job);
    const { page, failures, streams } = stored;
    if (message.type === 'JobDone') return { ...message, value: page.data };
    return {
      ...(message as Message<'Results'>),
      sizes: page.sizes,
      data: page.data,
      ...(failures.length === 0 ? {} : { failures }),
      ...(streams.length === 0 ? {} : { streams }),
    };
  }

  /** A page that is not there any more. If the whole job has gone meanwhile, whoever waits for it must hear of that. */
  #removed(job: JobId): Message | null {
    if (this.scheduler.state.jobs.has(job)) return null;
    const message = `The results of job ${job} were removed before they could be sent; keep jobs longer.`;
    return { type: 'Refused', job, code: 'unknownJob', message };
  }

  #inputs(ref: InputRef): Pick<Page, 'sizes' | 'data'> {
    const own = this.#store.readInputs(ref);
    if (ref.parts === undefined) return own;
    return composeInputs(own, ref.parts, (seq) => this.#store.readResults(ref.job, seq));
  }

  /** The batch is kept and tried again; until that has worked, what waits for it is not said, and no job is accepted. */
  #commitFailed(error: unknown): void {
    if (this.#isStopped) return;
    // A batch that no disk can take would be tried for ever; what is on the disk is still right.
    if (!(error instanceof StoreError)) throw error;
    log('a commit failed: %O', error);
    this.#watch.failure = error;
    this.#storeRetry = setTimeout(() => this.#pipeline.retry(), this.#storeRetryMillis);
    this.#storeRetry.unref();
  }

  #armTimer(): void {
    const deadline = this.scheduler.nextDeadline() ?? Number.POSITIVE_INFINITY;
    const at = Math.min(deadline, this.#pipeline.dueAt ?? Number.POSITIVE_INFINITY);
    if (at === this.#timerAt && this.#timer !== null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(0, Math.ceil(at - this.#clock())), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.push({ type: 'timePassed' });
    }, delay);
  }

  /** Once a second: who was heard, and whether the secret has changed. */
  #look(): void {
    this.#noteHeard();
    this.#keys?.refresh();
    this.#noteKeys();
  }

  /** A frame that takes long to arrive is a sign of life too. */
  #noteHeard(): void {
    const sessions: SessionNumber[] = [];
    for (const [session, connection] of this.#connections) {
      if (this.#heardBytes.get(session) === connection.bytesIn) continue;
      this.#heardBytes.set(session, connection.bytesIn);
      sessions.push(session);
    }
    if (sessions.length > 0) this.push({ type: 'bytesHeard', sessions });
  }
}

const answersOne = (message: Message): boolean =>
  message.type === 'Answer' || (message.type === 'Refused' && message.request !== undefined);

/** What a client is told in place of what cannot be sent; null when it is nobody's question. */
function refusalOf(message: Message, { code, message: text }: UsageError): Message<'Refused'> | null {
  const refusal = code === 'tooLarge' ? 'tooLarge' : 'damagedStore';
  if (message.type === 'Answer')
    return { type: 'Refused', request: message.request, code: refusal, message: text };
  if (message.type === 'Results' || message.type === 'JobDone')
    return { type: 'Refused', job: message.job, code: refusal, message: text };
  return null;
}
