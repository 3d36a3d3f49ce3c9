/**
 * Sets of task indices as sorted, disjoint, non-touching intervals: a job of a billion tasks costs memory for its gaps,
 * not for its tasks. Used for what is returned, recorded and held; checked against a dumb twin in the tests.
 *
 * Cost: lookups O(log n); changes O(log n) plus a memory move of what follows, in practice at the ends.
 * Rejected: a balanced tree, which is slower for the handful of intervals that jobs really have.
 */

/** [first, end): `end` is the first index that is not in it. */
export type Interval = readonly [first: number, end: number];

export class IntervalSet {
  /** first0, end0, first1, end1, … strictly increasing. */
  #bounds: number[] = [];
  #size = 0;

  static of(...intervals: readonly Interval[]): IntervalSet {
    const set = new IntervalSet();
    for (const [first, end] of intervals) set.add(first, end);
    return set;
  }

  /** How many indices are in the set. */
  get size(): number {
    return this.#size;
  }
  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }
  /** How many intervals the set is made of. */
  get intervals(): number {
    return this.#bounds.length / 2;
  }
  /** The lowest index in the set, or null. */
  get lowest(): number | null {
    return this.#bounds[0] ?? null;
  }

  /** Position in `#bounds` of the first bound greater than `index`; odd when `index` is in the set. */
  #after(index: number): number {
    const bounds = this.#bounds;
    const last = bounds.length - 1;
    if (last < 0 || index >= bounds[last]!) return last + 1;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bounds[middle]! > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  has(index: number): boolean {
    return (this.#after(index) & 1) === 1;
  }

  /** Whether all of [first, end) is in the set. */
  covers(first: number, end: number): boolean {
    if (first >= end) return true;
    const at = this.#after(first);
    return (at & 1) === 1 && this.#bounds[at]! >= end;
  }

  /** Whether any of [first, end) is in the set. */
  touches(first: number, end: number): boolean {
    if (first >= end) return false;
    const at = this.#after(first);
    return (at & 1) === 1 || (at < this.#bounds.length && this.#bounds[at]! < end);
  }

  /** The end of the stretch, in or out of the set, in which `index` lies, at most `limit`. */
  stretchEnd(index: number, limit: number): number {
    return Math.min(this.#bounds[this.#after(index)] ?? limit, limit);
  }

  /** Adds [first, end). Returns how many indices are new. */
  add(first: number, end: number): number {
    if (first >= end) return 0;
    const bounds = this.#bounds;
    const last = bounds.length - 1;
    if (last > 0 && bounds[last] === first) {
      bounds[last] = end;
      this.#size += end - first;
      return end - first;
    }
    const before = this.#size;
    // Touching intervals merge, so bounds equal to `first` or `end` belong to the stretch that is replaced.
    const from = this.#after(first - 1);
    const to = this.#after(end);
    const newFirst = (from & 1) === 1 ? bounds[from - 1]! : first;
    const newEnd = (to & 1) === 1 ? bounds[to]! : end;
    const start = (from & 1) === 1 ? from - 1 : from;
    const stop = (to & 1) === 1 ? to + 1 : to;
    let covered = 0;
    for (let i = start; i < stop; i += 2) covered += bounds[i + 1]! - bounds[i]!;
    bounds.splice(start, stop - start, newFirst, newEnd);
    this.#size += newEnd - newFirst - covered;
    return this.#size - before;
  }

  /** Removes [first, end). Returns how many indices were in the set. */
  delete(first: number, end: number): number {
    if (first >= end || this.#bounds.length === 0) return 0;
    const bounds = this.#bounds;
    const before = this.#size;
    const from = this.#after(first);
    const to = this.#after(end - 1);
    const start = (from & 1) === 1 ? from - 1 : from;
    const stop = (to & 1) === 1 ? to + 1 : to;
    if (start >= stop) return 0;
    const kept: number[] = [];
    if (bounds[start]! < first) kept.push(bounds[start]!, first);
    if (bounds[stop - 1]! > end) kept.push(end, bounds[stop - 1]!);
    let covered = 0;
    for (let i = start; i < stop; i += 2) covered += bounds[i + 1]! - bounds[i]!;
    let keptSize = 0;
    for (let i = 0; i < kept.length; i += 2) keptSize += kept[i + 1]! - kept[i]!;
    bounds.splice(start, stop - start, ...kept);
    this.#size += keptSize - covered;
    return before - this.#size;
  }

  /** Takes at most `count` indices off the lowest interval. */
  takeLowest(count: number): Interval | null {
    const first = this.#bounds[0];
    if (first === undefined || count <= 0) return null;
    const end = Math.min(this.#bounds[1]!, first + count);
    if (end === this.#bounds[1]) this.#bounds.splice(0, 2);
    else this.#bounds[0] = end;
    this.#size -= end - first;
    return [first, end];
  }

  /** The parts of [first, end) that are not in the set, lowest first. */
  *gaps(first: number, end: number): Generator<Interval, void, undefined> {
    let at = first;
    while (at < end) {
      const stop = this.stretchEnd(at, end);
      if (!this.has(at)) yield [at, stop];
      at = stop;
    }
  }

  /** The parts of [first, end) that are in the set, lowest first. */
  *parts(first: number, end: number): Generator<Interval, void, undefined> {
    let at = first;
    while (at < end) {
      const stop = this.stretchEnd(at, end);
      if (this.has(at)) yield [at, stop];
      at = stop;
    }
  }

  *[Symbol.iterator](): Generator<Interval, void, undefined> {
    for (let i = 0; i < this.#bounds.length; i += 2) yield [this.#bounds[i]!, this.#bounds[i + 1]!];
  }

  clear(): void {
    this.#bounds = [];
    this.#size = 0;
  }
}
