/**
 * What can be awaited and is more than that: the results of a map, a value that is folded. It is a Promise by type, so it may be
 * returned, collected and caught like one; nothing is asked for before somebody waits.
 */

/** The reason's type is the caller's to say, as with Promise itself. */
// biome-ignore lint/suspicious/noExplicitAny: as Promise has it
type Rejected<B> = ((reason: any) => B | PromiseLike<B>) | null;
type Fulfilled<T, A> = ((value: T) => A | PromiseLike<A>) | null;

export abstract class Promised<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'Promise';

  /** What is awaited; asked for at the first wait, and kept. */
  protected abstract settled(): Promise<T>;

  // biome-ignore lint/suspicious/noThenProperty: awaiting is what most callers want
  then<A = T, B = never>(fulfilled?: Fulfilled<T, A>, rejected?: Rejected<B>): Promise<A | B> {
    return this.settled().then(fulfilled, rejected);
  }
  catch<B = never>(rejected?: Rejected<B>): Promise<T | B> {
    return this.settled().catch(rejected);
  }
  finally(ended?: (() => void) | null): Promise<T> {
    return this.settled().finally(ended);
  }
}
