/**
 * One benchmark: warm up, then at least five runs, each beside the limit measured right before it, because machines are
 * shared and noisy and only a ratio within one run means anything.
 */
import type { Cluster, Used } from './cluster.ts';
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
  readonly store: string;
  readonly tls: boolean;
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

export interface Sizes {
  readonly drones: number;
  readonly slots: number;
  readonly runs: number;
}

const WARM_UPS = 2;

export async function runBench(
  bench: Bench,
  cluster: Cluster,
  sizes: Sizes,
  onRun: (line: string) => void,
): Promise<Report> {
  for (let i = 0; i < WARM_UPS; i++) await bench.run(cluster);
  await bench.measureLimit();
  const runs: Run[] = [];
  const taskLatencies: number[] = [];
  for (let i = 0; i < sizes.runs; i++) {
    const limit = await bench.measureLimit();
    let latencies: readonly number[] | null = null;
    const { millis, used } = await cluster.measure(async () => {
      latencies = await bench.run(cluster);
    });
    for (const each of latencies ?? []) taskLatencies.push(each);
    const perSecond = (bench.tasks / millis) * 1000;
    runs.push({ perSecond, millis, limit, used });
    onRun(
      `run ${i + 1}: ${Math.round(perSecond).toLocaleString('en')} tasks/s, limit ${Math.round(limit).toLocaleString('en')}`,
    );
  }
  const { store } = await cluster.hive.status();
  return report(bench, sizes, runs, taskLatencies, store);
}

function report(
  bench: Bench,
  sizes: Sizes,
  runs: readonly Run[],
  latencies: readonly number[],
  store: string,
): Report {
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
    tls: false,
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
