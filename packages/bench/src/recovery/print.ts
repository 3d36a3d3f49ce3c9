/** The report of `hive bench recovery` for people. */
import { bytes, count } from '../print.ts';
import { spread } from '../stats.ts';
import type { RecoveryReport } from './command.ts';
import type { LossReport } from './drone-loss.ts';
import type { MemoryReport } from './memory.ts';
import type { RestartReport } from './restart.ts';

export function printRecovery(report: RecoveryReport): string {
  const { hardware, restart, memory, killed, frozen, survivors } = report;
  const lines = [
    'recovery: processes are killed (SIGKILL) or frozen (SIGSTOP); how long until things go on, and what is left',
    `  hardware        ${hardware.cpu}, ${hardware.cores} cores, ${bytes(hardware.memoryBytes)}, Node ${hardware.node}, ${hardware.platform}`,
    `  store           ${report.store}, ${report.storeSettings}; TLS on`,
  ];
  if (restart !== undefined) lines.push(...restartLines(restart));
  if (memory !== undefined) lines.push(...memoryLines(memory));
  if (killed !== undefined) lines.push(lossLine('Drone killed', killed));
  if (frozen !== undefined) lines.push(lossLine('Drone frozen', frozen));
  if (survivors !== undefined) {
    lines.push(
      `  Queen killed    ${survivors.survivors.toLocaleString('en')} of ${survivors.submissions.toLocaleString('en')} submissions that were acknowledged (in ${survivors.submitSeconds.toFixed(1)} s) survived`,
    );
  }
  return lines.join('\n');
}

function restartLines(report: RestartReport): string[] {
  const { tasks, jobs, historyJobs, historyBytes, storeBytes, restarts, submitSeconds } = report;
  return [
    `  restart         ${count(tasks)} tasks queued in ${count(jobs)} jobs (submitted in ${submitSeconds.toFixed(1)} s), ${bytes(historyBytes)} of results of ${historyJobs} jobs; ${bytes(storeBytes)} on disk, cached by the system`,
    `    status        answered after ${millis(restarts.map((each) => each.statusMillis))} from the start of the process`,
    `    first task    handed out after ${millis(restarts.map((each) => each.taskMillis))}`,
    `    peak memory   Queen ${bytes(Math.max(...restarts.map((each) => each.peakBytes)))}`,
  ];
}

function memoryLines(report: MemoryReport): string[] {
  const { tasks, jobs, failed, submitSeconds, residentBytes, peakBytes } = report;
  return [
    `  memory          ${count(tasks)} tasks queued in ${count(jobs)} jobs (submitted in ${submitSeconds.toFixed(1)} s), ${count(failed)} of them failed once`,
    `    Queen         ${bytes(residentBytes)} resident, ${bytes(peakBytes)} at most`,
    `    restarted     ${bytes(report.restartedBytes)} resident, ${bytes(report.restartedPeakBytes)} at most; ready after ${report.restartMillis.toFixed(0)} ms`,
  ];
}

function lossLine(what: string, { millis: each }: LossReport): string {
  return `  ${what.padEnd(15)} its task was started elsewhere after ${millis(each)}`;
}

function millis(values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return `${median.toFixed(0)} ms, median of ${values.length} (${min.toFixed(0)} to ${max.toFixed(0)})`;
}
