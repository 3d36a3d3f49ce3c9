/** An async iterator over the newest of a series of values: who is slow misses some, and nothing piles up. */
export class Latest<T> implements AsyncIterableIterator<T> {
  #value: { readonly value: T } | null = null;
  #waiting: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  #failure: { readonly error: unknown } | null = null;
  #isOver = false;
  readonly #stop: () => void;

  /** @param start begins the series and returns what ends it */
  constructor(start: (give: (value: T) => void, fail: (error: unknown) => void) => () => void) {
    this.#stop = start(
      (value) => this.#give(value),
      (error) => this.#fail(error),
    );
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    const latest = this.#value;
    this.#value = null;
    if (latest !== null) return Promise.resolve({ done: false, value: latest.value });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T>> {
    if (!this.#isOver) this.#stop();
    this.#isOver = true;
    for (const { resolve } of this.#waiting) resolve({ done: true, value: undefined });
    this.#waiting = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  #give(value: T): void {
    const first = this.#waiting.shift();
    if (first !== undefined) first.resolve({ done: false, value });
    else this.#value = { value };
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }
}
