/**
 * A simulated Queen: the real Scheduler and the real CommitPipeline, joined to simulated sockets, disk and clock as
 * runtime.ts and server.ts of packages/queen join them to real ones. Whatever passes is shown to the auditor.
 */
import {
  CommitPipeline,
  composeFold,
  composeInputs,
  type Effects,
  type InputRef,
  Scheduler,
  type SchedulerEvent,
  type Send,
} from '@hive/queen';
import {
  agreeOnVersion,
  LIMITS,
  type Message,
  type Millis,
  type Page,
  ProtocolError,
  Session,
  type SessionNumber,
  sessionNumber,
} from '@hive/shared';
import { Connection } from './connection.ts';
import type { WireEnd } from './network.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import type { SlowStore } from './slow-store.ts';
import { describe } from './trace.ts';
import type { Timer } from './virtual-time.ts';
import type { World } from './world.ts';

const STORE_RETRY_MILLIS = 500;
const HEARD_MILLIS = 1_000;
/** Events that are stepped in one turn come within this time. */
const TURN_MILLIS = 0.2;

const NEVER = Number.POSITIVE_INFINITY;

export class SimQueen {
  readonly scheduler: Scheduler;
  readonly store: SlowStore;
  readonly process: Process;
  readonly #world: World;
  readonly #random: Random;
  readonly #pipeline: CommitPipeline;
  readonly #connections = new Map<SessionNumber, Connection>();
  readonly #names = new Map<SessionNumber, string>();
  readonly #clogged = new Set<SessionNumber>();
  readonly #heardBytes = new Map<SessionNumber, number>();
  #inbox: SchedulerEvent[] = [];
  #isTurnQueued = false;
  #sessions = 0;
  #timer: Timer | null = null;
  #timerAt: Millis | null = null;

