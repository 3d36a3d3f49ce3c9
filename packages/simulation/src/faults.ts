/**
 * What goes wrong in the first phase of a simulation, and how it all ends: every so often one of these happens; `heal`
 * stops them and mends what a person would mend. A dead connection is left to its ends' own heartbeats.
 */
import type { Millis } from '@hive/shared';
import type { SimClient } from './client.ts';
import type { DroneOptions, SimDrone } from './drone.ts';
import type { Wire } from './network.ts';
import type { Random } from './random.ts';
import type { Disk } from './slow-store.ts';
import type { World } from './world.ts';

/** What can be broken. */
export interface Victims {
  readonly disk: Disk;
  readonly drones: SimDrone[];
  readonly clients: SimClient[];
  /** Whether Drones may be told to finish what runs and go. Default: true. */
  readonly mayDrain?: boolean;
  addDrone(options: DroneOptions): void;
  /** Another one opens the store after so many milliseconds. */
  crashQueen(millis: Millis): void;
}
type Fault = (faults: Faults) => string | null;

/** Several entries of one name make it more likely. */
const FAULTS: readonly Fault[] = [
  (f) => f.onWire('is cut', (wire) => wire.cut('both')),
  (f) => f.onWire('is cut', (wire) => wire.cut('both')),
  (f) => f.onWire('is cut, and one end does not know', (wire) => wire.cut(f.random.pick(['a', 'b']))),
  (f) => f.onWire('goes dead', (wire) => wire.goDead('both')),
  (f) => f.onWire('goes dead one way', (wire) => wire.goDead(f.random.pick(['a', 'b']))),
  (f) => f.onWire('stalls', (wire) => wire.stall(f.random.exponential(500))),
  (f) => f.onWire('stalls for long', (wire) => wire.stall(f.random.between(3_000, 15_000))),
  (f) => f.freezeDrone(() => f.random.exponential(300)),
  (f) => f.freezeDrone(() => f.random.between(4_000, 20_000)),
  (f) => f.killDrone(),
  (f) => f.killDrone(),
  (f) => f.drainDrone(),
  (f) => f.killSlot(),
  (f) => f.killSlot(),
  (f) => f.freezeClient(),
  (f) => f.cancelJob(),
  (f) => f.cancelTasks(),
  (f) => f.cancelTasks(),
  (f) => f.storm(),
  (f) => f.badDisk(),
  (f) => f.crashQueen(),
  (f) => f.badNetwork(),
];
/** Once in a simulation, at most. */
const KILL_CLIENT_SHARE = 0.4;
/** Of the seeds in which the Queen is killed now and then. */
const CRASH_QUEEN_SHARE = 0.5;

export class Faults {
  readonly random: Random;
  readonly #world: World;
  readonly #victims: Victims;
  readonly #everyMillis: Millis;
  #isOver = false;
  #mayKillClient: boolean;
  readonly #mayCrashQueen: boolean;
  readonly #goodDisk: Disk;
  readonly #goodNetwork: World['network']['conditions'];

  constructor(world: World, victims: Victims, everyMillis: Millis) {
    this.#world = world;
    this.#victims = victims;
    this.#everyMillis = everyMillis;
    this.random = world.random.fork();
    this.#mayKillClient = this.random.chance(KILL_CLIENT_SHARE);
    this.#mayCrashQueen = this.random.chance(CRASH_QUEEN_SHARE);
    this.#goodDisk = { ...victims.disk };
    this.#goodNetwork = { ...world.network.conditions };
    this.#next();
  }

