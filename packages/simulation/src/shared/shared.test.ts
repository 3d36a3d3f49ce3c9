/** Several Queens and Drones that work for all of them: seeds by the hundred, and how the Drones share their slots. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { fairShares } from './fair-shares.ts';
import { simulateShared } from './simulation.ts';

const FIRST = 2_000_000;
const SEEDS = 100;
const LIMIT_MILLIS = 600_000;

test(
  `${SEEDS} times three Queens and the Drones that they share keep their promises`,
  async () => {
    const main = join(import.meta.dirname, '../main.ts');
    const range = `${FIRST}..${FIRST + SEEDS - 1}`;
    const { stdout } = await promisify(execFile)(process.execPath, [main, '--shared', '--seeds', range], {
      timeout: LIMIT_MILLIS,
    });
    process.stdout.write(`simulation of nodes: ${stdout}`);
    expect(stdout).toContain(`${SEEDS} seeds held, 0 did not`);
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
