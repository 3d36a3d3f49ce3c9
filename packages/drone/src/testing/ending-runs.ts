/**
 * For tests of sandboxes: ends a run from outside, as its Drone does in several places (`slots/group-ender.ts` asks and kills
 * the process group, the slot's thread clears up), in one call.
 */
import { rm } from 'node:fs/promises';
import { killMembers, members } from '../sandbox/cgroups.ts';
import type { RunHandle } from '../sandbox/plan.ts';
import { askInside, closeRunNow } from '../sandbox/run.ts';

/**
 * Asks all of a run to end (SIGTERM), or ends it (SIGKILL), daemons included where its level holds them. `pid` is the
 * process that was started, and leader of its process group.
 */
export function endRun(handle: RunHandle, pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  const { level, cgroups } = handle;
  if (signal === 'SIGKILL') {
    send(-pid, signal);
    if (cgroups !== null) killMembers(cgroups);
  } else if (level === 'docker') send(pid, signal);
  else if (level === 'bwrap') askInside(pid);
  else {
    send(-pid, signal);
    if (cgroups !== null) for (const member of members(cgroups)) if (member !== pid) send(member, signal);
  }
}

/** After the process has ended: its cgroups, container and scratch folder are removed. */
export async function closeRun(handle: RunHandle): Promise<void> {
  closeRunNow(handle, false);
  await rm(handle.scratch, { recursive: true, force: true });
}

function send(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone.
  }
}
