/**
 * How the free slots are shared out when several Queens want them. As long as nobody's work waits, every Queen is offered
 * every free slot, and a lease that comes second is handed back. Queens say when work of theirs waits (`WorkWaits`); then
 * a free slot is offered to one of those alone, the one that has had the least slot time, so that nothing is sent in vain
 * and everybody gets an equal share; and a Queen whose leases follow one another in one place has to leave it after a
 * turn's time.
 *
 * Invariants: what is offered to single Queens together is never more than what is free; an offer that is not taken is
 * withdrawn after a while and its Queen passed over until she says something, so a frozen Queen idles no place for long.
 */
import type { Millis } from '@hive/shared';
import type { Place, Places } from './places.ts';
import type { AgentSession, Queen, Queens, Turn } from './queens.ts';

/** For so long a Queen keeps a place, if work of hers goes on, while others wait for one. */
export const TURN_MILLIS = 100;
/** An offer that is not taken for so long is withdrawn; doubled each time, up to the bound. */
const PATIENCE_MILLIS = 250;
const PATIENCE_MILLIS_MAX = 4_000;
/** Credit is taken back from a Queen no more often than this: with short leases of another it would come and go each time. */
const TAKE_BACK_MILLIS = 5;
/** What a slot that was just given is expected to cost, so that several at once go round. */
const EXPECTED_MILLIS = 50;

/** A session's part in it. */
export interface Share {
  /** Slots that the Queen would use at once if they were offered: those of one task; 0: no work of hers waits. */
  wants: number;
  /** Slots that are offered to her and nobody else, and since when nothing came of it. */
  offered: number;
  offeredAt: Millis;
  isLate: boolean;
  patienceMillis: Millis;
  /** When her credit was changed last, and whether a part of it is to be taken back that does no harm until then. */
  toldAt: Millis;
  isTakingBack: boolean;
}
export const newShare = (): Share => ({
  wants: 0,
  offered: 0,
  offeredAt: 0,
  isLate: false,
  patienceMillis: PATIENCE_MILLIS,
  toldAt: Number.NEGATIVE_INFINITY,
  isTakingBack: false,
});

export class Turns {
  readonly #turn: Turn;
  readonly #queens: Queens;
  readonly #places: Places;
  /** Served time of the Queen who was offered something last: where one joins in who was idle. */
  #clock: Millis = 0;

  constructor(turn: Turn, queens: Queens, places: Places) {
    this.#turn = turn;
    this.#queens = queens;
    this.#places = places;
  }

