/** Hashing the decimal digits of integers, which the Drones count out by themselves: what `seq` and `--lines` would give. */
import type { Range } from '../job/range.ts';
import type { Progress } from '../progress.ts';
import { digestLine } from './json-lines.ts';
import type { Complain, Format, Hashed, Work } from './work.ts';

export class RangeWork implements Work {
  /** Integers have no other. */
  readonly encoding = 'msgpack';
  readonly #range: Range;
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #complain: Complain;

  constructor(range: Range, format: Format, progress: Progress, complain: Complain) {
    this.#range = range;
    this.#format = format;
    this.#progress = progress;
    this.#complain = complain;
    progress.expect(range.count);
  }

  source() {
    return { range: this.#range };
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    this.#progress.done(0);
    const value = this.#range.start + index * this.#range.step;
    if (digest !== null) return digestLine(digest, { value }, this.#format);
    this.#complain(`${value}: ${message}`, { value, error: message });
    return null;
  }

  end(): void {}
}
