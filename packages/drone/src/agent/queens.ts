/**
 * The Queens that this Drone works for, and its sessions with them. A Queen is known by its id: her leases and results
 * stay while she is away, and are dropped when the place where she was dialled speaks for somebody else.
 *
 * Here live the deadlines of a session: a Heartbeat when nothing was said for an interval, and its end when nothing was
 * heard for three of them and a second more.
 */
import {
  type Incarnation,
  type JobId,
  type LeaseNumber,
  LIMITS,
  type Message,
  type Millis,
  type QueenId,
  type SessionNumber,
  type Spec,
} from '@hive/shared';
import type { AgentEffect, LinkNumber } from './events.ts';
import type { Lease } from './lease.ts';
import { keyOf, Outbox, type Released } from './outbox.ts';
import { newShare, type Share } from './turns.ts';

/** What one step works on: its time, and the effects that it gathers. */
export interface Turn {
  now: Millis;
  effects: AgentEffect[];
}

export interface AgentSession {
  readonly number: SessionNumber;
  readonly link: LinkNumber;
  readonly queen: Queen;
  readonly incarnation: Incarnation;
  heartbeatMillis: Millis;
  heardAt: Millis;
  saidAt: Millis;
  /** When a Heartbeat was said last. */
  beatAt: Millis;
  /** Leases that the Queen may still send without being asked again. */
  credit: number;
  isDraining: boolean;
  /** Its part in the free slots when others want them, too. */
  readonly share: Share;
  readonly specs: Map<JobId, Spec>;
  /** Jobs of which the Queen wants to hear what their tasks print. */
  readonly watched: Set<JobId>;
  /** Leases that ended lately, and whether their end asked for work for the place; oldest first. */
  readonly ended: Map<LeaseNumber, boolean>;
  /** Results that have not been said in this session because many were kept; while it is not empty, newer ones join it. */
  readonly backlog: Message<'TaskComplete'>[];
  /** Cost of what was said of the backlog and not acknowledged since. */
  backlogBytes: number;
}

export interface Queen {
  readonly id: QueenId;
  session: AgentSession | null;
  /** By incarnation and number. */
  readonly leases: Map<string, Lease>;
  readonly outbox: Outbox;
  /** Slot time that leases of hers have had, in milliseconds; where Queens share, the least comes first. */
  servedMillis: Millis;
}

const silenceMillis = (session: AgentSession): Millis =>
  LIMITS.silentHeartbeats * session.heartbeatMillis + LIMITS.silentExtraMillis;

/**
 * When nothing was said for an interval; or nothing heard, because what is said to a Queen who has no work here needs no
 * answer, and only a Heartbeat gets one.
 */
function beatDueAt({ saidAt, heardAt, beatAt, heartbeatMillis }: AgentSession): Millis {
  return Math.min(saidAt, Math.max(heardAt, beatAt)) + heartbeatMillis;
}

export class Queens {
  readonly #turn: Turn;
  readonly #released: Released;
  readonly #queens = new Map<QueenId, Queen>();
  readonly #sessions = new Map<SessionNumber, AgentSession>();
  /** Whom each link spoke for last. */
  readonly #links = new Map<LinkNumber, QueenId>();

  constructor(turn: Turn, released: Released) {
    this.#turn = turn;
    this.#released = released;
  }

  all(): Iterable<Queen> {
    return this.#queens.values();
  }
  sessions(): Iterable<AgentSession> {
    return this.#sessions.values();
  }
  /** Sessions that are open. */
  get count(): number {
    return this.#sessions.size;
  }
  session(number: SessionNumber): AgentSession | undefined {
    return this.#sessions.get(number);
  }
  get(id: QueenId): Queen | undefined {
    return this.#queens.get(id);
  }

