/** A report for people. */
import type { ChaosReport } from './chaos.ts';

const PROBLEMS_SHOWN = 30;

export function printReport(report: ChaosReport): string {
  const { faults, queens, problems, kept } = report;
  const killed = faults.queensKilled + faults.dronesKilled + faults.clientsKilled;
  const frozen = faults.queensFrozen + faults.dronesFrozen + faults.clientsFrozen;
  const lines = [
    `chaos: seed ${report.seed}, ${report.seconds.toFixed(0)} s`,
    `  killed          ${killed}: Queen ${faults.queensKilled}, Drones ${faults.dronesKilled}, clients ${faults.clientsKilled} (SIGKILL)`,
    `  frozen          ${frozen}: Queen ${faults.queensFrozen}, Drones ${faults.dronesFrozen}, clients ${faults.clientsFrozen} (SIGSTOP)`,
    `  jobs            ${count(report.jobs)}; ${count(report.jobsAcknowledged)} detached ones acknowledged, ${count(report.jobsCancelled)} cancelled, ${count(report.jobsTakenUp)} taken up after their client was killed`,
    `  tasks           ${count(report.tasksRecorded)} recorded, ${count(report.results)} results looked at`,
    `  Queens          ${count(queens.leases)} leases, ${count(queens.tasksReturned)} tasks returned, ${count(queens.tasksRetracted)} retracted, ${count(queens.duplicateResults)} duplicate results and ${count(queens.staleReports)} stale reports dropped`,
  ];
  if (kept === null) return [...lines, '  everything that was promised was kept'].join('\n');
  lines.push(`  ${problems.length} PROBLEMS; data and log are kept in ${kept}`);
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) lines.push(`    ${problem}`);
  return lines.join('\n');
}

const count = (n: number): string => n.toLocaleString('en');
