/**
 * `hive bench function`: the same functions in the Hive and in Piscina, in turn, in one run; and what the first call of a new
 * function costs. Every result is checked.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Hive } from '@hive/client';
import { startProcesses } from '@hive/local';
import { type Cluster, type StoreName, startCluster } from '../cluster.ts';
import { hardware } from '../hardware.ts';
import { count, millis, percent } from '../print.ts';
import { type Spread, spread } from '../stats.ts';
import { type Pool, startPool } from './piscina.ts';

export interface FunctionBenchOptions {
  readonly drones: number;
  readonly slots: number;
  readonly runs: number;
  readonly store: StoreName;
  /** Tiny calls of an array; the other sizes follow from it. */
  readonly tasks: number;
  readonly json: boolean;
}
type Name = 'tiny' | 'millisecond';

/** One figure, side by side. */
interface Row {
  readonly what: string;
  readonly hive: Spread;
  readonly piscina: Spread;
  /** The Hive's rate over Piscina's, run by run. */
  readonly share: Spread;
}

const FILE = new URL(
  import.meta.url.endsWith('.ts') ? './bench.task.ts' : './bench.task.js',
  import.meta.url,
);
const IN_FLIGHT = 256;
const targetOf = (name: Name): string => `${FILE.href}#${name}`;
const expected = (name: Name, n: number): number => (name === 'tiny' ? n + 1 : n);

export async function runFunctionBench(options: FunctionBenchOptions): Promise<void> {
  const { drones, slots, json } = options;
  const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
  const rows = await sideBySide(options, say);
  const first = await firstCalls(options, say);
  const report = { bench: 'function', hardware: hardware(), ...options, rows, first };
  console.log(json ? JSON.stringify(report) : printed(report, drones * slots));
}

async function sideBySide(options: FunctionBenchOptions, say: (line: string) => void): Promise<Row[]> {
  const { drones, slots, tasks, runs } = options;
  await using cluster = await startCluster({ ...options, tls: true });
  const pool = await startPool(drones * slots);
  try {
    return [
      await compared(
        '1 ms each, an array',
        runs,
        say,
        both(cluster, pool, 'millisecond', 1_000 * drones * slots),
      ),
      await compared('tiny, an array', runs, say, both(cluster, pool, 'tiny', tasks)),
      await compared(`tiny, single calls, ${IN_FLIGHT} in flight`, runs, say, {
        hive: () => perSecond(tasks / 10, (n) => calls(n, (i) => cluster.hive.call(targetOf('tiny'), i))),
        piscina: () => perSecond(tasks / 10, (n) => calls(n, (i) => pool.run(i, { name: 'tiny' }))),
      }),
    ];
  } finally {
    await pool.destroy();
  }
}

interface Sides {
  hive(): Promise<number>;
  piscina(): Promise<number>;
}

function both({ hive }: Cluster, pool: Pool, name: Name, tasks: number): Sides {
  const inputs = Array.from({ length: tasks }, (_, n) => n);
  return {
    hive: () => perSecond(tasks, async () => check(name, await hive.map(targetOf(name), inputs))),
    piscina: () =>
      perSecond(tasks, async () => check(name, await Promise.all(inputs.map((n) => pool.run(n, { name }))))),
  };
}

/** In turn, so that what else the machine does befalls both. */
async function compared(what: string, runs: number, say: (line: string) => void, sides: Sides): Promise<Row> {
  const pairs: { readonly hive: number; readonly piscina: number }[] = [];
  for (let run = -1; run < runs; run++) {
    const pair = { hive: await sides.hive(), piscina: await sides.piscina() };
    // The first warms up.
    if (run < 0) continue;
    pairs.push(pair);
    say(`${what}: ${count(pair.hive)}/s, Piscina ${count(pair.piscina)}/s`);
  }
  return {
    what,
    hive: spread(pairs.map(({ hive }) => hive)),
    piscina: spread(pairs.map(({ piscina }) => piscina)),
    share: spread(pairs.map(({ hive, piscina }) => hive / piscina)),
  };
}

