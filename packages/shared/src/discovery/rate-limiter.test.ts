import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RateLimiter } from './rate-limiter.ts';

const RATES = { perAddress: 5, overall: 20, addressesMax: 8 };
const calls = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 20 })), { maxLength: 300 });

test('in any stretch of time no address, nor all together, get more than the rate and what may come at once', () => {
  fc.assert(
    fc.property(calls, (steps) => {
      const limiter = new RateLimiter({ ...RATES, addressesMax: 100 }, 0);
      const admitted: { at: number; who: number }[] = [];
      let now = 0;
      for (const [millis, who] of steps) {
        now += millis;
        if (limiter.admits(`10.0.0.${who}`, now)) admitted.push({ at: now, who });
      }
      for (const [i, first] of admitted.entries()) {
        const later = admitted.slice(i);
        for (const [n, { at }] of later.entries()) {
          const seconds = (at - first.at) / 1_000;
          expect(n + 1).toBeLessThanOrEqual(2 * RATES.overall + seconds * RATES.overall + 1e-6);
        }
        for (const [n, { at }] of later.filter(({ who }) => who === first.who).entries()) {
          const seconds = (at - first.at) / 1_000;
          expect(n + 1).toBeLessThanOrEqual(2 * RATES.perAddress + seconds * RATES.perAddress + 1e-6);
        }
      }
    }),
  );
});

test('who asks slowly is never refused while there is enough for all', () => {
  const limiter = new RateLimiter(RATES, 0);
  for (let now = 0; now < 60_000; now += 1_000 / RATES.perAddress) {
    for (const who of ['a', 'b', 'c']) expect(limiter.admits(who, now)).toBe(true);
  }
});

test('very many addresses take no more memory than was said, and no more tokens than all may have', () => {
  const limiter = new RateLimiter(RATES, 0);
  let admitted = 0;
  for (let n = 0; n < 10_000; n++) if (limiter.admits(`address ${n}`, 0)) admitted++;
  expect(admitted).toBe(2 * RATES.overall);
  expect(limiter.addresses).toBeLessThanOrEqual(RATES.addressesMax);
});

test('a clock that goes back gives nothing away', () => {
  const limiter = new RateLimiter(RATES, 1_000);
  let admitted = 0;
  for (let n = 0; n < 100; n++) if (limiter.admits('a', 1_000 - n)) admitted++;
  expect(admitted).toBe(2 * RATES.perAddress);
});
