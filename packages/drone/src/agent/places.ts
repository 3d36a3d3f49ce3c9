/**
 * Which slot is taken by what. A place is as many slots as one task of a job needs: the first one runs the lease, the
 * others are blocked. This is the only file that hands slots out, and so the one that keeps G3: never more run than there are.
 *
 * A place whose task waits for work that it has submitted is `away`: it does not count, so others may run meanwhile. It keeps
 * the slot whose thread has the task, for which there is a spare one; the others it lends. It counts again when it is back, which
 * it waits for until there are as many slots as it takes: what is freed goes to those first, in the order in which they ask.
 *
 * A slot is `starting` (at birth and after its thread died, until it says that it is up) or `ready`; a ready slot is free
 * when it has no place and its unacknowledged results are below the bound.
 */
import { InvariantError, LIMITS, type Millis } from '@hive/shared';
import type { SlotNumber } from './events.ts';
import type { Lease } from './lease.ts';

export interface Place {
  /** Never empty; the first one runs. */
  readonly slots: SlotNumber[];
  running: Lease | null;
  waiting: Lease | null;
  /** When it was taken. */
  readonly since: Millis;
  /** Its task waits for others, and may run again only when it is told so; `back`: it has nothing to wait for any more. */
  away: 'no' | 'yes' | 'back';
  /** Slots that it takes beside those that it has: 0, but while it is away. */
  lent: number;
}
interface SlotState {
  isReady: boolean;
  place: Place | null;
  unackedBytes: number;
}

export class Places {
  readonly #slots: SlotState[];
  readonly #count: number;
  /** Places that are away. */
  readonly #away = new Set<Place>();

  /** @param count of slots that may run something at the same time */
  constructor(count: number) {
    this.#count = count;
    this.#slots = Array.from({ length: count }, newSlot);
  }