  /** Opens a session; an older one with the same Queen is closed, as she does at her end. */
  open(number: SessionNumber, link: LinkNumber, welcome: Message<'Welcome'>): AgentSession {
    const { now } = this.#turn;
    const queen = this.#queenOf(welcome.queen);
    const older = queen.session;
    const session: AgentSession = {
      number,
      link,
      queen,
      incarnation: welcome.incarnation,
      heartbeatMillis: Math.max(1, welcome.heartbeatMillis),
      heardAt: now,
      saidAt: now,
      beatAt: now,
      credit: 0,
      isDraining: false,
      share: newShare(),
      specs: new Map(),
      watched: new Set(),
      ended: new Map(),
      backlog: [],
      backlogBytes: 0,
    };
    queen.session = session;
    this.#sessions.set(number, session);
    this.#links.set(link, queen.id);
    // Not before the new one stands: a Queen without a session, of whom nothing is held, is forgotten.
    if (older !== null) this.close(older, 'replaced', 'another session with the same Queen was opened');
    return session;
  }

  /** Queens that this link spoke for before and that nobody speaks for now. */
  strangersTo(session: AgentSession, before: QueenId | undefined): Queen[] {
    const other = before === undefined || before === session.queen.id ? undefined : this.#queens.get(before);
    return other === undefined || other.session !== null ? [] : [other];
  }
  lastOf(link: LinkNumber): QueenId | undefined {
    return this.#links.get(link);
  }

  /** Forgets a link. Returns the Queens that no link can bring back: all others are open, and speak for somebody else. */
  removeLink(link: LinkNumber): Queen[] {
    this.#links.delete(link);
    const open = new Set([...this.#sessions.values()].map((session) => session.link));
    for (const other of this.#links.keys()) if (!open.has(other)) return [];
    if (open.size === 0) return [];
    return [...this.#queens.values()].filter((queen) => queen.session === null);
  }

  /** The session is gone, whoever ended it. */
  forgetSession(session: AgentSession): void {
    this.#sessions.delete(session.number);
    if (session.queen.session === session) session.queen.session = null;
    this.forgetIfIdle(session.queen);
  }

  /** A Queen of whom nothing is held and who is not here leaves no trace. */
  forgetIfIdle(queen: Queen): void {
    if (queen.session === null && queen.leases.size === 0 && queen.outbox.isEmpty)
      this.#queens.delete(queen.id);
  }

  close(
    session: AgentSession,
    code: 'protocolError' | 'silent' | 'replaced' | 'stopping',
    message: string,
  ): void {
    this.#turn.effects.push({ type: 'close', session: session.number, code, message });
    this.forgetSession(session);
  }

  send(session: AgentSession, message: Message): void {
    session.saidAt = this.#turn.now;
    this.#turn.effects.push({ type: 'send', session: session.number, message });
  }

  /** The lease that a message of this session names: of its own incarnation, or else of an earlier one. */
  find(session: AgentSession, number: LeaseNumber): Lease | null {
    const own = session.queen.leases.get(keyOf(session.incarnation, number));
    if (own !== undefined) return own;
    for (const lease of session.queen.leases.values()) if (lease.number === number) return lease;
    return null;
  }

  /** Sends the heartbeats that are due and closes what has been silent for too long. */
  tick(): void {
    const { now } = this.#turn;
    for (const session of [...this.#sessions.values()]) {
      if (now - session.heardAt >= silenceMillis(session)) {
        this.close(session, 'silent', `nothing was heard for ${Math.round(now - session.heardAt)} ms`);
      } else if (now >= beatDueAt(session)) {
        session.beatAt = now;
        this.send(session, { type: 'Heartbeat' });
      }
    }
  }

  nextDeadline(): Millis {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions.values()) {
      next = Math.min(next, beatDueAt(session), session.heardAt + silenceMillis(session));
    }
    return next;
  }

  #queenOf(id: QueenId): Queen {
    let queen = this.#queens.get(id);
    if (queen === undefined) {
      queen = { id, session: null, leases: new Map(), outbox: new Outbox(this.#released), servedMillis: 0 };
      this.#queens.set(id, queen);
    }
    return queen;
  }
}
