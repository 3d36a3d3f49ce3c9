/**
 * What the agent says of leases: their results, their ends, what is held after a reconnect. The only place that sends a
 * TaskComplete, and so the one that sees to it that every result is kept until it is acknowledged.
 */
import { type EndedProcess, type LeaseNumber, LIMITS, type Message } from '@hive/shared';
import type { SlotNumber } from './events.ts';
import { indexAt, type Lease, slotsOf } from './lease.ts';
import { costOf, withOrigin } from './outbox.ts';
import type { Place } from './places.ts';
import type { AgentSession, Queen, Queens, Turn } from './queens.ts';
import type { Turns } from './turns.ts';

/** Ends of leases that are remembered, for a lease that was sent behind one of them. */
const ENDS_KEPT = LIMITS.slotsMax * 4;

export class Replies {
  readonly #turn: Turn;
  readonly #queens: Queens;
  readonly #turns: Turns;
  readonly #predecessor: { readonly predecessor?: EndedProcess };
  isDraining = false;

  constructor(turn: Turn, queens: Queens, turns: Turns, predecessor: EndedProcess | null) {
    this.#turn = turn;
    this.#predecessor = predecessor === null ? {} : { predecessor };
    this.#queens = queens;
    this.#turns = turns;
  }

  /** After a reconnect: everything that is held, then what was not acknowledged, then what was asked for in vain. */
  tellAll(session: AgentSession): void {
    const { queen } = session;
    const leases = [...queen.leases.values()].filter((lease) => !lease.isSilent);
    const held = leases.map((lease) => this.#heldLease(lease));
    this.#queens.send(session, { type: 'Holdings', leases: held, ...this.#predecessor });
    session.backlog.push(...queen.outbox.toResend(session.incarnation));
    this.sendBacklog(session);
    for (const lease of leases) {
      lease.retractsAsked = 0;
      for (const pull of lease.pulls.values()) this.pull(session, lease, pull);
    }
  }

  /** All that many slots may keep at once would overflow the send buffer, so the rest waits for acknowledgements. */
  sendBacklog(session: AgentSession): void {
    const { backlog } = session;
    session.backlogBytes = Math.max(0, session.backlogBytes);
    while (backlog.length > 0 && session.backlogBytes < LIMITS.sendBufferSoft) {
      const message = backlog.shift()!;
      session.backlogBytes += costOf(message);
      this.#queens.send(session, message);
    }
  }

  /** Nobody wants the results of this lease: what was sent of them will not be acknowledged, and the rest is not sent. */
  discard({ outbox, session }: Queen, { incarnation, number }: Lease): void {
    let sentBytes = outbox.discard(incarnation, number);
    if (session === null) return;
    const wanted = session.backlog.filter((message) => {
      if (message.lease !== number) return true;
      sentBytes -= costOf(message);
      return false;
    });
    session.backlog.splice(0, session.backlog.length, ...wanted);
    session.backlogBytes -= sentBytes;
    this.sendBacklog(session);
  }

  /** Sends the last word on a lease; it asks for work for the place, if that is free now. */
  end(
    session: AgentSession,
    lease: Lease,
    messages: Message<'TaskComplete'>[],
    place: Place,
    slot: SlotNumber | null = null,
  ): void {
    const wanted = this.wanted(session);
    const count = slotsOf(lease.spec);
    const isFree = place.running === null && place.waiting === null && wanted >= session.credit + count;
    // A Queen need not know how wide a lease of an earlier session is: its slots are asked for by TaskRequest.
    const isAsking = isFree && lease.session === session.number;
    if (isAsking) session.credit += count;
    rememberEnd(session, lease.number, isAsking);
    messages.push({ ...messages.pop()!, ended: true, ...(isAsking && { request: true }) });
    this.deliver(session.queen, lease, messages, slot);
  }

  deliver(
    queen: Queen,
    lease: Lease,
    messages: readonly Message<'TaskComplete'>[],
    slot: SlotNumber | null,
  ): void {
    const { session } = queen;
    for (const message of messages) {
      if (message.count > 0) queen.outbox.add(lease, slot, message);
      if (session !== null) {
        const said = withOrigin(message, lease, session.incarnation);
        if (session.backlog.length > 0) session.backlog.push(said);
        else this.#queens.send(session, said);
      }
    }
  }

  /** Credit that this session should have. */
  wanted(session: AgentSession): number {
    return this.isDraining || session.isDraining ? 0 : this.#turns.wanted(session);
  }

  /** A lease that never came into a place. */
  handBack(session: AgentSession, lease: Lease): void {
    rememberEnd(session, lease.number, false);
    this.#queens.send(session, { type: 'Retracted', lease: lease.number, end: 0 });
  }

  pull(
    session: AgentSession,
    lease: Lease,
    { position, offset, length }: { position: number; offset: number; length: number },
  ): void {
    const { job, number } = lease;
    const index = indexAt(lease, position);
    this.#queens.send(session, {
      type: 'StreamGet',
      job,
      index,
      direction: 'in',
      offset,
      length,
      lease: number,
    });
  }

  #heldLease({ queen, incarnation, number, job, ranges, done, stage, isFold }: Lease) {
    const task = stage.at === 'running' && stage.task?.position === done ? stage.task : null;
    const startedMillis =
      task === null ? {} : { startedMillis: Math.max(0, Math.floor(this.#turn.now - task.since)) };
    const fold = isFold ? { fold: true } : {};
    return { queen, incarnation, lease: number, job, ranges, done, ...startedMillis, ...fold };
  }
}

export function rememberEnd(session: AgentSession, lease: LeaseNumber, isAsking: boolean): void {
  session.ended.set(lease, isAsking);
  if (session.ended.size <= ENDS_KEPT) return;
  for (const oldest of session.ended.keys()) {
    session.ended.delete(oldest);
    return;
  }
}
