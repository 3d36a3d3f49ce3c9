/** What `show` tells of the scheduler's state in a scenario. */
import type { Job, State } from '@hive/queen';

export function show(state: State, nameOf: (job: string) => string): string[] {
  const lines: string[] = [];
  for (const { drone, name } of state.sessions.values()) {
    if (drone === null) continue;
    const leases = [...drone.leases.values()].map(
      (lease) =>
        `${lease.number}:${nameOf(lease.job.id)}[${lease.ranges.join(',')}] ${lease.state} ${lease.done}/${lease.end}`,
    );
    lines.push(`  drone ${name}: ${drone.credit} of ${drone.slots} slots free${listed(leases)}`);
  }
  for (const job of state.jobs.values()) lines.push(`  job ${nameOf(job.id)}: ${jobText(job)}`);
  if (state.lost.size > 0) lines.push(`  lost leases: ${[...state.lost.keys()].join(' ')}`);
  if (lines.length === 0) lines.push('  nothing');
  return lines;
}

function jobText(job: Job): string {
  const { appended, succeeded, failed, cancelled, running } = job.counts;
  const parts = [`${job.state}, ${succeeded} of ${appended} succeeded`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (cancelled > 0) parts.push(`${cancelled} cancelled`);
  parts.push(`${running} leased`);
  if (job.returned.size > 0) parts.push(`${job.returned.size} returned`);
  if (job.held.size > 0) parts.push(`${job.held.size} held for lost Drones`);
  if (job.nextFresh < job.appended) parts.push(`fresh from ${job.nextFresh}`);
  if (job.isHeldBack) parts.push(`held back by ${job.unreadBytes} unread bytes`);
  if (job.message !== null) parts.push(job.message);
  return parts.join(', ');
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? '' : `; ${items.join('; ')}`;
}
