/**
 * The scheduler, the sessions and the agents keep their promises whatever goes wrong: fixed seeds, and every seed that has
 * ever found something. `pnpm sim --seeds A..B` looks for more.
 */
import { describe, expect, test } from '@jest/globals';
import { retold } from './retold.ts';
import { KNOWN_SEEDS } from './seeds.ts';
import { SimulationError, simulate } from './simulation.ts';

describe('a simulated cluster keeps its promises', () => {
  test.each(KNOWN_SEEDS)('with seed $seed: $found', ({ seed }) => {
    const { recorded } = retold((again) => simulate({ seed, isTraced: again }));
    expect(recorded).toBeGreaterThanOrEqual(0);
  });
});

test('the same seed gives the same history, another seed another', () => {
  const first = simulate({ seed: 7 });
  expect(simulate({ seed: 7 })).toEqual(first);
  expect(simulate({ seed: 8 }).hash).not.toBe(first.hash);
});

test('looking at the trace changes nothing', () => {
  const lines: string[] = [];
  const watched = simulate({ seed: 9, onTrace: (line) => lines.push(line) });
  expect(lines.length).toBeGreaterThan(100);
  expect(watched).toEqual(simulate({ seed: 9 }));
});

test('a violation names the seed, the time and what led to it', () => {
  const error = new SimulationError(12, 3_456, ['3.4000 queen says this'], new Error('G2: it broke'));
  expect(error.message).toBe('seed 12 at 3.4560 s: G2: it broke\n3.4000 queen says this');
});
