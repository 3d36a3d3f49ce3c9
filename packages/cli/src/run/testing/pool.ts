/** For tests: work that is begun in the order in which it was given, so many at a time. */
export class Pool {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  /** Whoever waits for the promise hears of its failure; until then nobody does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn()
      .then(work)
      .finally(() => {
        this.#free++;
        this.#waiting.shift()?.();
      });
    done.catch(() => {});
    return done;
  }

  async #turn(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#free--;
  }
}
