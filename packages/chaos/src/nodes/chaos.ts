/**
 * A run with nodes: three of them on this machine, found by each other through relays only, while HTTP requests give work to
 * all of them. Nodes are killed, frozen and cut off as the seed has it; then there is peace, and everything that was
 * acknowledged is looked at. Its parts: `fleet` and `relay` (what goes wrong), `orders` and `load` (what is given),
 * `verify` (whether it was kept).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Log } from '../log.ts';
import { Random } from '../random.ts';
import { verifyGone } from '../verify.ts';
import { Api } from './api.ts';
import { Fleet, type FleetNode, type NodeFaults, noFaults } from './fleet.ts';
import { Load, type LoadCounts } from './load.ts';
import { verifyJobs, verifyLists, verifyStores, verifyTogether } from './verify.ts';

export interface NodesChaosOptions {
  readonly seed: number;
  /** Time with faults; what comes after it takes as long as it needs, within bounds. */
  readonly minutes: number;
  /** Default 3. */
  readonly nodes?: number;
  readonly onProgress?: (line: string) => void;
}
export interface NodesChaosReport {
  readonly seed: number;
  /** What was wrong; empty if everything held. */
  readonly problems: readonly string[];
  /** Data of the nodes and the log `chaos.log`; null when all was well and it was removed. */
  readonly kept: string | null;
  readonly faults: Readonly<NodeFaults>;
  readonly jobsAcknowledged: number;
  readonly results: number;
  readonly counts: Readonly<LoadCounts>;
  readonly seconds: number;
}

const NODES = 3;
const EVERY_MILLIS = 1_200;
const DOWN_MILLIS_MAX = 3_000;
/** Long enough to be given up for lost (2.5 s with this heartbeat) now and then. */
const AWAY_MILLIS_MAX = 4_000;
const PROGRESS_MILLIS = 10_000;

type Fault = (fleet: Fleet, node: FleetNode, random: Random) => void;
const kill: Fault = (fleet, node, random) => fleet.kill(node, shortOrLong(random, DOWN_MILLIS_MAX));
const freeze: Fault = (fleet, node, random) =>
  fleet.freeze(node, shortOrLong(random, AWAY_MILLIS_MAX), random.pick(['node', 'node', 'drone', 'both']));
const cutOff: Fault = (fleet, node, random) =>
  fleet.cutOff(node, shortOrLong(random, AWAY_MILLIS_MAX), random.pick(['silent', 'closed']));
const killDrone: Fault = (fleet, node) => fleet.killDrone(node);
/** Each once in the beginning, in any order; then as often as they stand here. */
const FAULTS: readonly Fault[] = [kill, freeze, cutOff, killDrone, kill, cutOff];
const KINDS = 3;

interface Run {
  readonly options: NodesChaosOptions;
  readonly random: Random;
  readonly folder: string;
  readonly log: Log;
}
type Outcome = Pick<NodesChaosReport, 'faults' | 'jobsAcknowledged' | 'results' | 'counts'>;

export async function runNodesChaos(options: NodesChaosOptions): Promise<NodesChaosReport> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'hive-chaos-nodes-'));
  const log = new Log(join(folder, 'chaos.log'));
  const run: Run = { options, random: new Random(options.seed), folder, log };
  log.say(`seed ${options.seed}, ${options.minutes} minutes`);
  const counts = { repeated: 0, looks: 0, remembered: 0, unknownElsewhere: 0 };
  let outcome: Outcome = { faults: noFaults(), jobsAcknowledged: 0, results: 0, counts };
  try {
    outcome = await withFleet(run);
  } catch (error) {
    log.problem(`the run broke off: ${(error as Error).stack}`);
  }
  const isKept = log.problems.length > 0;
  if (!isKept) rmSync(folder, { recursive: true, force: true });
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seed: options.seed, problems: log.problems, kept: isKept ? folder : null, seconds, ...outcome };
}

async function withFleet({ options, random, folder, log }: Run): Promise<Outcome> {
  const api = new Api();
  const fleet = await Fleet.start(folder, options.nodes ?? NODES, log);
  const { nodes, faults } = fleet;
  let load: Load | null = null;
  let results = 0;
  try {
    await verifyTogether(nodes, api, log);
    load = new Load(nodes, api, random.fork(), log);
    const { acknowledged } = load;
    const reporting = setInterval(
      () => options.onProgress?.(`${acknowledged.length} jobs acknowledged; ${describe(faults)}`),
      PROGRESS_MILLIS,
    );
    await inflict(fleet, random.fork(), options.minutes * 60_000).finally(() => clearInterval(reporting));
    log.say('faults stop');
    await fleet.heal();
    await load.stop();
    await verifyTogether(nodes, api, log);
    results = await verifyJobs(nodes, acknowledged, api, random.fork(), log);
    await verifyLists(nodes, acknowledged, api, log);
  } finally {
    await load?.stop();
    await fleet.heal();
    await fleet.stop();
    api.close();
    verifyGone(fleet.pids, log);
  }
  verifyStores(nodes, load.acknowledged, log);
  return { faults, jobsAcknowledged: load.acknowledged.length, results, counts: load.counts };
}

async function inflict(fleet: Fleet, random: Random, millis: number): Promise<void> {
  const end = performance.now() + millis;
  const first = shuffled(FAULTS.slice(0, KINDS), random);
  while (true) {
    const pause = random.exponential(EVERY_MILLIS);
    const left = end - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, Math.max(0, left))));
    if (pause >= left && first.length === 0) return;
    const free = fleet.nodes.filter(({ isSuffering }) => !isSuffering);
    const fault = first.pop() ?? random.pick(FAULTS);
    const node = random.pick(free.length === 0 ? fleet.nodes : free);
    fault(fleet, node, random.fork());
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((one) => ({ one, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}

/** Half of them are over at once, when whoever notices is just about to act. */
const shortOrLong = (random: Random, millisMax: number): number =>
  random.chance(0.5) ? random.between(0, 300) : random.between(300, millisMax);

const describe = ({ killed, dronesKilled, frozen, cutOff: cut }: NodeFaults): string =>
  `${killed} nodes and ${dronesKilled} Drones killed, ${frozen} frozen, ${cut} cut off`;

export function printNodesReport(report: NodesChaosReport): string {
  const { seed, seconds, faults, jobsAcknowledged, results, counts, problems, kept } = report;
  const { repeated, looks, remembered, unknownElsewhere } = counts;
  const lines = [
    `chaos with nodes: seed ${seed}, ${seconds.toFixed(0)} s`,
    `  faults   ${describe(faults)}`,
    `  jobs     ${jobsAcknowledged} acknowledged over HTTP, ${repeated} orders given again, ${results} results looked at`,
    `  looks    ${looks} while nodes suffered: ${remembered} at jobs of nodes that were away, ${unknownElsewhere} of them not known there`,
  ];
  if (kept === null) return [...lines, '  everything that was promised was kept'].join('\n');
  lines.push(`  ${problems.length} PROBLEMS; data and log are kept in ${kept}`);
  return [...lines, ...problems.slice(0, 30).map((problem) => `    ${problem}`)].join('\n');
}
