/**
 * Where the tasks of a job stand: runs of tasks, and whose they are, in the order of the tasks. It is asked after every step
 * of a simulation, so what it is made of is used again for the next job.
 */
import type { IntervalSet } from '@hive/shared';

/** A word, or the number of a lease. */
export type Whose = string | number;
interface Part {
  first: number;
  end: number;
  whose: Whose;
}

/** Fewer are sorted in place, which they nearly are already. */
const MANY = 24;

export class Parts {
  readonly #pool: Part[] = [];
  readonly #parts: Part[] = [];

  clear(): void {
    this.#parts.length = 0;
  }

  /** Tasks [first, end). */
  add(first: number, end: number, whose: Whose): void {
    let part = this.#pool[this.#parts.length];
    if (part === undefined) {
      part = { first, end, whose };
      this.#pool.push(part);
    } else {
      part.first = first;
      part.end = end;
      part.whose = whose;
    }
    this.#parts.push(part);
  }
  addAll(set: IntervalSet, whose: Whose): void {
    for (let at = set.lowest ?? Infinity; at < Infinity; ) {
      const end = set.stretchEnd(at, Infinity);
      this.add(at, end, whose);
      at = set.stretchEnd(end, Infinity);
    }
  }

  /** A task that is in two parts, in words, or null. */
  get overlap(): string | null {
    this.#sort();
    const parts = this.#parts;
    for (let i = 1; i < parts.length; i++) {
      const before = parts[i - 1]!;
      const after = parts[i]!;
      if (after.first < before.end)
        return `task ${after.first} is ${nameOf(before.whose)} and ${nameOf(after.whose)}`;
    }
    return null;
  }

  /** Tasks of [0, end) that are in no part, in words, or null. */
  gap(end: number): string | null {
    this.#sort();
    let covered = 0;
    for (const part of this.#parts) {
      if (part.first > covered) return `tasks ${covered} to ${part.first - 1} are nowhere`;
      if (part.end > covered) covered = part.end;
    }
    return covered < end ? `tasks ${covered} to ${end - 1} are nowhere` : null;
  }

  #sort(): void {
    const parts = this.#parts;
    if (parts.length >= MANY) {
      parts.sort((a, b) => a.first - b.first);
      return;
    }
    for (let i = 1; i < parts.length; i++) {
      const part = parts[i]!;
      let at = i;
      for (; at > 0 && parts[at - 1]!.first > part.first; at--) parts[at] = parts[at - 1]!;
      parts[at] = part;
    }
  }
}

function nameOf(whose: Whose): string {
  return typeof whose === 'number' ? `lease ${whose}` : whose;
}
