/**
 * `pnpm sim`: simulations from the command line. One seed reproduces what a test has found; a range of seeds looks for
 * more. Prints what was run and how fast, or the violation with the last lines of its trace.
 */
import { performance } from 'node:perf_hooks';
import yargs from 'yargs';
import { simulateNested } from './nested/simulation.ts';
import { retold } from './retold.ts';
import { simulateShared } from './shared/simulation.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';

const options = await yargs(process.argv.slice(2))
  .scriptName('sim')
  .usage(
    '$0 --seed N | --seeds A..B\n\nThe real scheduler, sessions and agents in virtual time, with faults.',
  )
  .option('seed', { type: 'number', describe: 'Run this seed' })
  .option('seeds', { type: 'string', describe: 'Run the seeds from A to B, as A..B' })
  .option('drones', { type: 'number', describe: 'Number of Drones (drawn from the seed if absent)' })
  .option('clients', { type: 'number', describe: 'Number of clients (drawn from the seed if absent)' })
  .option('shared', {
    type: 'boolean',
    default: false,
    describe: 'Three Queens, and Drones that work for all of them',
  })
  .option('nested', { type: 'boolean', default: false, describe: 'Tasks that submit work and wait for it' })
  .option('seconds', { type: 'number', describe: 'Virtual seconds with faults (drawn if absent)' })
  .option('minutes', { type: 'number', describe: 'Begin no further seed once so many minutes are over' })
  .option('trace', { type: 'boolean', default: false, describe: 'Print every line of the trace' })
  .option('keep-going', { type: 'boolean', default: false, describe: 'Run all seeds, whatever fails' })
  .strict()
  .version(false)
  .parseAsync();

const [first, last] = seedsOf();
const settings: Partial<SimulationOptions> = {
  ...(options.drones === undefined ? {} : { drones: options.drones }),
  ...(options.clients === undefined ? {} : { clients: options.clients }),
  ...(options.seconds === undefined ? {} : { seconds: options.seconds }),
  ...(options.trace ? { onTrace: (line: string) => console.log(line) } : {}),
};
const failed: number[] = [];
const results: SimulationResult[] = [];
const startedAt = performance.now();
const until = startedAt + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
for (let seed = first; seed <= last && (seed === first || performance.now() < until); seed++) {
  if (!runOne(seed) && !options.keepGoing) break;
}
summarise();

function seedsOf(): readonly [number, number] {
  if (options.seeds === undefined) {
    const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
    return [seed, seed];
  }
  const match = /^(\d+)\.\.(\d+)$/.exec(options.seeds);
  if (match === null) throw new Error('--seeds wants a range such as 1..100');
  return [Number(match[1]), Number(match[2])];
}

/** One of many is not traced, but when it fails: then it is run again, which gives the same. */
function runOne(seed: number): boolean {
  const run = options.shared ? simulateShared : options.nested ? simulateNested : simulate;
  try {
    const isTraced = first === last || options.trace;
    results.push(retold((again) => run({ seed, ...settings, isTraced: isTraced || again })));
    return true;
  } catch (error) {
    failed.push(seed);
    const text = (error as Error).message;
    console.error(options.keepGoing ? text.slice(0, text.indexOf('\n')) : text);
    const { cause } = error as Error;
    if (!options.keepGoing && cause instanceof Error) console.error(cause.stack);
    return false;
  }
}

function summarise(): void {
  const sum = (pick: (result: SimulationResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const seconds = (performance.now() - startedAt) / 1_000;
  const steps = sum((result) => result.steps);
  console.log(
    `${counted(results.length, 'seed')} held, ${failed.length} did not${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`,
  );
  console.log(
    `${(sum((result) => result.virtualMillis) / 1_000).toFixed(0)} virtual seconds, ${counted(
      sum((result) => result.recorded),
      'task',
    )} of ${counted(
      sum((result) => result.jobs),
      'job',
    )}, ${counted(steps, 'step')} in ${seconds.toFixed(1)} s: ${Math.round(steps / seconds)} steps/s`,
  );
  if (results.length === 1) console.log(`trace ${results[0]!.hash}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
