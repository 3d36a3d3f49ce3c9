/**
 * One run: a real cluster with a durable store under a mixed load, faults from a seed, then peace, and the question
 * whether everything that was promised was kept. Its parts: `plan` and `work` (what is submitted, what is right),
 * `load` (who does it), `faults` and `cluster` (what goes wrong), `ledger` (what was promised), `verify` (whether it held).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Hive } from '@hive/client';
import { Cluster } from './cluster.ts';
import { inflictFaults } from './faults.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Log } from './log.ts';
import { Random } from './random.ts';
import { type Faults, type QueenCounts, Tally } from './tally.ts';
import {
  cancelLeftOvers,
  eventually,
  verifyGone,
  verifyQuiet,
  verifyResults,
  verifyTables,
} from './verify.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Time with faults; what comes after it takes as long as it needs. */
  readonly minutes: number;
  /** Default 3. */
  readonly drones?: number;
  /** Default 4. */
  readonly clients?: number;
  /** What is going on, now and then. */
  readonly onProgress?: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  /** What was wrong; empty if everything held. */
  readonly problems: readonly string[];
  /** Data of the Queen and the log `chaos.log`; null when all was well and it was removed. */
  readonly kept: string | null;
  readonly faults: Readonly<Faults>;
  readonly jobs: number;
  /** Detached jobs that were acknowledged, all of them whole in the end. */
  readonly jobsAcknowledged: number;
  readonly jobsCancelled: number;
  readonly jobsTakenUp: number;
  /** Results looked at, by all readers. */
  readonly results: number;
  /** Tasks that all Queens together said they had recorded. */
  readonly tasksRecorded: number;
  readonly queens: QueenCounts;
  readonly seconds: number;
}

const SLOTS = 2;
const DRONES = 3;
const CLIENTS = 4;
const FINISH_MILLIS_MAX = 120_000;
const WATCH_MILLIS = 250;
const PROGRESS_MILLIS = 10_000;
/** The durable store forgets finished jobs beyond a number; the newest are looked at again. */
const VERIFIED_JOBS_MAX = 2_000;

interface Run {
  readonly options: ChaosOptions;
  readonly data: string;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly tally: Tally;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const startedAt = performance.now();
  const data = mkdtempSync(join(tmpdir(), 'hive-chaos-'));
  const log = new Log(join(data, 'chaos.log'));
  const run: Run = { options, data, log, ledger: new Ledger(), tally: new Tally() };
  log.say(`seed ${options.seed}, ${options.minutes} minutes`);
  try {
    await inCluster(run);
    verifyTables(data, run.ledger, log, VERIFIED_JOBS_MAX);
  } catch (error) {
    log.problem(`the run broke off: ${(error as Error).stack}`);
  }
  const isKept = log.problems.length > 0;
  if (!isKept) rmSync(data, { recursive: true, force: true });
  const { tally, ledger } = run;
  return {
    seed: options.seed,
    problems: log.problems,
    kept: isKept ? data : null,
    faults: tally.faults,
    jobs: tally.jobs,
    jobsAcknowledged: ledger.acknowledged.length,
    jobsCancelled: tally.jobsCancelled,
    jobsTakenUp: tally.jobsTakenUp,
    results: tally.results,
    tasksRecorded: tally.tasksRecorded,
    queens: tally.ofQueens,
    seconds: (performance.now() - startedAt) / 1_000,
  };
}

async function inCluster(run: Run): Promise<void> {
  const { options, data, log, tally } = run;
  const cluster = await Cluster.start(
    { data, drones: options.drones ?? DRONES, slots: SLOTS },
    log,
    tally.faults,
  );
  try {
    await using observer = await connect({ ...cluster.access, name: 'chaos' });
    await underLoad(run, cluster, observer);
  } finally {
    await cluster.heal();
    await cluster.stop();
    verifyGone(cluster.pids, log);
  }
}

async function underLoad(run: Run, cluster: Cluster, observer: Hive): Promise<void> {
  const { options, ledger, log, tally } = run;
  const random = new Random(options.seed);
  const { clients = CLIENTS } = options;
  const load = new Load({ access: cluster.access, clients, slots: SLOTS }, observer, {
    ledger,
    tally,
    log,
    random: random.fork(),
  });
  const watching = watch(observer, run);
  const reporting = setInterval(() => options.onProgress?.(progressOf(run)), PROGRESS_MILLIS);
  try {
    await inflictFaults(cluster, load, random.fork(), options.minutes * 60_000);
    log.say('faults stop');
    load.heal();
    await cluster.heal();
    await finish(run, cluster, load, observer);
    await load.stop();
    tally.note(await verifyQuiet(observer, cluster, log));
  } finally {
    clearInterval(reporting);
    load.abandon();
    await watching.return?.();
    verifyGone(load.pids, log);
  }
}

/** Half of what killed clients have left is taken up again, the rest is ended; then all that was promised is read. */
async function finish({ ledger, log, tally }: Run, _: Cluster, load: Load, observer: Hive): Promise<void> {
  ledger.takeable.forEach((entry, i) => {
    if (i % 2 === 0) load.takeUp(entry);
  });
  const isFinished = await eventually(() => load.unfinished.length === 0, FINISH_MILLIS_MAX);
  if (!isFinished) {
    log.problem(`after ${FINISH_MILLIS_MAX} ms there is unfinished: ${load.unfinished.join('; ')}`);
    for (const { plan } of ledger.select((entry) => !entry.isDone))
      log.say(`${plan.id}: ${(await observer.explain(plan.id).catch(String)).toString()}`);
    return;
  }
  await cancelLeftOvers(observer, ledger, log);
  await verifyResults(observer, ledger, tally, log, VERIFIED_JOBS_MAX);
}

/** Notes what each Queen counts for as long as she is there. */
function watch(observer: Hive, { tally }: Run): AsyncIterator<unknown> {
  const overviews = observer.watch(WATCH_MILLIS);
  void (async () => {
    for await (const { status } of overviews) tally.note(status);
  })().catch(() => {});
  return overviews;
}

function progressOf({ tally, ledger, log }: Run): string {
  const { queensKilled, dronesKilled, clientsKilled } = tally.faults;
  return `${tally.jobs} jobs, ${ledger.acknowledged.length} acknowledged, ${tally.results} results; killed: Queen ${queensKilled}, Drones ${dronesKilled}, clients ${clientsKilled}; ${log.problems.length} problems`;
}
