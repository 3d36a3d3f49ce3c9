/**
 * Pieces of values over 1 MiB on their way: inputs that a slot pulls and the Queen sends, outputs that the Queen pulls and
 * this Drone serves from its files.
 */
import type { LeaseNumber, Message } from '@hive/shared';
import { positionOf } from './lease.ts';
import type { AgentSession, Queens, Turn } from './queens.ts';

export class Transfers {
  readonly #turn: Turn;
  readonly #queens: Queens;

  constructor(turn: Turn, queens: Queens) {
    this.#turn = turn;
    this.#queens = queens;
  }

  chunkReceived(session: AgentSession, message: Message<'StreamChunk'>): void {
    const lease =
      message.lease === undefined ? null : this.#queens.find(session, message.lease as LeaseNumber);
    if (lease === null || lease.stage.at !== 'running') return;
    const position = positionOf(lease, message.index);
    if (position === null || !lease.pulls.delete(`${position}:${message.offset}`)) return;
    const { slot, run } = lease.stage;
    const { offset, data, last = false, error = null } = message;
    this.#turn.effects.push({ type: 'deliverChunk', slot, run, position, offset, data, last, error });
  }

  /** The Queen wants a piece of an output that was reported to her as a stream. */
  serveOutput(session: AgentSession, get: Message<'StreamGet'>): void {
    const { direction, lease, incarnation = session.incarnation } = get;
    const output =
      direction === 'out' && lease !== undefined
        ? session.queen.outbox.output(incarnation, lease as LeaseNumber, get.index)
        : null;
    if (output !== null) {
      this.#turn.effects.push({ type: 'serveOutput', session: session.number, get, ...output });
      return;
    }
    const { length: _, ...place } = get;
    const error = 'this Drone holds no such stream';
    this.#queens.send(session, { ...place, type: 'StreamChunk', data: new Uint8Array(0), error });
  }
}
