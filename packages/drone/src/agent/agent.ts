/**
 * The Drone's core: events in, effects out, one door, no I/O. Everything that depends on chance or time is an argument, so
 * the same agent runs in production and in simulation.
 *
 * It works for any number of Queens at once. A session opens (`sessionOpened`), is told what is held, and asks for work
 * for every free slot (what Queens do not share by turns: `turns.ts`); it ends (`sessionClosed`, or silence), and leases go on running and results are kept until the same
 * Queen is back. After every event the work credit of each session is set to the number of free slots.
 * It never throws because of what a peer said: that closes the session, with the reason.
 */
import {
  type EndedProcess,
  type JobId,
  type Message,
  type MessageType,
  type Millis,
  ProtocolError,
} from '@hive/shared';
import type { AgentEffect, AgentEffects, AgentEvent, DroneCounters } from './events.ts';
import { type Display, Journal } from './journal.ts';
import { Places } from './places.ts';
import { type AgentSession, Queens, type Turn } from './queens.ts';
import { Replies } from './replies.ts';
import { letGoOn } from './rests.ts';
import { Transfers } from './transfers.ts';
import { Turns } from './turns.ts';
import { Work } from './work.ts';

export interface AgentOptions {
  readonly slots: number;
  /** Kinds that this Drone runs. Tasks of others fail. */
  readonly kinds: readonly string[];
  /** The short text of a value, for logs. */
  readonly display?: Display;
  /** All of a value; given when events are to carry it. */
  readonly whole?: Display;
  /** The process in whose place this one was started; Queens are told how it ended. */
  readonly predecessor?: EndedProcess;
}
type EventOf<T extends AgentEvent['type']> = Extract<AgentEvent, { type: T }>;
type Handlers = { readonly [T in AgentEvent['type']]: (event: EventOf<T>) => void };
type MessageHandlers = {
  readonly [T in MessageType]?: (session: AgentSession, message: Message<T>) => void;
};

export class Agent {
  readonly #turn: Turn = { now: 0, effects: [] };
  readonly #places: Places;
  readonly #queens: Queens;
  readonly #journal: Journal;
  readonly #replies: Replies;
  readonly #turns: Turns;
  readonly #transfers: Transfers;
  readonly #work: Work;
  #hasDrained = false;

  constructor(options: AgentOptions) {
    this.#places = new Places(options.slots);
    this.#queens = new Queens(this.#turn, (slot, bytes, files) => this.#work.released(slot, bytes, files));
    const { display = null, whole = null, predecessor = null } = options;
    this.#journal = new Journal(this.#turn, display, whole, () => this.#places.unackedBytes);
    const kinds = new Set(options.kinds);
    this.#transfers = new Transfers(this.#turn, this.#queens);
    this.#turns = new Turns(this.#turn, this.#queens, this.#places);
    this.#replies = new Replies(this.#turn, this.#queens, this.#turns, predecessor);
    const parts = {
      places: this.#places,
      turns: this.#turns,
      journal: this.#journal,
      replies: this.#replies,
    };
    this.#work = new Work(this.#turn, this.#queens, parts, kinds);
  }

  get counters(): DroneCounters {
    return this.#journal.counters;
  }

