/**
 * The one source of chance in a run: what is submitted, who is killed, when. The same seed makes the same choices; real
 * processes answer at their own pace, so a run is repeated approximately.
 */
import { Chance } from '@hive/shared';

export class Random extends Chance {
  constructor(seed: number) {
    super(mix(seed, 0));
  }

  /** An integer from low to high; small ones are as likely as large ones. */
  magnitude(low: number, high: number): number {
    return Math.min(high, Math.round(low * ((high + 1) / low) ** this.next()));
  }
  /** A source of its own, so that what one part draws does not change what another gets. */
  fork(): Random {
    return new Random(this.int(0, 2 ** 32 - 1));
  }
}

/** 32 bits that are a function of two numbers, and look like chance. */
export function mix(a: number, b: number): number {
  let h = (a ^ Math.imul(b + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
