/** For tests: many seeds in a process of their own, as many of them as a busy machine has time for. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MAIN = join(import.meta.dirname, '..', 'main.ts');

export interface SeedRange {
  readonly first: number;
  readonly count: number;
  /** No further one is begun after this. */
  readonly minutes: number;
  /** More options of `pnpm sim`. */
  readonly args: readonly string[];
}

/** How many of them were run, and held. Rejects, with what was said, when one did not. */
export async function heldSeeds({ first, count, minutes, args }: SeedRange): Promise<number> {
  const range = ['--seeds', `${first}..${first + count - 1}`, '--minutes', String(minutes)];
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args, ...range]);
  // How fast the simulation runs is worth a look in every run of the suite.
  process.stdout.write(`simulation ${args.join(' ')}: ${stdout}`);
  const [, held] = /^(\d+) seeds? held, 0 did not$/m.exec(stdout) ?? [];
  if (held === undefined) throw new Error(stdout);
  return Number(held);
}