  /** The only way in. `now` never goes back. The effects are to be carried out in order. */
  step(event: AgentEvent, now: Millis): AgentEffects {
    const effects: AgentEffect[] = [];
    this.#turn.now = Math.max(now, this.#turn.now);
    this.#turn.effects = effects;
    (this.#handlers[event.type] as (event: AgentEvent) => void)(event);
    letGoOn(this.#turn, this.#places);
    this.#balanceCredit();
    this.#maybeDrained();
    return effects;
  }

  /** When the agent wants a `tick`, at the latest; null when never. */
  nextDeadline(): Millis | null {
    const next = Math.min(
      this.#queens.nextDeadline(),
      this.#work.nextDeadline(),
      this.#turns.nextDeadline(),
      this.#journal.nextDeadline(),
    );
    return next === Number.POSITIVE_INFINITY ? null : next;
  }

  readonly #handlers: Handlers = {
    slotReady: (event) => this.#work.slotReady(event.slot),
    slotReported: (event) => this.#work.slotReported(event),
    slotProgressed: (event) => this.#work.slotProgressed(event),
    slotRetracted: (event) => this.#work.slotRetracted(event),
    slotPulled: (event) => this.#work.slotPulled(event),
    slotPrinted: (event) => this.#work.slotPrinted(event),
    slotWaits: (event) => this.#work.slotWaits(event),
    slotDied: (event) => this.#work.slotDied(event),
    sessionOpened: (event) => this.#sessionOpened(event),
    sessionHeard: (event) => this.#heard(event.session),
    sessionClosed: (event) => this.#sessionClosed(event),
    linkRemoved: (event) => {
      for (const queen of this.#queens.removeLink(event.link)) this.#work.drop(queen);
    },
    messageReceived: (event) => this.#messageReceived(event),
    drainRequested: () => this.#drain(),
    tick: () => {
      this.#queens.tick();
      this.#turns.tick();
      this.#work.tick();
      this.#journal.tick();
    },
  };

  readonly #messages: MessageHandlers = {
    Heartbeat: (session, { everyMillis }) => {
      if (everyMillis !== undefined) session.heartbeatMillis = Math.max(1, everyMillis);
    },
    Goodbye: (session) => this.#queens.close(session, 'stopping', 'the Queen said goodbye'),
    JobSpec: (session, { job, spec }) => void session.specs.set(job as JobId, spec),
    ForgetJob: (session, { job }) => {
      session.specs.delete(job as JobId);
      session.watched.delete(job as JobId);
    },
    TaskAssign: (session, message) => this.#work.assign(session, message),
    Retract: (session, message) => this.#work.retract(session, message),
    CancelTask: (session, message) => this.#work.cancel(session, message),
    ResultAck: (session, message) => this.#work.acknowledge(session, message),
    StreamChunk: (session, message) => this.#transfers.chunkReceived(session, message),
    StreamGet: (session, message) => this.#transfers.serveOutput(session, message),
    WatchOutput: (session, message) => this.#work.watch(session, message),
    Drain: (session) => {
      session.isDraining = true;
      this.#work.handBackWaiting(session.queen);
    },
    WorkWaits: (session, { slots }) => this.#turns.workWaits(session, slots),
    // Taken by whoever asked for it, before the agent hears of it; where nobody did, it is late.
    BlobChunk: () => {},
  };

  #sessionOpened({ session: number, link, welcome }: EventOf<'sessionOpened'>): void {
    const before = this.#queens.lastOf(link);
    const session = this.#queens.open(number, link, welcome);
    for (const queen of this.#queens.strangersTo(session, before)) this.#work.drop(queen);
    this.#replies.tellAll(session);
    if (this.#replies.isDraining) this.#queens.send(session, { type: 'Drain' });
  }

  #sessionClosed({ session: number }: EventOf<'sessionClosed'>): void {
    const session = this.#queens.session(number);
    if (session !== undefined) this.#queens.forgetSession(session);
  }

  #heard(number: AgentSession['number']): void {
    const session = this.#queens.session(number);
    if (session !== undefined) session.heardAt = this.#turn.now;
  }

  #messageReceived({ session: number, message }: EventOf<'messageReceived'>): void {
    const session = this.#queens.session(number);
    if (session === undefined) return;
    session.heardAt = this.#turn.now;
    const handler = this.#messages[message.type] as
      | ((session: AgentSession, message: Message) => void)
      | undefined;
    try {
      if (handler === undefined) throw new ProtocolError(`a Drone has no use for ${message.type}`);
      handler(session, message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#queens.close(session, 'protocolError', error.message);
    }
  }

  #drain(): void {
    if (this.#replies.isDraining) return;
    this.#work.drain();
    for (const session of this.#queens.sessions()) this.#queens.send(session, { type: 'Drain' });
  }

  /** Every session may send as many leases as `Turns` says; what several send at once is handed back. */
  #balanceCredit(): void {
    for (const session of this.#queens.sessions()) {
      const change = this.#replies.wanted(session) - session.credit;
      if (!this.#turns.mayTell(session, change)) continue;
      session.credit += change;
      this.#queens.send(session, { type: 'TaskRequest', slots: change });
    }
  }

  /** What a Queen who is away has not acknowledged cannot be waited for. */
  #maybeDrained(): void {
    if (!this.#replies.isDraining || this.#hasDrained) return;
    for (const queen of this.#queens.all()) {
      if (queen.leases.size > 0 || (queen.session !== null && !queen.outbox.isEmpty)) return;
    }
    this.#hasDrained = true;
    this.#turn.effects.push({ type: 'drained' });
  }
}
