/**
 * The Queens of one cluster that were heard of, where they are, and when they are to be forgotten. Only announcements
 * whose signature was checked get in.
 *
 * It remembers the highest serial of every incarnation, so a datagram that is sent again by somebody else changes
 * nothing: at most the first copy of one counts, and costs one dial.
 */
import { LIMITS } from '../limits.ts';
import type { Incarnation, Millis, QueenId } from '../units.ts';
import type { Announcement } from './datagram.ts';

export interface KnownAddress {
  readonly host: string;
  readonly port: number;
}
export interface KnownQueen {
  readonly queen: QueenId;
  readonly incarnation: Incarnation;
  readonly epoch: number;
  /** For people. */
  readonly name: string;
  /** The best one first: loopback, then the one that was heard of first. Never empty. */
  readonly addresses: readonly KnownAddress[];
}
/** `stale`: said before, or of an earlier life of hers. */
export type Heard = 'new' | 'moved' | 'known' | 'stale' | 'full';

interface Entry extends KnownQueen {
  readonly addresses: (KnownAddress & { heardAt: Millis })[];
  expiresAt: Millis;
  keepMillis: Millis;
}

export class QueenDirectory {
  readonly #queens = new Map<QueenId, Entry>();
  /** Oldest use first. */
  readonly #serials = new Map<Incarnation, number>();

  get size(): number {
    return this.#queens.size;
  }
  /** Incarnations whose serial is remembered. */
  get remembered(): number {
    return this.#serials.size;
  }
  queens(): KnownQueen[] {
    return [...this.#queens.values()].map(shown);
  }
  get(queen: QueenId): KnownQueen | null {
    const entry = this.#queens.get(queen);
    return entry === undefined ? null : shown(entry);
  }

  /** Whether there is nothing to learn from an announcement; then its signature need not be checked either. */
  isStale({ queen, incarnation, epoch, serial }: Announcement): boolean {
    if (serial <= (this.#serials.get(incarnation) ?? -1)) return true;
    const known = this.#queens.get(queen);
    return known !== undefined && known.incarnation !== incarnation && epoch < known.epoch;
  }

  /** A signed announcement came from `host`. */
  hear(announcement: Announcement, host: string, now: Millis): Heard {
    this.expire(now);
    if (this.isStale(announcement)) return 'stale';
    const { queen, incarnation, serial } = announcement;
    const known = this.#queens.get(queen);
    if (known === undefined && this.#queens.size >= LIMITS.queensKnownMax) return 'full';
    this.#remember(incarnation, serial);
    const isSame = known !== undefined && known.incarnation === incarnation;
    const entry = isSame ? renewed(known, announcement, now) : entryOf(announcement, now);
    this.#queens.set(queen, entry);
    const isMoved = note(entry.addresses, { host, port: announcement.port }, entry.keepMillis, now);
    if (known === undefined) return 'new';
    return isSame && !isMoved ? 'known' : 'moved';
  }

  /** Forgets Queens that have been silent for too long, and returns them. */
  expire(now: Millis): KnownQueen[] {
    const gone: KnownQueen[] = [];
    for (const [queen, entry] of this.#queens) {
      if (entry.expiresAt > now) continue;
      this.#queens.delete(queen);
      gone.push(shown(entry));
    }
    return gone;
  }

  /** When the next Queen is forgotten if nothing is heard; null when none is known. */
  nextDeadline(): Millis | null {
    let next = Number.POSITIVE_INFINITY;
    for (const { expiresAt } of this.#queens.values()) next = Math.min(next, expiresAt);
    return next === Number.POSITIVE_INFINITY ? null : next;
  }

  #remember(incarnation: Incarnation, serial: number): void {
    this.#serials.delete(incarnation);
    this.#serials.set(incarnation, serial);
    if (this.#serials.size <= LIMITS.serialsRememberedMax) return;
    for (const oldest of this.#serials.keys()) {
      this.#serials.delete(oldest);
      return;
    }
  }
}

/** Three announcements of hers, and a second. */
function keepMillisOf(everyMillis: number): Millis {
  const every = Math.min(LIMITS.announceMillisMax, Math.max(LIMITS.announceMillisMin, everyMillis));
  return LIMITS.silentAnnouncements * every + 1_000;
}

function entryOf(announcement: Announcement, now: Millis): Entry {
  const { queen, incarnation, epoch, name, everyMillis } = announcement;
  const keepMillis = keepMillisOf(everyMillis);
  return { queen, incarnation, epoch, name, addresses: [], expiresAt: now + keepMillis, keepMillis };
}

function renewed(known: Entry, { everyMillis }: Announcement, now: Millis): Entry {
  known.keepMillis = keepMillisOf(everyMillis);
  known.expiresAt = now + known.keepMillis;
  return known;
}

/** True when the address is new. Addresses that were not heard from for as long as a Queen is kept go. */
function note(addresses: Entry['addresses'], heard: KnownAddress, keepMillis: Millis, now: Millis): boolean {
  for (let i = addresses.length - 1; i >= 0; i--) {
    if (now - addresses[i]!.heardAt >= keepMillis) addresses.splice(i, 1);
  }
  const known = addresses.find(({ host, port }) => host === heard.host && port === heard.port);
  if (known !== undefined) {
    known.heardAt = now;
    return false;
  }
  if (addresses.length >= LIMITS.queenAddressesMax) return false;
  const at = isLoopback(heard.host) ? 0 : addresses.length;
  addresses.splice(at, 0, { ...heard, heardAt: now });
  return true;
}

function shown({ queen, incarnation, epoch, name, addresses }: Entry): KnownQueen {
  return {
    queen,
    incarnation,
    epoch,
    name,
    addresses: addresses.map(({ host, port }) => ({ host, port })),
  };
}

const isLoopback = (host: string): boolean => host.startsWith('127.');
