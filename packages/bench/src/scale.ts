/** The same array at growing sizes: what a task costs must not depend on how many there are. */
import type { Cluster } from './cluster.ts';
import { echoBench } from './echo.ts';
import { bytes, count } from './print.ts';

export interface ScaleRow {
  readonly tasks: number;
  readonly tasksPerSecond: number;
  readonly queenCpuMicrosPerTask: number;
  readonly totalCpuMicrosPerTask: number;
  readonly queenBytes: number;
  readonly queenPeakBytes: number;
}

/** From 10,000 tasks up to `most`, ten times as many each time; the median of `runs` runs. */
export async function measureScale(cluster: Cluster, most: number, runs: number): Promise<ScaleRow[]> {
  const rows: ScaleRow[] = [];
  await echoBench(1_000_000).run(cluster);
  for (let tasks = 10_000; tasks <= most; tasks *= 10) {
    const bench = echoBench(tasks);
    await bench.run(cluster);
    const found: ScaleRow[] = [];
    for (let i = 0; i < runs; i++) {
      const { millis, used } = await cluster.measure(async () => {
        await bench.run(cluster);
      });
      const drones = used.dronesMillis.reduce((sum, each) => sum + each, 0);
      found.push({
        tasks,
        tasksPerSecond: (tasks / millis) * 1000,
        queenCpuMicrosPerTask: (used.queenMillis * 1000) / tasks,
        totalCpuMicrosPerTask: ((used.queenMillis + drones + used.clientMillis) * 1000) / tasks,
        queenBytes: used.queenBytes,
        queenPeakBytes: used.queenPeakBytes,
      });
    }
    found.sort((a, b) => a.tasksPerSecond - b.tasksPerSecond);
    rows.push(found[Math.floor(found.length / 2)]!);
  }
  return rows;
}

export function printScale(rows: readonly ScaleRow[]): string {
  const lines = ['     tasks      tasks/s   Queen µs/task   all µs/task   Queen memory (peak)'];
  for (const row of rows) {
    lines.push(
      [
        count(row.tasks).padStart(10),
        count(row.tasksPerSecond).padStart(13),
        row.queenCpuMicrosPerTask.toFixed(3).padStart(16),
        row.totalCpuMicrosPerTask.toFixed(3).padStart(14),
        `   ${bytes(row.queenBytes)} (${bytes(row.queenPeakBytes)})`,
      ].join(''),
    );
  }
  return lines.join('\n');
}
