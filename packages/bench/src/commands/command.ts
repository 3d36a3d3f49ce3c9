/** `hive bench command`: the cluster's own runs, and under them what other ways of starting commands do. */

import { type StoreName, startCluster } from '../cluster.ts';
import { hardware } from '../hardware.ts';
import { count, percent, printReport } from '../print.ts';
import { type Bench, type Report, runBench, type Sizes } from '../runs.ts';
import { type Spread, spread } from '../stats.ts';
import { commandBench, PROGRAM } from './bench.ts';
import {
  gnuParallel,
  isMissing,
  type Measure,
  type Missing,
  spawnLoopInC,
  spawnLoopInNode,
} from './limits.ts';

export interface CommandBenchOptions extends Sizes {
  readonly tasks: number;
  readonly store: StoreName;
  readonly json: boolean;
}

interface Other {
  readonly what: string;
  readonly commandsPerSecond?: Spread;
  /** Why it was not measured. */
  readonly skipped?: string;
}

export async function runCommandBench({ tasks, store, json, ...sizes }: CommandBenchOptions): Promise<void> {
  const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
  using inC = spawnLoopInC(PROGRAM, tasks);
  const inNode = spawnLoopInNode(PROGRAM, tasks);
  // Where there is no compiler, the share is that of Node's own loop.
  const bench: Bench = commandBench(tasks, isMissing(inC) ? inNode : inC);
  const [report] = await measured(bench, { ...sizes, store }, say);
  // GNU parallel takes ten times as long for each.
  const others: (Measure | Missing)[] = [inC, inNode, gnuParallel(PROGRAM, Math.ceil(tasks / 10))];
  const measuredOthers: Other[] = [];
  for (const other of others) measuredOthers.push(await measureOther(other, sizes.runs, say));
  if (json) console.log(JSON.stringify({ ...report, hardware: hardware(), others: measuredOthers }));
  else console.log([printReport(report!), ...measuredOthers.map(printOther(report!))].join('\n'));
}

async function measured(
  bench: Bench,
  options: Sizes & { readonly store: StoreName },
  say: (line: string) => void,
): Promise<Report[]> {
  await using cluster = await startCluster({ ...options, tls: true });
  return await runBench(bench, [cluster], options, say);
}

async function measureOther(
  other: Measure | Missing,
  runs: number,
  say: (line: string) => void,
): Promise<Other> {
  const { what } = other;
  if (isMissing(other)) {
    say(`skipped, because ${other.reason}: ${what}`);
    return { what, skipped: other.reason };
  }
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) rates.push(await other.perSecond());
  return { what, commandsPerSecond: spread(rates) };
}

function printOther(report: Report): (other: Other) => string {
  return ({ what, commandsPerSecond, skipped }) => {
    if (commandsPerSecond === undefined) return `  skipped         ${what}: ${skipped}`;
    const { median, min, max } = commandsPerSecond;
    const share = percent(report.tasksPerSecond.median / median);
    return `  beside it       ${count(median)}/s median (${count(min)} to ${count(max)}): ${what}; the Hive does ${share} of that`;
  };
}
