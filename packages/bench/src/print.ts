/** A report for people: method, hardware, figures with their spread, and the limit beside them. */
import type { Report } from './runs.ts';
import type { Spread } from './stats.ts';

export function printReport(report: Report): string {
  const { tasksPerSecond, hardware, latencyMillis, shareOfLimit } = report;
  const lines = [
    `${report.bench}: ${report.method}`,
    `  hardware        ${hardware.cpu}, ${hardware.cores} cores, ${bytes(hardware.memoryBytes)}, Node ${hardware.node}, ${hardware.platform}`,
    `  cluster         Queen (${report.store} store, ${report.storeSettings}, TLS ${report.tls ? 'on' : 'off'}), ${report.drones} Drones with ${report.slots} slot(s) each, client; all processes on this machine`,
    `  runs            ${report.runs} of ${count(report.tasks)} tasks, after warming up; every result checked`,
    `  tasks/s         ${count(tasksPerSecond.median)} median (${count(tasksPerSecond.min)} to ${count(tasksPerSecond.max)})`,
  ];
  if (report.taskBytes !== undefined) {
    const rate = (tasksPerSecond.median * report.taskBytes) / 1024 ** 2;
    lines.push(`  MiB/s           ${rate.toFixed(0)}`);
  }
  lines.push(
    `  limit           ${count(report.limitTasksPerSecond)} tasks/s: ${report.limit}`,
    `  share of limit  ${percent(shareOfLimit.median)} median (${percent(shareOfLimit.min)} to ${percent(shareOfLimit.max)}), each run against the limit measured just before it`,
    `  time of one ${latencyMillis.of.padEnd(4)} p50 ${millis(latencyMillis.p50)}, min ${millis(latencyMillis.min)}, p99 ${millis(latencyMillis.p99)}`,
    `  CPU per task    Queen ${micros(report.queenCpuMicrosPerTask)}, client ${micros(report.clientCpuMicrosPerTask)}, Drones ${micros(report.dronesCpuMicrosPerTask)}`,
    `  CPU seconds     Queen ${report.cpuSeconds.queen.toFixed(2)}, client ${report.cpuSeconds.client.toFixed(2)}, Drones ${report.cpuSeconds.drones.map((s) => s.toFixed(2)).join(' + ')}`,
    `  peak memory     Queen ${bytes(report.queenPeakBytes)}, client ${bytes(report.clientPeakBytes)}, Drones ${report.dronesPeakBytes.map(bytes).join(' + ')}`,
  );
  return lines.join('\n');
}

/** What the two clusters differ in, and how much of the first one's speed the second has. */
export function printRatio([first, second]: readonly [Report, Report], { median, min, max }: Spread): string {
  const [slower, faster] =
    first.tls === second.tls ? [second.store, `${first.store}'s speed`] : ['TLS', 'the speed without'];
  return `${first.bench}: ${slower} has ${percent(median)} of ${faster}, median (${percent(min)} to ${percent(max)}), run by run`;
}

export const count = (n: number): string => (n < 100 ? n.toFixed(1) : Math.round(n).toLocaleString('en'));
export const bytes = (n: number): string =>
  n >= 1024 ** 3 ? `${(n / 1024 ** 3).toFixed(1)} GiB` : `${(n / 1024 ** 2).toFixed(0)} MiB`;
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
export const millis = (n: number): string => `${n.toFixed(n < 10 ? 3 : 0)} ms`;
const micros = (n: number): string => `${n.toFixed(n < 10 ? 3 : 1)} µs`;
