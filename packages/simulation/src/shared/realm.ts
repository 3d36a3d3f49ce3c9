/**
 * One Queen of several, with all that is hers alone: her network, her disk, her clients, their jobs, and an auditor who
 * knows of nobody else. Drones are shared with the other Queens.
 */
import type { StoreRecord } from '@hive/queen';
import { LIMITS, type Millis } from '@hive/shared';
import { leftovers } from '../audit/rest.ts';
import { Auditor } from '../auditor.ts';
import { SimClient } from '../client.ts';
import type { JobOrder } from '../client-job.ts';
import { drawJob } from '../generate.ts';
import { Network } from '../network.ts';
import type { JobPlan } from '../plan.ts';
import { SimQueen } from '../queen.ts';
import type { Random } from '../random.ts';
import { type Disk, SlowStore } from '../slow-store.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { World } from '../world.ts';

export interface RealmOptions {
  readonly name: string;
  /** Milliseconds within which its clients begin. */
  readonly millis: Millis;
  /** How many are drawn, or which they are. */
  readonly jobs: number | readonly JobOrder[];
  readonly trace: Trace;
  /** Steps between two looks at the whole state. Default: 1. */
  readonly stateEvery?: number;
}

export class Realm implements World {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: Network;
  readonly trace: Trace;
  readonly auditor: Auditor;
  readonly disk: Disk;
  readonly clients: SimClient[] = [];
  readonly plans = new Map<string, JobPlan>();
  readonly #queenId: string;
  #queen: SimQueen;
  #openings = 1;

  constructor(
    time: VirtualTime,
    random: Random,
    { name, millis, jobs, trace, stateEvery = 1 }: RealmOptions,
  ) {
    this.name = name;
    this.time = time;
    this.random = random;
    this.trace = trace;
    this.auditor = new Auditor(this.planOf, stateEvery);
    this.network = new Network(time, random.fork(), {
      latencyMillis: random.pick([0.05, 0.5, 5]),
      jitterMillis: random.pick([0, 0.3, 10]),
      chunkBytesMax: random.pick([1_400, 65_536]),
      cutShare: random.pick([0, 0.3]),
      refusedShare: 0.02,
    });
    this.disk = {
      commitMillis: random.pick([
        [0, 0],
        [0.1, 0.3],
        [5, 20],
      ] as const),
      failShare: 0,
    };
    this.#queenId = random.hex(32);
    this.#queen = this.#open([]);
    const client = new SimClient(this, `${name}-client`);
    this.clients.push(client);
    const orders =
      typeof jobs === 'number'
        ? Array.from({ length: jobs }, (_, n) => drawJob(random, `${name}-j${n}`))
        : jobs;
    for (const order of orders) {
      this.plans.set(order.plan.id, order.plan);
      time.after(random.between(0, millis), () => client.start(order));
    }
  }

  readonly planOf = (job: string): JobPlan =>
    this.plans.get(job) ?? this.auditor.fail(`there is no plan for job ${job} of ${this.name}`);
  adopt(plan: JobPlan): void {
    this.plans.set(plan.id, plan);
  }
  readonly nameOf = (job: string): string => this.plans.get(job)?.name ?? job;

  /** Another process opens the store after a while. */
  crashQueen(millis: Millis): void {
    if (!this.#queen.process.isAlive) return;
    this.#queen.crash();
    this.time.after(millis, () => {
      this.#openings++;
      this.#queen = this.#open(this.#queen.store.durableLog);
      this.#queen.recover();
    });
  }

  /** What is still to be done, or null. */
  get stillBusy(): string | null {
    for (const { process, jobs } of this.clients) {
      if (!process.isAlive) continue;
      for (const job of jobs.values())
        if (!job.isDone) return `${process.name} waits for ${job.order.plan.name}`;
    }
    const open = this.auditor.openJob;
    if (open !== null) return `${open} has not ended`;
    if (!this.#queen.process.isAlive || !this.#queen.isIdle) return `the Queen of ${this.name} is not idle`;
    return leftovers(this.#queen.scheduler.state);
  }

  /** Its clients go, and nothing is left. */
  leave(): void {
    for (const client of this.clients) client.leave();
  }
  finish(): void {
    this.auditor.finish(this.time.now);
    const left = leftovers(this.#queen.scheduler.state);
    if (left !== null) this.auditor.fail(left);
  }

  #open(log: readonly StoreRecord[]): SimQueen {
    const store = new SlowStore(this.time, this.random.fork(), this.disk, log);
    return new SimQueen(this, store, this.#queenId, this.#openings);
  }
}

export const GONE_MILLIS = LIMITS.abandonMillis + 5_000;