async function perSecond(tasks: number, body: (tasks: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  await body(tasks);
  return (tasks / (performance.now() - start)) * 1_000;
}

async function calls(tasks: number, call: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < tasks) {
      const i = next++;
      if ((await call(i)) !== expected('tiny', i)) throw new Error(`call ${i} gave something else`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

function check(name: Name, values: readonly unknown[]): void {
  for (let n = 0; n < values.length; n++) {
    if (values[n] !== expected(name, n)) throw new Error(`task ${n} gave ${String(values[n])}`);
  }
}

interface First {
  /** Bundled, sent, loaded and called, on Drones that have run no function yet. */
  readonly cold: Spread;
  /** The same, once the bundler and the Drones have been used. */
  readonly fresh: Spread;
  /** The same code from another client: it sends nothing but the name. */
  readonly again: Spread;
}

async function firstCalls(
  { drones, slots, store, runs }: FunctionBenchOptions,
  say: (line: string) => void,
): Promise<First> {
  const folder = mkdtempSync(join(tmpdir(), 'hive-bench-'));
  const figures = { cold: [] as number[], fresh: [] as number[], again: [] as number[] };
  try {
    for (let run = 0; run < runs; run++) {
      const processes = await startProcesses({ drones, slotsPerDrone: slots, store });
      try {
        const one = await connect({ ...processes.access, name: 'bench' });
        const other = await connect({ ...processes.access, name: 'bench again' });
        figures.cold.push(await timed(one, newFile(folder, run, 'cold')));
        const file = newFile(folder, run, 'fresh');
        figures.fresh.push(await timed(one, file));
        figures.again.push(await timed(other, file));
        await Promise.all([one.close(), other.close()]);
      } finally {
        await processes.stop();
      }
      say(`first call: cold ${millis(figures.cold[run]!)}, fresh code ${millis(figures.fresh[run]!)}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { cold: spread(figures.cold), fresh: spread(figures.fresh), again: spread(figures.again) };
}

function newFile(folder: string, run: number, what: string): string {
  const path = join(folder, `${what}-${run}.task.ts`);
  const code = `export default task((n: number) => n + ${run}); // ${what}`;
  writeFileSync(path, `import { task } from '@hive/client';\n${code}\n`);
  return path;
}

async function timed(hive: Hive, file: string): Promise<number> {
  const start = performance.now();
  if (typeof (await hive.call(file, 1)) !== 'number') throw new Error(`${file} gave no number`);
  return performance.now() - start;
}

function printed(
  {
    rows,
    first,
    runs,
    store,
    tasks,
    hardware: on,
  }: FunctionBenchOptions & {
    readonly rows: readonly Row[];
    readonly first: First;
    readonly hardware: ReturnType<typeof hardware>;
  },
  slots: number,
): string {
  const range = ({ median, min, max }: Spread, show: (n: number) => string) =>
    `${show(median)} median (${show(min)} to ${show(max)})`;
  return [
    `function: the same functions in the Hive (${slots} slots in Drones of their own, ${store} store, TLS) and in Piscina (${slots} threads), in turn`,
    `  hardware        ${on.cpu}, ${on.cores} cores, Node ${on.node}, ${on.platform}`,
    `  runs            ${runs} after warming up, ${count(tasks)} tiny calls each; every result checked`,
    ...rows.flatMap(({ what, hive, piscina, share }) => [
      `  ${what}`,
      `    calls/s       ${range(hive, count)}`,
      `    Piscina       ${range(piscina, count)}`,
      `    of it         ${range(share, percent)}, run by run`,
    ]),
    `  first call of a function`,
    `    all cold      ${range(first.cold, millis)}: bundler not loaded, Drones that have run none`,
    `    fresh code    ${range(first.fresh, millis)}: bundled, sent, loaded`,
    `    sent before   ${range(first.again, millis)}: another client, the same code, of which nothing is sent`,
  ].join('\n');
}
