import { expect, test } from '@jest/globals';
import { retold } from './retold.ts';
import { SimulationError, simulate } from './simulation.ts';

const broken = (lines: readonly string[]) => new SimulationError(1, 0, lines, new Error('G2: it broke'));

test('a run that holds is run once, without a trace', () => {
  const runs: boolean[] = [];
  expect(retold((again) => runs.push(again))).toBe(1);
  expect(runs).toEqual([false]);
});

test('one that breaks a promise is run again, and its trace is told', () => {
  const run = (again: boolean) => {
    throw broken(again ? ['0.1000 queen says this'] : []);
  };
  expect(() => retold(run)).toThrow('G2: it broke\n0.1000 queen says this');
});

test('one that breaks it only once breaks G8', () => {
  const run = (again: boolean) => {
    if (!again) throw broken([]);
  };
  expect(() => retold(run)).toThrow('G8: it was not found again: seed 1 at 0.0000 s: G2: it broke');
});

test('whether it is traced changes nothing else', () => {
  const { hash, ...traced } = simulate({ seed: 11 });
  expect(simulate({ seed: 11, isTraced: false })).toMatchObject(traced);
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
});
