/**
 * Of a session that does not keep the process (`connect({ local: true })`): keeps it as long as somebody waits for
 * something. It begins with the wait and looks now and then whether all waiting is over, so that nothing is counted
 * where calls come by the hundred thousand.
 */

/** So long may a process linger that has nothing left to do. */
const LOOK_MILLIS = 50;

export class KeepAlive {
  readonly #isNeeded: () => boolean;
  #timer: NodeJS.Timeout | null = null;

  constructor(isNeeded: () => boolean) {
    this.#isNeeded = isNeeded;
  }

  begin(): void {
    this.#timer ??= setInterval(() => {
      if (!this.#isNeeded()) this.end();
    }, LOOK_MILLIS);
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