  /** Slots that may be offered to this session now. */
  wanted(session: AgentSession): number {
    if (!this.#isShared) return this.#places.free;
    this.#share();
    return this.#isContended ? session.share.offered : this.#places.free;
  }

  /** Whether a lease of so many slots may come into a place of its own: not into one that is kept for others. */
  mayTake(session: AgentSession, slots: number): boolean {
    if (!this.#isShared) return true;
    let kept = 0;
    for (const other of this.#queens.sessions()) if (other !== session) kept += other.share.offered;
    return slots <= this.#places.free - kept;
  }

  /** Whether her credit is to be changed by so much now. What she sends for credit that is out of date is handed back. */
  mayTell(session: AgentSession, change: number): boolean {
    const { share } = session;
    const { now } = this.#turn;
    share.isTakingBack = this.#isShared && change < 0 && now < share.toldAt + TAKE_BACK_MILLIS;
    if (share.isTakingBack) return false;
    if (change !== 0) share.toldAt = now;
    return change !== 0;
  }

  /** A lease has come, wanted or not: its Queen is awake, and what she was offered is taken. */
  came(session: AgentSession, slots: number, isTaken: boolean): void {
    const { share } = session;
    this.#wake(session);
    share.offered = Math.max(0, share.offered - slots);
    share.offeredAt = this.#turn.now;
    if (isTaken) share.patienceMillis = PATIENCE_MILLIS;
  }

  /** What a Queen says of work that waits for a place. */
  workWaits(session: AgentSession, slots: number): void {
    if (slots > 0) this.#wake(session);
    if (session.share.wants === 0 && slots > 0) this.#join(session.queen);
    session.share.wants = slots;
  }

  /** A lease has ended that had so many slots for so long. */
  ran(queen: Queen, slots: number, millis: Millis): void {
    queen.servedMillis += slots * millis;
  }

  /** Whether the lease that waits at this place has to make room, because others come first. */
  isOver(place: Place, queen: Queen): boolean {
    if (!this.#isShared || this.#turn.now - place.since < TURN_MILLIS) return false;
    const own = this.#costOf(queen);
    for (const other of this.#queens.sessions())
      if (other.queen !== queen && isWaiting(other) && this.#keyOf(other) < own) return true;
    return false;
  }

  /** Withdraws offers that nobody has taken. */
  tick(): void {
    for (const session of this.#queens.sessions()) {
      const { share } = session;
      if (!isDue(session) || this.#turn.now < share.offeredAt + share.patienceMillis) continue;
      share.isLate = true;
      share.offered = 0;
      share.patienceMillis = Math.min(PATIENCE_MILLIS_MAX, share.patienceMillis * 2);
    }
  }

  nextDeadline(): Millis {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#queens.sessions()) {
      const { share } = session;
      if (isDue(session)) next = Math.min(next, share.offeredAt + share.patienceMillis);
      if (share.isTakingBack) next = Math.min(next, share.toldAt + TAKE_BACK_MILLIS);
    }
    return next;
  }

  get #isShared(): boolean {
    return this.#queens.count > 1;
  }
  get #isContended(): boolean {
    for (const session of this.#queens.sessions()) if (isWaiting(session)) return true;
    return false;
  }

  /** Offers each free slot to one of those whose work waits. What was offered stays, so that nothing is sent in vain. */
  #share(): void {
    let left = this.#places.free;
    for (const session of this.#queens.sessions()) {
      const { share } = session;
      if (!isWaiting(session)) share.offered = 0;
      share.offered = Math.min(share.offered, left);
      left -= share.offered;
    }
    while (left > 0) {
      const next = this.#next();
      if (next === null) return;
      const { share } = next;
      if (share.offered % share.wants === 0) share.offeredAt = this.#turn.now;
      this.#clock = Math.max(this.#clock, next.queen.servedMillis);
      share.offered++;
      left--;
    }
  }

  /** Who comes next: whoever has been offered part of what one task needs, else who has had the least. */
  #next(): AgentSession | null {
    let next: AgentSession | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const session of this.#queens.sessions()) {
      if (!isWaiting(session)) continue;
      if (session.share.offered % session.share.wants !== 0) return session;
      const key = this.#keyOf(session);
      if (key < least) {
        least = key;
        next = session;
      }
    }
    return next;
  }

  #keyOf(session: AgentSession): Millis {
    return this.#costOf(session.queen) + session.share.offered * EXPECTED_MILLIS;
  }
  /** Slot time that a Queen has had here, with what runs now. */
  #costOf(queen: Queen): Millis {
    let cost = queen.servedMillis;
    for (const { stage, spec } of queen.leases.values()) {
      if (stage.at === 'running')
        cost += Math.max(EXPECTED_MILLIS, this.#turn.now - stage.startedAt) * (spec.slots ?? 1);
    }
    return cost;
  }

  #wake(session: AgentSession): void {
    session.share.isLate = false;
  }
  /** Who was idle does not make up for it. */
  #join(queen: Queen): void {
    queen.servedMillis = Math.max(queen.servedMillis, this.#clock);
  }
}

function isWaiting({ share, isDraining }: AgentSession): boolean {
  return share.wants > 0 && !share.isLate && !isDraining;
}
/** A whole offer stands, and nothing has come of it. */
function isDue({ share }: AgentSession): boolean {
  return share.offered > 0 && share.offered >= share.wants;
}
