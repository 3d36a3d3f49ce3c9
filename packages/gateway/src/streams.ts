/** Streams that are open: so many at once, and all of them end when the gateway does. */
import { Problem } from './problem.ts';

export class Streams {
  readonly #max: number;
  readonly #open = new Set<() => void>();
  readonly #changed: (open: number) => void;

  constructor(max: number, changed: (open: number) => void) {
    this.#max = max;
    this.#changed = changed;
  }

  /** Counts one in, until the function that it returns is called. `end` is called if it must end. @throws Problem 429 */
  enter(end: () => void): () => void {
    if (this.#open.size >= this.#max)
      throw new Problem(
        429,
        'too_many_streams',
        `There are ${this.#max} streams open already. Try again when some have ended.`,
        {
          headers: { 'retry-after': '1' },
        },
      );
    const one = () => end();
    this.#open.add(one);
    this.#changed(this.#open.size);
    return () => {
      if (this.#open.delete(one)) this.#changed(this.#open.size);
    };
  }

  endAll(): void {
    for (const end of [...this.#open]) end();
  }
}
