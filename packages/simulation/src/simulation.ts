/**
 * One simulation from one seed, in two phases: faults, then heal. The second ends when nothing is left to do, which must
 * be soon; then nothing may be left over. Whatever breaks a promise throws, with the seed, the time and the last lines.
 */

import type { StoreRecord } from '@hive/queen';
import { LIMITS, type Millis } from '@hive/shared';
import { leftovers } from './audit/rest.ts';
import { Auditor } from './auditor.ts';
import { SimClient } from './client.ts';
import type { JobOrder } from './client-job.ts';
import { type DroneOptions, SimDrone } from './drone.ts';
import { extrasOf, withExtras } from './extras.ts';
import { Faults } from './faults.ts';
import { drawDrone, drawFollower, drawJob } from './generate.ts';
import { foldLimits, narrowLimits, withLimits } from './knobs.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import type { JobPlan } from './plan.ts';
import { PowerCuts } from './power-cuts.ts';
import { SimQueen } from './queen.ts';
import { Random } from './random.ts';
import { type Disk, SlowStore } from './slow-store.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';
import type { World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Drawn from the seed if absent. */
  readonly drones?: number;
  readonly clients?: number;
  /** Length of the first phase, in virtual seconds. */
  readonly seconds?: number;
  /** Gets every line of the trace. */
  readonly onTrace?: (line: string) => void;
  /** Whether there is a trace, and a hash of it. Default: true. */
  readonly isTraced?: boolean;
  /** Steps between two looks at the whole state. Default: 1. */
  readonly stateEvery?: number;
}
export interface SimulationResult {
  readonly seed: number;
  /** Of the whole trace. */
  readonly hash: string;
  readonly virtualMillis: Millis;
  /** Events of the simulation, and steps of the scheduler among them. */
  readonly events: number;
  readonly steps: number;
  readonly recorded: number;
  readonly jobs: number;
}

const TRACE_LINES = 120;
/** After the faults everything ends within this time, even a thousand failing tasks that a slow reader lets run one by one. */
const HEAL_MILLIS_MAX = 1_800_000;
/** Turns a seed into that of another source. */
const FOLD_SOURCE = 0x2c1b3c6d;
/** The longest stall and the longest silence that is waited for are over. */
const CALM_MILLIS = 40_000;
/** How often it is asked whether everything has ended; out of step with every heartbeat. */
const LOOK_MILLIS = 237.3;

/** @throws SimulationError */
export function simulate(options: SimulationOptions): SimulationResult {
  const random = new Random(options.seed);
  const knobs = {
    ...(random.chance(0.5) ? narrowLimits(random) : {}),
    ...foldLimits(new Random((options.seed ^ FOLD_SOURCE) >>> 0)),
  };
  return withLimits(knobs, () => new Simulation(options, random).run());
}

