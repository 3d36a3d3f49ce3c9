/**
 * What must hold once the faults have stopped: everything that was promised is whole and right, nothing is left over on
 * the Queen, and her tables say that each task was recorded once.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Hive, type JobInfo, type QueenStatus, UsageError } from '@hive/client';
import Database from 'better-sqlite3';
import { Check } from './check.ts';
import type { Cluster } from './cluster.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Log } from './log.ts';
import type { Plan } from './plan.ts';
import { readAll } from './reading.ts';
import type { Tally } from './tally.ts';
import { isPartial } from './work.ts';

const QUIET_MILLIS_MAX = 90_000;
const POLL_MILLIS = 100;
/** A job that a client was killed over is given up by the Queen after a minute; nobody waits for it here. */
const LEFT_OVER = 'left over by chaos';

/** Calls `isTrue` until it holds. False if it does not within `millisMax`. */
export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  millisMax: number,
): Promise<boolean> {
  const end = performance.now() + millisMax;
  while (!(await isTrue())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
  return true;
}

/** Reads every acknowledged job once more, by a client that was never touched. */
export async function verifyResults(
  hive: Hive,
  ledger: Ledger,
  tally: Tally,
  log: Log,
  jobsMax: number,
): Promise<void> {
  for (const entry of ledger.acknowledged.slice(-jobsMax)) {
    const check = new Check(entry.plan);
    try {
      check.end(await readAll(await hive.open(entry.plan.id), entry.plan, true, check), true);
    } catch (error) {
      check.problem(String((error as Error).stack));
    }
    tally.results += check.seen;
    for (const problem of check.problems) log.problem(`${entry.plan.work} job ${entry.plan.id}: ${problem}`);
  }
}

/** Ends what belongs to clients that were killed. A job that was promised must be known. */
export async function cancelLeftOvers(hive: Hive, ledger: Ledger, log: Log): Promise<void> {
  for (const { plan, isPromised } of ledger.orphans) {
    if (isPromised && !plan.isAttached) continue;
    try {
      await hive.cancel(plan.id, LEFT_OVER);
    } catch (error) {
      const isUnknown = error instanceof UsageError && error.code === 'unknownJob';
      if (!isUnknown || isPromised) log.problem(`job ${plan.id}: ${(error as Error).message}`);
    }
  }
  // Calls are kept in hidden jobs whose ids only their clients knew.
  for (const job of await hive.jobs({ hidden: true, limit: 1_000 })) {
    if (isActive(job) && !ledger.entries.has(job.id)) await hive.cancel(job.id, LEFT_OVER);
  }
}

/** Waits until nothing runs, waits or is leased, and every slot is on offer. */
export async function verifyQuiet(hive: Hive, cluster: Cluster, log: Log): Promise<QueenStatus> {
  let busy: readonly string[] = [];
  const isQuiet = await eventually(async () => {
    busy = await whatIsLeft(hive, cluster);
    return busy.length === 0;
  }, QUIET_MILLIS_MAX);
  if (!isQuiet) log.problem(`after ${QUIET_MILLIS_MAX} ms there is left: ${busy.join('; ')}`);
  return hive.status();
}

async function whatIsLeft(hive: Hive, cluster: Cluster): Promise<string[]> {
  const [status, drones, jobs] = await Promise.all([
    hive.status(),
    hive.drones(),
    hive.jobs({ hidden: true, limit: 1_000 }),
  ]);
  const left: string[] = [];
  const { tasksRunning, tasksReady, busySlots } = status;
  if (tasksRunning + tasksReady + busySlots > 0)
    left.push(`${tasksRunning} tasks running, ${tasksReady} ready, ${busySlots} slots busy`);
  for (const job of jobs.filter(isActive)) left.push(`job ${job.id} (${job.name}) is ${job.state}`);
  if (drones.length !== cluster.drones) left.push(`${drones.length} Drones, not ${cluster.drones}`);
  for (const { name, leases, freeSlots } of drones) {
    if (leases !== 0 || freeSlots !== cluster.slots)
      left.push(
        `${name} has ${String(leases)} leases, and ${String(freeSlots)} of ${cluster.slots} slots free`,
      );
  }
  if (status.clients !== 1) left.push(`${status.clients} clients, not 1`);
  return left;
}

const isActive = ({ state }: JobInfo): boolean => state === 'waiting' || state === 'running';

interface PageRow {
  readonly first: number;
  readonly count: number;
}

/** Looks into the file, past all of our code: every task of an acknowledged job has one outcome, and one only. */
export function verifyTables(data: string, ledger: Ledger, log: Log, jobsMax: number): void {
  const database = new Database(join(data, 'hive.db'), { readonly: true });
  try {
    const health = database.pragma('integrity_check', { simple: true });
    if (health !== 'ok') log.problem(`the database is damaged: ${String(health)}`);
    const number = database.prepare('SELECT number FROM jobs WHERE id = ?').pluck();
    const pages = database.prepare('SELECT first, count FROM result_pages WHERE job = ? ORDER BY first');
    for (const entry of ledger.acknowledged.slice(-jobsMax)) {
      const job = number.get(entry.plan.id);
      const problem =
        job === undefined ? 'it is not in the tables' : coverProblem(pages.all(job) as PageRow[], entry);
      if (problem !== null) log.problem(`${entry.plan.work} job ${entry.plan.id}: ${problem}`);
    }
    for (const { plan } of ledger.entries.values()) verifyOrder(database, plan, log);
  } finally {
    database.close();
  }
}

/** Nothing of a job was done before those that come first had ended. */
function verifyOrder(database: Database.Database, plan: Plan, log: Log): void {
  if (plan.options.after === undefined) return;
  const began = database
    .prepare(
      'SELECT min(recorded_at) FROM result_pages JOIN jobs ON job = number WHERE id = ? AND drone IS NOT NULL',
    )
    .pluck()
    .get(plan.id) as string | null;
  const ended = database.prepare('SELECT ended_at FROM jobs WHERE id = ?').pluck();
  for (const first of plan.options.after) {
    const at = ended.get(first.replace(':end', '')) as string | null | undefined;
    // Times are RFC 3339 in one time zone, which sort as texts.
    if (began !== null && (at == null || began < at))
      log.problem(`${plan.work} job ${plan.id} began at ${began}, and ${first} ended at ${at ?? 'no time'}`);
  }
}

function coverProblem(pages: readonly PageRow[], { plan }: Entry): string | null {
  let end = 0;
  for (const { first, count } of pages) {
    if (first < end) return `task ${first} was recorded twice`;
    if (first > end && !isPartial(plan)) return `task ${end} was not recorded`;
    end = first + count;
  }
  if (end < plan.count && !isPartial(plan)) return `task ${end} was not recorded`;
  return end > plan.count ? `task ${end - 1} was recorded, which does not exist` : null;
}

/** No process of the run may outlive it. */
export function verifyGone(pids: readonly number[], log: Log): void {
  for (const pid of pids) if (isThere(pid)) log.problem(`process ${pid} is still there`);
}

/** Whether a process exists and has not ended: an orphan that has may wait for long until init notices. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return (
      process.platform !== 'linux' || !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    );
  } catch {
    return false;
  }
}
