/** Several Queens and Drones that work for all of them: seeds by the hundred, and how the Drones share their slots. */
import { expect, test } from '@jest/globals';
import { heldSeeds } from '../testing/held-seeds.ts';
import { fairShares } from './fair-shares.ts';
import { simulateShared } from './simulation.ts';

const FIRST = 2_000_000;
const SEEDS = 100;
const LIMIT_MILLIS = 900_000;

test(
  `${SEEDS} times three Queens and the Drones that they share keep their promises, or as often as there is time for`,
  async () => {
    expect(await heldSeeds({ first: FIRST, count: SEEDS, minutes: 3, args: ['--shared'] })).toBeGreaterThan(
      0,
    );
  },
  LIMIT_MILLIS,
);

test('the same seed gives the same trace', () => {
  expect(simulateShared({ seed: 5 }).hash).toBe(simulateShared({ seed: 5 }).hash);
});

// Seeds that have found something: 3, that a Drone which only offers and takes back places to a Queen without work heard
// nothing of her, for want of a Heartbeat that she would have answered.
test.each([3])('seed %d, which has found something, holds', (seed) => {
  expect(simulateShared({ seed }).jobs).toBeGreaterThan(0);
});

test.each([
  ['alike', [{ taskMillis: 5 }, { taskMillis: 5 }, { taskMillis: 5 }]],
  ['short and long', [{ taskMillis: 1 }, { taskMillis: 20 }, { taskMillis: 250 }]],
] as const)(
  'three Queens with work for all slots get a third each, and no slot idles: tasks %s',
  (_, contenders) => {
    const shares = fairShares(1, contenders, [4_000, 24_000]);
    for (const share of shares) {
      expect(share).toBeGreaterThan(0.27);
      expect(share).toBeLessThan(0.37);
    }
    expect(shares.reduce((sum, share) => sum + share)).toBeGreaterThan(0.92);
  },
);

test('a Queen alone with work gets all of the slots of all Drones', () => {
  const [alone] = fairShares(1, [{ taskMillis: 5 }, { taskMillis: 5, startMillis: 1e9 }], [2_000, 6_000]);
  expect(alone).toBeGreaterThan(0.95);
});
