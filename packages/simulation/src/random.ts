/**
 * The one source of chance in a simulation: everything that could go one way or another asks here, so that one seed gives
 * one history.
 */

import { Chance } from '@hive/shared';

export class Random extends Chance {
  constructor(seed: number) {
    super(mix(seed >>> 0));
  }

  hex(digits: number): string {
    let text = '';
    for (let i = 0; i < digits; i++) text += this.int(0, 15).toString(16);
    return text;
  }
  /** A source of its own, so that what one part draws does not change what another gets. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 4_294_967_296));
  }
}

/** Scrambles 32 bits, so that neighbouring seeds have nothing in common. */
export function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
