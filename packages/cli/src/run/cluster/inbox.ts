/** What several sources have to say, for one reader, in the order in which it came. */
export class Inbox<T> {
  readonly #waiting: T[] = [];
  #wake: () => void = () => {};

  readonly put = (item: T): void => {
    this.#waiting.push(item);
    this.#wake();
  };

  /** One reader at a time may wait. */
  async take(): Promise<T> {
    for (;;) {
      const item = this.#waiting.shift();
      if (item !== undefined) return item;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
