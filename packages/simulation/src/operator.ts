/**
 * Somebody at a terminal who manages the cluster all the while: retries jobs that have failed, drains Drones and lets them
 * work again, removes ended jobs, cancels single tasks. When the faults stop, it lets all Drones work again.
 *
 * It retries or removes a job only when nobody still reads it; whoever reads then reads from the beginning.
 */
import type { Millis } from '@hive/shared';
import { SimClient } from './client.ts';
import type { SimDrone } from './drone.ts';
import { drawFollower } from './generate.ts';
import type { JobPlan } from './plan.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** What it manages. */
export interface Cluster {
  readonly drones: readonly SimDrone[];
  readonly clients: readonly SimClient[];
  readonly plans: ReadonlyMap<string, JobPlan>;
}
/** How long it waits before it says again that a Drone shall work. */
const AGAIN_MILLIS = 1_000;

export class Operator {
  readonly client: SimClient;
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #everyMillis: Millis;
  /** Drones that it has drained, as far as it knows, and by which of its drains. */
  readonly #drained = new Map<SimDrone, number>();
  #drains = 0;
  #isOver = false;

  constructor(world: World, cluster: Cluster, random: Random) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = random;
    this.#everyMillis = random.pick([400, 1_500, 6_000]);
    this.client = new SimClient(world, 'operator', random.fork());
    this.#next();
  }

  /** Every Drone works again. */
  get isDone(): boolean {
    return this.#drained.size === 0;
  }

  heal(): void {
    this.#isOver = true;
    this.#resumeAll();
  }

  #next(): void {
    this.#world.time.after(this.#random.exponential(this.#everyMillis), () => {
      if (this.#isOver) return;
      const act = this.#random.pick([
        () => this.#retry(),
        () => this.#retry(),
        () => this.#retry(),
        () => this.#drain(),
        () => this.#resume(),
        () => this.#collect(),
        () => this.#collectOne(),
        () => this.#cancelTasks(),
      ]);
      act();
      this.#next();
    });
  }

  #retry(): void {
    const plan = this.#pickJob((each) => this.#world.auditor.mayBeRetried(each));
    if (plan === null) return;
    this.client.manage({ action: 'retry', job: plan.id }, (answer) => {
      if (answer.type === 'Answer') this.#readAnew(plan);
    });
  }
  /** Somebody wants the results of the job as it goes on. */
  #readAnew(plan: JobPlan): void {
    const alive = this.#cluster.clients.filter(({ process }) => process.isAlive);
    // What the owner of an attached job has received is gone.
    if (alive.length === 0 || this.#isRead(plan) || plan.spec.attached !== false) return;
    this.#random.pick(alive).start(drawFollower(this.#random.fork(), { plan }));
  }

  #drain(): void {
    const drone = this.#pick(this.#cluster.drones.filter(({ process }) => process.isAlive));
    if (drone === null) return;
    this.#drained.set(drone, ++this.#drains);
    this.client.manage({ action: 'drain', drone: drone.peer }, () => {});
  }
  #resume(): void {
    const drone = this.#pick([...this.#drained.keys()]);
    if (drone !== null) this.#tell(drone);
  }
  #tell(drone: SimDrone): void {
    const drain = this.#drained.get(drone);
    this.client.manage({ action: 'resume', drone: drone.peer }, (answer) => {
      // It may have been drained again meanwhile.
      if (answer.type === 'Answer' && this.#drained.get(drone) === drain) this.#drained.delete(drone);
    });
  }
  #resumeAll(): void {
    for (const drone of this.#drained.keys()) {
      if (drone.process.isAlive) this.#tell(drone);
      else this.#drained.delete(drone);
    }
    if (this.#drained.size > 0) this.#world.time.after(AGAIN_MILLIS, () => this.#resumeAll());
  }

  /** All that has ended, if nobody needs any of it. */
  #collect(): void {
    for (const plan of this.#cluster.plans.values()) if (this.#isRead(plan)) return;
    this.client.manage({ action: 'gc' }, () => {});
  }
  #collectOne(): void {
    const plan = this.#pickJob(() => true);
    if (plan !== null) this.client.manage({ action: 'gc', job: plan.id }, () => {});
  }

  #cancelTasks(): void {
    const plan = this.#pick([...this.#cluster.plans.values()]);
    if (plan === null) return;
    const first = this.#random.int(0, plan.count);
    const step = this.#random.int(1, 5);
    const indices = Array.from({ length: this.#random.pick([1, 3, 20]) }, (_, i) => first + i * step);
    this.client.cancel(plan.id, indices);
  }

  #pickJob(isWanted: (plan: JobPlan) => boolean): JobPlan | null {
    return this.#pick(
      [...this.#cluster.plans.values()].filter((each) => isWanted(each) && !this.#isRead(each)),
    );
  }
  /** A client has it, or will have it, and has not got all that it wants. */
  #isRead({ id }: JobPlan): boolean {
    return this.#cluster.clients.some(
      ({ process, jobs }) => process.isAlive && jobs.get(id)?.isDone === false,
    );
  }
  #pick<T>(list: readonly T[]): T | null {
    return list.length === 0 ? null : this.#random.pick(list);
  }
}