  /** @param opening of the store, counted from 1 */
  constructor(world: World, store: SlowStore, queen: string, opening: number) {
    this.#world = world;
    this.process = new Process(`queen-${opening}`, world.time);
    this.store = store;
    this.#random = world.random.fork();
    const chance = world.random.fork();
    this.scheduler = new Scheduler({
      queen,
      incarnation: this.#random.hex(16),
      isDurable: true,
      startedAt: 0,
      epoch: opening,
      name: 'queen',
      store: store.name,
      formatTime: (at) => `+${Math.round(at)} ms`,
      chance: () => chance.next(),
    });
    this.#pipeline = new CommitPipeline({
      keep: (records) => store.keep(records),
      commit: () => store.commit(),
      deliver: (sends) => {
        // A commit that ends when its process is dead tells nobody.
        if (!this.process.isAlive) return;
        world.auditor.afterCommit(sends, store.durable);
        this.#deliver(sends);
      },
      failed: () => this.#commitFailed(),
    });
    world.network.accept = (end) => this.#accept(end);
    this.#noteHeard();
  }

  /** Takes what the process before it has left durable. */
  recover(): void {
    const { now } = this.#world.time;
    const effects = this.scheduler.recover(this.store.recover(), now);
    this.#world.auditor.recovered(this.store.durableLog, effects, this.scheduler.state);
    this.#perform(effects);
    this.#pipeline.flush(this.#world.time.now);
    this.#arm();
  }

  /** kill -9: its sockets close, and what was not durable is gone. */
  crash(): void {
    this.process.kill();
    this.store.crash();
    this.#world.network.accept = null;
    for (const wire of this.#world.network.wires) wire.cut('both');
    this.#connections.clear();
  }

  /** Nothing is under way inside: no events wait, and no commit. */
  get isIdle(): boolean {
    return this.#inbox.length === 0 && this.#pipeline.isIdle;
  }

  // The server's part

  #accept(end: WireEnd): void {
    const number = sessionNumber(++this.#sessions);
    let isOpen = false;
    const connection: Connection = new Connection(end, new Session(null), {
      message: (message) => {
        if (!this.process.isAlive) return;
        if (isOpen) this.#received(number, message);
        else isOpen = this.#greet(connection, number, message);
      },
      closed: (error) => {
        if (isOpen) this.#closed(number, error?.message ?? 'it closed the connection');
      },
      drained: () => this.#drained(number),
    });
    this.process.after(LIMITS.handshakeMillis, () => {
      if (!isOpen) refuse(connection, new ProtocolError('no Hello within 10 seconds', 'handshakeTimeout'));
    });
  }

  #greet(connection: Connection, session: SessionNumber, message: Message): boolean {
    if (message.type !== 'Hello') return false;
    agreeOnVersion(message);
    connection.session.open(message.role);
    this.#connections.set(session, connection);
    this.#names.set(session, `${message.name}/${session}`);
    const sessionId = this.#random.hex(32);
    this.#trace(session, 'joins');
    this.#push({ type: 'peerJoined', session, hello: message, address: message.name, sessionId });
    return true;
  }

  #received(session: SessionNumber, message: Message): void {
    this.#push({ type: 'messageReceived', session, message });
  }
  #closed(session: SessionNumber, reason: string): void {
    if (!this.#connections.delete(session)) return;
    this.#clogged.delete(session);
    this.#heardBytes.delete(session);
    this.#push({ type: 'sessionClosed', session, reason });
  }
  #drained(session: SessionNumber): void {
    const connection = this.#connections.get(session);
    if (connection === undefined || !this.#clogged.has(session)) return;
    if (connection.bufferedBytes > LIMITS.sendBufferSoft / 2) return;
    this.#clogged.delete(session);
    this.#push({ type: 'sessionClogged', session, isClogged: false });
  }

  // The runtime's part

  #push(event: SchedulerEvent): void {
    this.#inbox.push(event);
    if (this.#isTurnQueued) return;
    this.#isTurnQueued = true;
    this.process.after(this.#random.between(0, TURN_MILLIS), () => this.#turn());
  }

  #turn(): void {
    this.#isTurnQueued = false;
    const events = this.#inbox;
    this.#inbox = [];
    for (const event of events) this.#step(event);
    this.#step({ type: 'settled' });
    this.#pipeline.flush(this.#world.time.now);
    this.#arm();
  }

  #step(event: SchedulerEvent): void {
    const { now } = this.#world.time;
    if (event.type === 'messageReceived')
      this.#trace(event.session, () => `> ${describe(event.message, this.#world.nameOf)}`);
    else if (event.type === 'sessionClosed') this.#trace(event.session, `closed: ${event.reason}`);
    const effects = this.scheduler.step(event, now);
    this.#world.auditor.stepped(event, effects, this.scheduler.state);
    this.#perform(effects);
  }

  #perform(effects: Effects): void {
    this.#pipeline.push(effects);
    this.#deliver(effects.now);
    for (const { session, goodbye } of effects.close) {
      this.#trace(session, () => `< ${describe(goodbye, this.#world.nameOf)} ${goodbye.message}`);
      this.#world.auditor.closed(this.#names.get(session) ?? '?', goodbye);
      this.#connections.get(session)?.farewell(goodbye);
      this.#connections.delete(session);
      this.#clogged.delete(session);
    }
  }

  #deliver(sends: readonly Send[]): void {
    for (const send of sends) {
      const connection = this.#connections.get(send.session);
      if (connection === undefined || connection.isClosed) continue;
      const message = this.#complete(send);
      if (message === null) continue;
      this.#trace(send.session, () => `< ${describe(message, this.#world.nameOf)}`);
      connection.send(message);
      if (connection.bufferedBytes > LIMITS.sendBufferSoft && !this.#clogged.has(send.session)) {
        this.#clogged.add(send.session);
        this.#push({ type: 'sessionClogged', session: send.session, isClogged: true });
      }
    }
  }

  #complete({ message, inputs, results, fold }: Send): Message | null {
    if (fold !== undefined) {
      const input = composeFold(fold, (job, seq) => this.store.readResults(job, seq));
      return { ...(message as Message<'TaskAssign'>), ...input };
    }
    if (inputs !== undefined) return { ...(message as Message<'TaskAssign'>), ...this.#inputs(inputs) };
    if (results === undefined) return message;
    const stored = this.store.readResults(results.job, results.seq);
    if (stored === undefined) {
      if (this.scheduler.state.jobs.has(results.job)) return null;
      return { type: 'Refused', job: results.job, code: 'unknownJob', message: 'removed' };
    }
    const { page, failures } = stored;
    if (message.type === 'JobDone') return { ...message, value: page.data };
    return {
      ...(message as Message<'Results'>),
      sizes: page.sizes,
      data: page.data,
      ...(failures.length === 0 ? {} : { failures }),
    };
  }

  #inputs(ref: InputRef): Pick<Page, 'sizes' | 'data'> {
    const own = this.store.readInputs(ref);
    if (ref.parts === undefined) return own;
    return composeInputs(own, ref.parts, (seq) => this.store.readResults(ref.job, seq));
  }

  #commitFailed(): void {
    this.#world.trace.add('queen', 'a commit failed');
    this.#push({ type: 'storeFilled', isLow: true });
    this.process.after(STORE_RETRY_MILLIS, () => {
      this.#push({ type: 'storeFilled', isLow: false });
      this.#pipeline.retry();
    });
  }

  #arm(): void {
    const next = Math.min(this.scheduler.nextDeadline() ?? NEVER, this.#pipeline.dueAt ?? NEVER);
    const at = next === NEVER ? null : next;
    if (at === this.#timerAt) return;
    this.#world.time.cancel(this.#timer);
    this.#timerAt = at;
    this.#timer = null;
    if (at === null) return;
    this.#timer = this.process.after(at - this.#world.time.now, () => {
      this.#timerAt = null;
      this.#push({ type: 'timePassed' });
    });
  }

  #noteHeard(): void {
    const sessions: SessionNumber[] = [];
    for (const [session, connection] of this.#connections) {
      if (this.#heardBytes.get(session) === connection.bytesIn) continue;
      this.#heardBytes.set(session, connection.bytesIn);
      sessions.push(session);
    }
    if (sessions.length > 0) this.#push({ type: 'bytesHeard', sessions });
    this.process.after(HEARD_MILLIS, () => this.#noteHeard());
  }

  #trace(session: SessionNumber, what: string | (() => string)): void {
    const text = () => (typeof what === 'string' ? what : what());
    this.#world.trace.add('queen', () => `${this.#names.get(session) ?? session} ${text()}`);
  }
}

function refuse(connection: Connection, error: ProtocolError): void {
  connection.farewell({ type: 'Reject', code: error.code, message: error.message });
}