/** Says how to see it again. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
  readonly seed: number;
  constructor(seed: number, at: Millis, lines: readonly string[], cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed} at ${(at / 1000).toFixed(4)} s: ${text}\n${lines.join('\n')}`, { cause });
    this.seed = seed;
  }
}

class Simulation implements World {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly network: Network;
  readonly trace: Trace;
  readonly auditor: Auditor;
  readonly #options: SimulationOptions;
  readonly #plans = new Map<string, JobPlan>();
  readonly #disk: Disk;
  #queen: SimQueen;
  readonly #queenId: string;
  #openings = 1;
  readonly #drones: SimDrone[] = [];
  readonly #clients: SimClient[] = [];
  readonly #seconds: number;
  readonly #extras: Random | null;
  readonly #operator: Operator | null;
  readonly #powerCuts: PowerCuts | null;

  constructor(options: SimulationOptions, random: Random) {
    this.#options = options;
    this.random = random;
    this.trace = new Trace(this.time, {
      kept: TRACE_LINES,
      listener: options.onTrace,
      isWritten: options.isTraced,
    });
    this.auditor = new Auditor(this.planOf, options.stateEvery ?? 1);
    this.network = new Network(this.time, random.fork(), {
      latencyMillis: random.pick([0.05, 0.5, 5]),
      jitterMillis: random.pick([0, 0.3, 10]),
      chunkBytesMax: random.pick([64, 1_400, 65_536]),
      cutShare: random.pick([0, 0.3]),
      refusedShare: 0.02,
    });
    this.#disk = {
      commitMillis: random.pick([
        [0, 0],
        [0.1, 0.3],
        [5, 20],
      ] as const),
      failShare: 0,
    };
    this.#queenId = random.hex(32);
    this.#queen = this.#open([]);
    this.#seconds = options.seconds ?? random.pick([5, 20, 60]);
    this.#extras = extrasOf(options.seed);
    this.#populate();
    this.#operator = this.#newOperator();
    this.#powerCuts = this.#newPowerCuts();
  }

  readonly planOf = (job: string): JobPlan => {
    const plan = this.#plans.get(job);
    return plan ?? this.auditor.fail(`there is no plan for job ${job}`);
  };
  adopt(plan: JobPlan): void {
    this.#plans.set(plan.id, plan);
  }
  readonly nameOf = (job: string): string => this.#plans.get(job)?.name ?? job;

  run(): SimulationResult {
    try {
      const victims = {
        disk: this.#disk,
        drones: this.#drones,
        clients: this.#clients,
        addDrone: (options: DroneOptions) => this.#addDrone(options),
        crashQueen: (millis: Millis) => this.#crashQueen(millis),
      };
      const faults = new Faults(this, victims, this.random.pick([150, 600, 3_000]));
      this.time.advance(this.#seconds * 1_000);
      faults.heal();
      this.#operator?.heal();
      this.#powerCuts?.heal();
      this.#untilQuiet();
      this.#finish();
    } catch (error) {
      throw new SimulationError(this.#options.seed, this.time.now, this.trace.last, error);
    }
    return {
      seed: this.#options.seed,
      hash: this.trace.hash,
      virtualMillis: this.time.now,
      events: this.time.happened,
      steps: this.auditor.steps,
      recorded: this.auditor.recorded,
      jobs: this.#plans.size,
    };
  }

  #populate(): void {
    const { random } = this;
    const drones = this.#options.drones ?? random.int(1, 5);
    for (let n = 0; n < drones; n++) this.#addDrone(drawDrone(random, n));
    const clients = this.#options.clients ?? random.int(1, 3);
    for (let n = 0; n < clients; n++) this.#clients.push(new SimClient(this, `client-${n}`));
    for (const client of this.#clients) {
      const jobs = random.int(1, 4);
      for (let n = 0; n < jobs; n++) this.#plan(client, this.#drawOrder());
    }
  }
  #drawOrder(): JobOrder {
    const order = drawJob(this.random, `j${this.#plans.size}`);
    return this.#extras === null ? order : withExtras(this.#extras, order, [...this.#plans.values()]);
  }
  #newOperator(): Operator | null {
    if (this.#extras === null) return null;
    const cluster = { drones: this.#drones, clients: this.#clients, plans: this.#plans };
    return new Operator(this, cluster, this.#extras.fork());
  }
  #newPowerCuts(): PowerCuts | null {
    if (this.#extras === null) return null;
    const store = () => this.#queen.store;
    return new PowerCuts(this, this.#extras.fork(), store, (millis) => this.#crashQueen(millis));
  }

  #open(log: readonly StoreRecord[]): SimQueen {
    const store = new SlowStore(this.time, this.random.fork(), this.#disk, log);
    return new SimQueen(this, store, this.#queenId, this.#openings);
  }
  /** Another process opens the store after a while. */
  #crashQueen(millis: Millis): void {
    if (!this.#queen.process.isAlive) return;
    this.#queen.crash();
    this.time.after(millis, () => {
      this.#openings++;
      this.#queen = this.#open(this.#queen.store.durableLog);
      this.#queen.recover();
    });
  }

  #addDrone(options: DroneOptions): void {
    this.#drones.push(new SimDrone([this], options));
  }

  #plan(client: SimClient, order: JobOrder): void {
    const { random } = this;
    this.#plans.set(order.plan.id, order.plan);
    this.time.after(random.between(0, this.#seconds * 600), () => client.start(order));
    if (order.plan.spec.attached !== false || random.chance(0.6)) return;
    const follower = random.pick(this.#clients);
    if (follower === client) return;
    this.time.after(random.between(0, this.#seconds * 900), () => {
      follower.start(drawFollower(random.fork(), order));
    });
  }

  /** Lets time go on until everything has ended. */
  #untilQuiet(): void {
    const calmAt = this.time.now + CALM_MILLIS;
    const limit = this.time.now + HEAL_MILLIS_MAX;
    while (true) {
      const reason = this.#stillBusy();
      if (reason === null && this.time.now >= calmAt) return;
      this.auditor.isCalm = this.time.now >= calmAt;
      if (reason !== null && this.time.now >= limit)
        this.auditor.fail(`G7: ${HEAL_MILLIS_MAX / 1000} s after the last fault, ${reason}`);
      this.time.advance(LOOK_MILLIS);
    }
  }

  /** What is still to be done, or null. */
  #stillBusy(): string | null {
    for (const client of this.#clients) {
      if (!client.process.isAlive) continue;
      for (const job of client.jobs.values()) {
        const { plan, isFollower } = job.order;
        const isGone = !this.auditor.isSubmitted(plan) || this.auditor.isRemoved(plan);
        if (!job.isDone && !(isFollower && isGone))
          return `${client.process.name} waits for ${job.order.plan.name}`;
      }
    }
    const open = this.auditor.openJob;
    if (open !== null) return `${open} has not ended`;
    for (const drone of this.#drones) {
      if (!drone.process.isAlive || !drone.isIdle) return `${drone.options.name} is not idle`;
    }
    if (this.#operator?.isDone === false) return 'a Drone is still drained';
    if (!this.#queen.process.isAlive || !this.#queen.isIdle) return 'the Queen is not idle';
    return leftovers(this.#queen.scheduler.state);
  }

  /** All but one Drone go, which must not make her hasty with the others; then the clients go, and nothing is left. */
  #finish(): void {
    this.auditor.isCalm = true;
    for (const drone of this.#drones.slice(0, -1)) drone.drain();
    this.time.advance(20_000);
    for (const client of this.#clients) client.leave();
    this.#operator?.client.leave();
    this.time.advance(LIMITS.abandonMillis + 5_000);
    this.auditor.finish(this.time.now);
    const left = leftovers(this.#queen.scheduler.state);
    if (left !== null) this.auditor.fail(left);
  }
}
