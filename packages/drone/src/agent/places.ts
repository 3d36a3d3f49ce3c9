/**
 * Which slot is taken by what. A place is as many slots as one task of a job needs: the first one runs the lease, the
 * others are blocked. This is the only file that hands slots out, and so the one that keeps G3: never more than there are.
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
}
interface SlotState {
  isReady: boolean;
  place: Place | null;
  unackedBytes: number;
}

export class Places {
  readonly #slots: SlotState[];

  constructor(count: number) {
    this.#slots = Array.from({ length: count }, () => ({ isReady: false, place: null, unackedBytes: 0 }));
  }

  /** Slots that work may be asked for. */
  get free(): number {
    let free = 0;
    for (const slot of this.#slots) if (isFree(slot)) free++;
    return free;
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
    const place: Place = { slots: [], running: null, waiting: null, since: now };
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

function isFree(slot: SlotState): boolean {
  return slot.isReady && slot.place === null && slot.unackedBytes < LIMITS.slotUnackedBytesMax;
}
