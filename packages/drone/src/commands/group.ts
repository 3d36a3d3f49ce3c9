/**
 * The end of a process group, seen from the thread that started it: its leader has ended, others may be left.
 *
 * What is left has a moment to end by itself (the other end of a pipe, say), then gets SIGTERM, and SIGKILL after
 * `LIMITS.killMillis`. A group's number is not given away while anybody is in it, so signals reach nobody else.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { LIMITS } from '@hive/shared';

/** Time in which what a command leaves behind may end by itself, in milliseconds. */
const GRACE_MILLIS = 200;
/** After SIGKILL, for a process that hangs in the kernel. */
const KILLED_MILLIS = 1_000;
const POLL_MILLIS_MAX = 20;

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread until nobody is left in the group. `isEnding`: it was sent SIGTERM already. */
export function endGroup(group: number, isEnding: boolean): void {
  if (!hasMember(group)) return;
  if (!isEnding) {
    if (isEmptyWithin(group, GRACE_MILLIS)) return;
    signalGroup(group, 'SIGTERM');
  }
  if (isEmptyWithin(group, LIMITS.killMillis)) return;
  signalGroup(group, 'SIGKILL');
  isEmptyWithin(group, KILLED_MILLIS);
}

/** False when nobody is in the group. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    // Somebody is there who has changed his user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const hasMember = (group: number): boolean => signalGroup(group, 0);

function isEmptyWithin(group: number, millis: number): boolean {
  const until = performance.now() + millis;
  for (let pause = 1; performance.now() < until; pause = Math.min(pause * 2, POLL_MILLIS_MAX)) {
    // Looking through all processes costs more than asking for one group, so the first looks are of the other sort.
    if (!hasMember(group) || (pause >= POLL_MILLIS_MAX && isAllZombies(group))) return true;
    Atomics.wait(nobody, 0, 0, pause);
  }
  return !hasMember(group);
}

/** Orphans that have ended stay in their group until init collects them: for ever in a container that has none. */
function isAllZombies(group: number): boolean {
  try {
    for (const entry of readdirSync('/proc')) {
      if (entry >= ':' || !/^\d+$/.test(entry)) continue;
      const found = stateIn(group, entry);
      if (found !== null && found !== 'Z' && found !== 'X') return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** State of a process if it is in the group: the letter after its name in parentheses; then its parent and its group. */
function stateIn(group: number, pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(pgrp) === group ? state! : null;
  } catch {
    return null;
  }
}
