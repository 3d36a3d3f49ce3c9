/**
 * What is left to fold of a reduced job: its recorded reduced pages, in the order of their tasks, and the folds among them. A
 * fold is a run of adjacent pages that a Drone makes one of. Adjacent only, and in order, so that merges which are not commutative
 * are right; what a fold replaces is one page again, so the number of pages stays small however many tasks there are.
 *
 * Pages have levels: one that a slot reported is of level 0, one that was folded is above what it was made of. While tasks run, only
 * pages of one level are folded, many at a time, so that a value is moved as often as the tree is high. When all tasks have
 * succeeded everything is folded, a level at a time, until one page is left.
 */
import { LIMITS, type Millis } from '@hive/shared';
import type { Lease } from './lease.ts';

/** A recorded page that is one value for tasks [first, end). */
export interface ReducedPage {
  readonly seq: number;
  readonly first: number;
  readonly end: number;
  readonly bytes: number;
  readonly level: number;
}

/** Adjacent pages that become one: `ready` for a Drone, leased (`lease`), or waiting for another try (`retryAt`). */
export interface Fold {
  readonly pages: readonly ReducedPage[];
  readonly first: number;
  readonly end: number;
  failures: number;
  crashes: number;
  lease: Lease | null;
  retryAt: Millis | null;
}

/** Pages that a fold takes at least when all tasks have ended, if there are places for more folds. */
const FOLD_PAGES_MIN = 4;

export class Folds {
  readonly #byFirst = new Map<number, ReducedPage>();
  readonly #byEnd = new Map<number, ReducedPage>();
  /** Pages of folds that are under way, and those folds. */
  readonly #foldOf = new Map<ReducedPage, Fold>();
  readonly #folds = new Set<Fold>();
  readonly #ready: Fold[] = [];

  get pages(): number {
    return this.#byFirst.size;
  }
  /** Folds under way: ready, leased, or waiting for another try. */
  get underWay(): ReadonlySet<Fold> {
    return this.#folds;
  }
  /** Folds that a Drone could do now. */
  get ready(): number {
    return this.#ready.length;
  }
  /** The page with all there is, if that is one page. */
  get only(): ReducedPage | null {
    return this.pages === 1 ? this.#byFirst.values().next().value! : null;
  }

  // Durable: written by apply.ts alone.

  add(page: ReducedPage): void {
    this.#byFirst.set(page.first, page);
    this.#byEnd.set(page.end, page);
  }
  /** Pages [first, end) have become one. */
  replace(seqs: readonly number[], page: Omit<ReducedPage, 'level'>): void {
    let level = 0;
    for (let at = page.first, left = seqs.length; left > 0; left--) {
      const old = this.#byFirst.get(at)!;
      this.#byFirst.delete(old.first);
      this.#byEnd.delete(old.end);
      level = Math.max(level, old.level + 1);
      at = old.end;
    }
    this.add({ ...page, level });
  }

  // Not durable.

  /** Looks whether the page that begins at `first` makes a fold with its neighbours. */
  planAround(first: number): void {
    const page = this.#byFirst.get(first);
    if (page === undefined || !this.#isIdle(page)) return;
    const run = [page];
    for (
      let next = this.#before(page);
      next !== null && run.length < LIMITS.foldPagesMax;
      next = this.#before(next)
    )
      run.unshift(next);
    for (
      let next = this.#after(page);
      next !== null && run.length < LIMITS.foldPagesMax;
      next = this.#after(next)
    )
      run.push(next);
    if (run.length === LIMITS.foldPagesMax || (run.length > 1 && bytesOf(run) >= LIMITS.foldBytesMax))
      this.#begin(fittingPart(run));
  }
  /** Looks at all pages: after a restart, or when the job goes on. */
  planAll(): void {
    for (const first of [...this.#byFirst.keys()]) this.planAround(first);
  }

  /** All tasks have succeeded: folds everything a level further, for so many places, if no fold is under way. */
  planLevel(places: number): void {
    if (this.#folds.size > 0 || this.pages < 2) return;
    const pages: ReducedPage[] = [];
    for (let page = this.#byFirst.get(0); page !== undefined; page = this.#byFirst.get(page.end))
      pages.push(page);
    const groups = Math.max(
      Math.ceil(pages.length / LIMITS.foldPagesMax),
      Math.min(places, Math.floor(pages.length / FOLD_PAGES_MIN)),
    );
    const each = Math.max(2, Math.ceil(pages.length / groups));
    for (let at = 0; at + 1 < pages.length; ) {
      const part = fittingPart(pages.slice(at, at + each));
      this.#begin(part);
      at += part.length;
    }
  }

  #before(page: ReducedPage): ReducedPage | null {
    return this.#joins(this.#byEnd.get(page.first), page);
  }
  #after(page: ReducedPage): ReducedPage | null {
    return this.#joins(this.#byFirst.get(page.end), page);
  }
  #joins(other: ReducedPage | undefined, page: ReducedPage): ReducedPage | null {
    return other !== undefined && other.level === page.level && this.#isIdle(other) ? other : null;
  }
  #isIdle(page: ReducedPage): boolean {
    return !this.#foldOf.has(page);
  }

  #begin(pages: readonly ReducedPage[]): void {
    const { first } = pages[0]!;
    const { end } = pages[pages.length - 1]!;
    const fold: Fold = { pages, first, end, failures: 0, crashes: 0, lease: null, retryAt: null };
    for (const page of pages) this.#foldOf.set(page, fold);
    this.#folds.add(fold);
    this.#ready.push(fold);
  }

  /** The next fold for a Drone; it is to be leased or given back. */
  take(): Fold | null {
    return this.#ready.shift() ?? null;
  }
  /** It was not done: a Drone may do it. */
  giveBack(fold: Fold): void {
    fold.lease = null;
    fold.retryAt = null;
    if (this.#folds.has(fold)) this.#ready.unshift(fold);
  }
  /** It is done. */
  end(fold: Fold): void {
    fold.lease = null;
    for (const page of fold.pages) this.#foldOf.delete(page);
    this.#folds.delete(fold);
  }
  /** Nothing is folded any more. */
  stop(): void {
    this.#foldOf.clear();
    this.#folds.clear();
    this.#ready.length = 0;
  }
}

function bytesOf(pages: readonly ReducedPage[]): number {
  let bytes = 0;
  for (const page of pages) bytes += page.bytes;
  return bytes;
}
/** As many of them, from the first on, as one lease carries; two in any case. */
function fittingPart(pages: readonly ReducedPage[]): readonly ReducedPage[] {
  let count = Math.min(2, pages.length);
  let bytes = bytesOf(pages.slice(0, count));
  while (count < pages.length && bytes + pages[count]!.bytes <= LIMITS.foldBytesMax)
    bytes += pages[count++]!.bytes;
  return pages.slice(0, count);
}
