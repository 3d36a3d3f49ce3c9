/** Waiting in the middle of a fault, which ends as soon as nothing is to suffer any more. */
export class Rests {
  readonly #waking = new Set<() => void>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** From now on nobody rests. */
  end(): void {
    this.#isOver = true;
    for (const wake of this.#waking) wake();
  }

  rest(millis: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waking.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, millis);
      this.#waking.add(wake);
    });
  }
}