  /** Slots that work may be asked for. */
  get free(): number {
    let free = 0;
    for (const slot of this.#slots) if (isFree(slot)) free++;
    if (this.#slots.length === this.#count) return free;
    let room = this.#room;
    for (const place of this.#away) if (place.away === 'back') room -= widthOf(place);
    return Math.max(0, Math.min(free, room));
  }

  /** Slots that may run something more. */
  get #room(): number {
    let running = 0;
    for (const { place } of this.#slots) if (place !== null && place.away === 'no') running++;
    return this.#count - running;
  }

  /** Whether somebody waits for slots to run on in. */
  get isAwaited(): boolean {
    for (const place of this.#away) if (place.away === 'back') return true;
    return false;
  }

  /**
   * The task of this place waits for others, and others may run meanwhile. Returns the numbers of slots that are needed for
   * them and are not there yet; null when there may be no more: it has to keep its place.
   */
  leave(place: Place): SlotNumber[] | null {
    let idle = 0;
    for (const slot of this.#slots) if (slot.place === null) idle++;
    // It lends all slots but one.
    const missing = Math.max(0, this.#room + 1 - idle);
    if (this.#slots.length + missing > this.#count * (LIMITS.nestedLevels + 1)) return null;
    place.away = 'yes';
    this.#away.add(place);
    const lent = place.slots.splice(1);
    for (const slot of lent) this.#slots[slot]!.place = null;
    place.lent = lent.length;
    const opened = Array.from({ length: missing }, (_, n) => this.#slots.length + n);
    for (const _ of opened) this.#slots.push(newSlot());
    return opened;
  }

  /** It has nothing to wait for any more, and stands in line behind those of which that is true already. */
  askBack(place: Place): void {
    if (place.away !== 'yes') return;
    place.away = 'back';
    this.#away.delete(place);
    this.#away.add(place);
  }

  /**
   * Whoever wants to run on and can: their places count again. One that takes several slots is not overtaken by those that take
   * fewer: it might never have its turn.
   */
  comeBack(): Place[] {
    const back: Place[] = [];
    for (const place of this.#away) {
      if (place.away !== 'back') continue;
      if (widthOf(place) > this.#room) break;
      const { lent } = place;
      this.forgetAway(place);
      this.#addIdle(place, lent);
      back.push(place);
    }
    return back;
  }

  /** Its task is not away, or has ended; what it has lent is not its own any more. */
  forgetAway(place: Place): void {
    place.away = 'no';
    place.lent = 0;
    this.#away.delete(place);
  }

  get unackedBytes(): number {
    let bytes = 0;
    for (const slot of this.#slots) bytes += slot.unackedBytes;
    return bytes;
  }

  placeOf(slot: SlotNumber): Place | null {
    return this.#slots[slot]?.place ?? null;
  }

  /** Every place that is taken, once. */
  *taken(): Generator<Place, void, undefined> {
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const place = this.#slots[slot]!.place;
      if (place !== null && place.slots[0] === slot) yield place;
    }
  }

  setReady(slot: SlotNumber, isReady: boolean): void {
    const state = this.#slots[slot];
    if (state !== undefined) state.isReady = isReady;
  }

  /** Whether the place's running slot may start a lease now. */
  mayStart(place: Place): boolean {
    const state = this.#slots[place.slots[0]!]!;
    return state.isReady && state.unackedBytes < LIMITS.slotUnackedBytesMax;
  }

  take(count: number, now: Millis): Place | null {
    if (count > this.free) return null;
    const place: Place = { slots: [], running: null, waiting: null, since: now, away: 'no', lent: 0 };
    this.#addSlots(place, count);
    return place;
  }

  /** Gives the place more or fewer slots. False when there are not as many. */
  resize(place: Place, count: number): boolean {
    const more = count - place.slots.length;
    if (more > this.free) return false;
    if (more > 0) this.#addSlots(place, more);
    else for (const slot of place.slots.splice(count)) this.#slots[slot]!.place = null;
    return true;
  }

  release(place: Place): void {
    if (place.running !== null || place.waiting !== null)
      throw new InvariantError('a place in use was released');
    for (const slot of place.slots) this.#slots[slot]!.place = null;
  }

  addUnacked(slot: SlotNumber | null, bytes: number): void {
    const state = slot === null ? undefined : this.#slots[slot];
    if (state !== undefined) state.unackedBytes += bytes;
  }

  isOverfull(slot: SlotNumber): boolean {
    return (this.#slots[slot]?.unackedBytes ?? 0) >= LIMITS.slotUnackedBytesMax;
  }
  /** A paused lease goes on well below the bound, so that it does not stop and go with every acknowledgement. */
  mayResume(slot: SlotNumber): boolean {
    return (this.#slots[slot]?.unackedBytes ?? 0) < LIMITS.slotUnackedBytesMax / 2;
  }

  /** Slots in which nothing will run, so the ones that could run nothing now do as well. */
  #addIdle(place: Place, count: number): void {
    const idle = this.#slots.flatMap((slot, n) => (slot.place === null ? [n] : []));
    idle.sort((a, b) => Number(isFree(this.#slots[a]!)) - Number(isFree(this.#slots[b]!)) || a - b);
    for (const slot of idle.slice(0, count)) {
      this.#slots[slot]!.place = place;
      place.slots.push(slot);
    }
  }

  #addSlots(place: Place, count: number): void {
    let missing = count;
    for (let slot = 0; missing > 0; slot++) {
      const state = this.#slots[slot]!;
      if (!isFree(state)) continue;
      state.place = place;
      place.slots.push(slot);
      missing--;
    }
  }
}

const widthOf = ({ slots, lent }: Place): number => slots.length + lent;

const newSlot = (): SlotState => ({ isReady: false, place: null, unackedBytes: 0 });

function isFree(slot: SlotState): boolean {
  return slot.isReady && slot.place === null && slot.unackedBytes < LIMITS.slotUnackedBytesMax;
}