  heal(): void {
    this.#isOver = true;
    this.#world.trace.add('faults', 'heal');
    Object.assign(this.#victims.disk, this.#goodDisk, { failShare: 0 });
    Object.assign(this.#world.network.conditions, this.#goodNetwork, { refusedShare: 0 });
    for (const { process } of [...this.#victims.drones, ...this.#victims.clients]) process.thaw();
  }

  #next(): void {
    this.#world.time.after(this.random.exponential(this.#everyMillis), () => {
      if (this.#isOver) return;
      const what = this.random.pick(FAULTS)(this);
      if (what !== null) this.#world.trace.add('faults', what);
      this.#maybeKillClient();
      this.#next();
    });
  }

  onWire(what: string, break_: (wire: Wire) => void): string | null {
    const { wires } = this.#world.network;
    if (wires.length === 0) return null;
    const n = this.random.int(0, wires.length - 1);
    break_(wires[n]!);
    return `wire ${n} ${what}`;
  }

  freezeDrone(millis: () => Millis): string | null {
    const drone = this.#drone();
    if (drone === null) return null;
    const time = millis();
    drone.process.freeze();
    this.#world.time.after(time, () => drone.process.thaw());
    return `${drone.options.name} freezes for ${Math.round(time)} ms`;
  }

  /** Its successor on the same machine is another process, with another identity. */
  killDrone(): string | null {
    const drone = this.#drone();
    if (drone === null) return null;
    drone.kill();
    this.#replace(drone, this.random.between(100, 6_000));
    return `${drone.options.name} is killed`;
  }
  drainDrone(): string | null {
    const drone = this.#drone();
    if (drone === null || this.random.chance(0.5) || this.#victims.mayDrain === false) return null;
    drone.drain();
    const look = () => {
      if (drone.process.isAlive) this.#world.time.after(500, look);
      else this.#replace(drone, 100);
    };
    look();
    return `${drone.options.name} drains`;
  }
  #replace(drone: SimDrone, millis: Millis): void {
    const { drones } = this.#victims;
    this.#world.time.after(millis, () => {
      const at = drones.indexOf(drone);
      if (at < 0) return;
      drones.splice(at, 1);
      this.#victims.addDrone(drone.options);
    });
  }

  killSlot(): string | null {
    const drone = this.#drone();
    if (drone === null) return null;
    const slot = this.random.pick(drone.slots);
    drone.process.run(() => slot.die('the thread ran out of memory'));
    return `slot ${slot.number} of ${drone.options.name} dies`;
  }

  freezeClient(): string | null {
    const client = this.#client();
    if (client === null) return null;
    client.process.freeze();
    this.#world.time.after(this.random.pick([200, 3_000, 12_000]), () => client.process.thaw());
    return `${client.process.name} freezes`;
  }
  #maybeKillClient(): void {
    if (!this.#mayKillClient || !this.random.chance(0.1)) return;
    const client = this.#client();
    if (client === null) return;
    this.#mayKillClient = false;
    client.kill();
    this.#world.trace.add('faults', `${client.process.name} is killed`);
  }

  cancelJob(): string | null {
    const client = this.#client();
    if (client === null || client.jobs.size === 0 || this.random.chance(0.6)) return null;
    const job = this.random.pick([...client.jobs.values()]);
    client.cancel(job.order.plan.id);
    return `${job.order.plan.name} is to be cancelled`;
  }
  cancelTasks(): string | null {
    const client = this.#client();
    if (client === null || client.jobs.size === 0) return null;
    const { plan } = this.random.pick([...client.jobs.values()]).order;
    const first = this.random.int(0, plan.count);
    const indices = Array.from({ length: this.random.pick([1, 2, 30]) }, (_, i) => first + i);
    client.cancel(plan.id, indices);
    return `tasks ${first} to ${indices.at(-1)} of ${plan.name} are to be cancelled`;
  }

  crashQueen(): string | null {
    if (!this.#mayCrashQueen) return null;
    const millis = this.random.pick([50, 2_000, 12_000]);
    this.#victims.crashQueen(millis);
    return `the Queen is killed, for ${millis} ms`;
  }
  storm(): string {
    for (const wire of this.#world.network.wires) wire.cut('both');
    return 'all connections are cut';
  }
  badDisk(): string {
    const { disk } = this.#victims;
    disk.failShare = this.random.pick([0.2, 1]);
    disk.commitMillis = this.random.pick([
      [1, 5],
      [50, 400],
    ] as const);
    this.#world.time.after(this.random.between(500, 3_000), () => Object.assign(disk, this.#goodDisk));
    return 'the disk is bad';
  }
  badNetwork(): string {
    const { conditions } = this.#world.network;
    conditions.latencyMillis = this.random.pick([20, 200]);
    conditions.chunkBytesMax = this.random.pick([7, 100]);
    conditions.refusedShare = 0.5;
    this.#world.time.after(this.random.between(500, 4_000), () =>
      Object.assign(conditions, this.#goodNetwork),
    );
    return 'the network is bad';
  }

  #drone(): SimDrone | null {
    const alive = this.#victims.drones.filter(({ process }) => process.isAlive);
    return alive.length === 0 ? null : this.random.pick(alive);
  }
  #client(): SimClient | null {
    const alive = this.#victims.clients.filter(({ process }) => process.isAlive);
    return alive.length === 0 ? null : this.random.pick(alive);
  }
}
