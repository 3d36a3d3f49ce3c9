/** A thousand seeds, in a process of their own: the test runner's own way of running code is half as fast. */
import { expect, test } from '@jest/globals';
import { heldSeeds } from './testing/held-seeds.ts';

/** Far from those that are run by hand. */
const FIRST = 1_000_000;
const SEEDS = 1_000;
const LIMIT_MILLIS = 900_000;

test(
  `${SEEDS} simulated clusters keep their promises, or as many as there is time for`,
  async () => {
    expect(await heldSeeds({ first: FIRST, count: SEEDS, minutes: 4, args: [] })).toBeGreaterThan(0);
  },
  LIMIT_MILLIS,
);
