/** Tasks that submit work: seeds by the dozen, and what they have found. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { simulateNested } from './simulation.ts';

const FIRST = 3_000_000;
const SEEDS = 25;
const LIMIT_MILLIS = 600_000;

test(
  `${SEEDS} clusters whose tasks submit work and wait for it keep their promises`,
  async () => {
    const main = join(import.meta.dirname, '../main.ts');
    const range = `${FIRST}..${FIRST + SEEDS - 1}`;
    const { stdout } = await promisify(execFile)(process.execPath, [main, '--nested', '--seeds', range], {
      timeout: LIMIT_MILLIS,
    });
    process.stdout.write(`simulation of tasks that submit work: ${stdout}`);
    expect(stdout).toContain(`${SEEDS} seeds held, 0 did not`);
  },
  LIMIT_MILLIS,
);

test('the same seed gives the same trace', () => {
  expect(simulateNested({ seed: 2 }).hash).toBe(simulateNested({ seed: 2 }).hash);
});
