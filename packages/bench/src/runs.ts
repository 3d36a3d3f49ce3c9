/**
 * One benchmark: warm up, then at least five runs, each beside the limit measured right before it, because machines are
 * shared and noisy and only a ratio within one run means anything.
 */
import { type Cluster, STORE_SETTINGS, type StoreName, type Used } from './cluster.ts';
import { type Hardware, hardware } from './hardware.ts';
import { type Latency, latency, type Spread, spread } from './stats.ts';

export interface Bench {
  readonly name: string;
  /** One sentence: what is run, what is checked. */
  readonly method: string;
  readonly tasks: number;
  /** Bytes of one input, for rates in bytes. */
  readonly taskBytes?: number;
  /** What the limit is. */
  readonly limit: string;
  /** Runs all tasks once and checks every result. Returns latencies of single tasks, if it measures them. */
  run(cluster: Cluster): Promise<readonly number[] | null>;
  /** Tasks per second of an in-process loop over the same work. */
  measureLimit(): Promise<number>;
}

export interface Report {
  readonly bench: string;
  readonly method: string;
  readonly hardware: Hardware;
  readonly tasks: number;
  readonly taskBytes?: number;
  readonly drones: number;
  readonly slots: number;
  readonly runs: number;
  readonly store: StoreName;
  readonly storeSettings: string;
  readonly tls: boolean;
  /** Tasks per second of every run, in their order. */
  readonly perSecond: readonly number[];
  readonly tasksPerSecond: Spread;
  /** Of single tasks where they were timed, else of whole runs. */
  readonly latencyMillis: Latency & { readonly of: 'task' | 'run' };
  readonly limit: string;
  readonly limitTasksPerSecond: number;
  /** tasksPerSecond over the limit, pair by pair. */
  readonly shareOfLimit: Spread;
  readonly queenCpuMicrosPerTask: number;
  readonly clientCpuMicrosPerTask: number;
  readonly dronesCpuMicrosPerTask: number;
  readonly cpuSeconds: {
    readonly queen: number;
    readonly client: number;
    readonly drones: readonly number[];
  };
  readonly queenPeakBytes: number;
  readonly dronesPeakBytes: readonly number[];
  readonly clientPeakBytes: number;
}

interface Run {
  readonly perSecond: number;
  readonly millis: number;
  readonly limit: number;
  readonly used: Used;
}

interface RunSet {
  readonly runs: Run[];
  /** Of single tasks, where they were timed. */
  readonly latencies: number[];
}

export interface Sizes {
  readonly drones: number;
  readonly slots: number;
  readonly runs: number;
}

const WARM_UPS = 2;

/**
 * Runs a benchmark on every cluster, taking turns, so that whatever else the machine does meets all of them alike. The
 * reports are in the order of the clusters.
 */
export async function runBench(
  bench: Bench,
  clusters: readonly Cluster[],
  sizes: Sizes,
  onRun: (line: string) => void,
): Promise<Report[]> {
  for (const cluster of clusters) for (let i = 0; i < WARM_UPS; i++) await bench.run(cluster);
  await bench.measureLimit();
  const sets: RunSet[] = clusters.map(() => ({ runs: [], latencies: [] }));
  for (let i = 0; i < sizes.runs; i++) {
    for (const [k, cluster] of clusters.entries()) {
      const { perSecond, limit } = await runOnce(bench, cluster, sets[k]!);
      const rate = Math.round(perSecond).toLocaleString('en');
      onRun(
        `run ${i + 1}, ${cluster.store}, TLS ${cluster.tls ? 'on' : 'off'}: ${rate} tasks/s, limit ${Math.round(limit).toLocaleString('en')}`,
      );
    }
  }
  return clusters.map((cluster, k) => report(bench, sizes, sets[k]!, cluster));
}

async function runOnce(bench: Bench, cluster: Cluster, { runs, latencies }: RunSet): Promise<Run> {
  const limit = await bench.measureLimit();
  let timed: readonly number[] | null = null;
  const { millis, used } = await cluster.measure(async () => {
    timed = await bench.run(cluster);
  });
  for (const each of timed ?? []) latencies.push(each);
  const run = { perSecond: (bench.tasks / millis) * 1000, millis, limit, used };
  runs.push(run);
  return run;
}

/** How much of one cluster's speed another has, run by run. */
export function ratio(slower: Report, faster: Report): Spread {
  return spread(slower.perSecond.map((each, i) => each / faster.perSecond[i]!));
}

function report(bench: Bench, sizes: Sizes, { runs, latencies }: RunSet, { store, tls }: Cluster): Report {
  const { name, method, tasks, taskBytes, limit } = bench;
  const total = (of: (used: Used) => number) => runs.reduce((sum, { used }) => sum + of(used), 0);
  const perTask = (millis: number) => (millis * 1000) / (tasks * runs.length);
  const drones = runs[0]!.used.dronesMillis.map((_, i) => total((used) => used.dronesMillis[i]!));
  const last = runs[runs.length - 1]!.used;
  return {
    bench: name,
    method,
    hardware: hardware(),
    tasks,
    ...(taskBytes === undefined ? {} : { taskBytes }),
    ...sizes,
    store,
    storeSettings: STORE_SETTINGS[store],
    tls,
    perSecond: runs.map((run) => run.perSecond),
    tasksPerSecond: spread(runs.map(({ perSecond }) => perSecond)),
    latencyMillis:
      latencies.length > 0
        ? { of: 'task', ...latency(latencies) }
        : { of: 'run', ...latency(runs.map(({ millis }) => millis)) },
    limit,
    limitTasksPerSecond: spread(runs.map((run) => run.limit)).median,
    shareOfLimit: spread(runs.map((run) => run.perSecond / run.limit)),
    queenCpuMicrosPerTask: perTask(total((used) => used.queenMillis)),
    clientCpuMicrosPerTask: perTask(total((used) => used.clientMillis)),
    dronesCpuMicrosPerTask: perTask(drones.reduce((sum, millis) => sum + millis, 0)),
    cpuSeconds: {
      queen: total((used) => used.queenMillis) / 1000,
      client: total((used) => used.clientMillis) / 1000,
      drones: drones.map((millis) => millis / 1000),
    },
    queenPeakBytes: last.queenPeakBytes,
    dronesPeakBytes: last.dronesPeakBytes,
    clientPeakBytes: process.resourceUsage().maxRSS * 1024,
  };
}
