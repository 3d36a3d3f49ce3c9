/** A thousand seeds, in a process of their own: the test runner's own way of running code is half as fast. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

/** Far from those that are run by hand. */
const FIRST = 1_000_000;
const SEEDS = 1_000;
const LIMIT_MILLIS = 600_000;

test(
  `${SEEDS} simulated clusters keep their promises`,
  async () => {
    const main = join(import.meta.dirname, 'main.ts');
    const range = `${FIRST}..${FIRST + SEEDS - 1}`;
    const { stdout } = await promisify(execFile)(process.execPath, [main, '--seeds', range], {
      timeout: LIMIT_MILLIS,
    });
    // How fast the simulation runs is worth a look in every run of the suite.
    process.stdout.write(`simulation: ${stdout}`);
    expect(stdout).toContain(`${SEEDS} seeds held, 0 did not`);
  },
  LIMIT_MILLIS,
);
