/** Hashing the decimal digits of integers, which the Drones count out by themselves: what `seq` and `--lines` would give. */
import type { Range } from '../job/range.ts';
import type { Progress } from '../progress.ts';
import type { Complain, Hashed, Work } from './work.ts';

export class RangeWork implements Work {
  /** Integers have no other. */
  readonly encoding = 'msgpack';
  readonly #range: Range;
  readonly #end: string;
  readonly #progress: Progress;
  readonly #complain: Complain;

  constructor(range: Range, isZeroEnded: boolean, progress: Progress, complain: Complain) {
    this.#range = range;
    this.#end = isZeroEnded ? '\0' : '\n';
    this.#progress = progress;
    this.#complain = complain;
    progress.expect(range.count);
  }

  source() {
    return { range: this.#range };
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    this.#progress.done(0);
    if (digest !== null) return Buffer.from(digest + this.#end);
    this.#complain(`${this.#range.start + index * this.#range.step}: ${message}`);
    return null;
  }

  end(): void {}
}
