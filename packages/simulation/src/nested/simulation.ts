/**
 * Tasks that submit work and wait for it, from one seed: on several levels, in one slot or several, beside jobs of the plain kind,
 * with one Queen or two that share their Drones. What is audited is what always is: that no more runs than there are slots although
 * any number of tasks wait, and that everything ends. In two phases, like the simulation of one Queen: faults, then heal.
 */
import type { Millis } from '@hive/shared';
import { type DroneOptions, SimDrone } from '../drone.ts';
import { Faults } from '../faults.ts';
import { drawDrone, drawJob } from '../generate.ts';
import { Random } from '../random.ts';
import { GONE_MILLIS, Realm } from '../shared/realm.ts';
import { SimulationError, type SimulationResult } from '../simulation.ts';
import { Trace } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { drawNested } from './nested-plan.ts';

export interface NestedOptions {
  readonly seed: number;
  readonly onTrace?: (line: string) => void;
  /** Default: true. */
  readonly isTraced?: boolean;
}

/**
 * By the number of Queens: levels below a client's job on which tasks submit work. A Drone has threads for the three levels of one
 * Queen (ADR 21); of two, only one level each is sure to have room, and here nobody gives up after so many failures.
 */
const DEPTHS: Readonly<Record<number, readonly number[]>> = { 1: [0, 0, 1, 2], 2: [0] };
const TRACE_LINES = 120;
/** There are hundreds of jobs: a look at all of them after every step would be most of the work. */
const STATE_EVERY = 20;
/** After the faults everything ends within this time, or waits for ever. */
const HEAL_MILLIS_MAX = 1_800_000;
const CALM_MILLIS = 40_000;
const LOOK_MILLIS = 237.3;

/** @throws SimulationError */
export function simulateNested(options: NestedOptions): SimulationResult {
  return new NestedSimulation(options).run();
}

class NestedSimulation {
  readonly #seed: number;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #realms: [Realm, ...Realm[]];
  readonly #drones: SimDrone[] = [];
  readonly #seconds: number;

  constructor({ seed, onTrace, isTraced }: NestedOptions) {
    this.#seed = seed;
    const random = new Random(seed);
    this.#random = random;
    this.#trace = new Trace(this.#time, { kept: TRACE_LINES, listener: onTrace, isWritten: isTraced });
    this.#seconds = random.pick([2, 5, 20]);
    const queens = random.pick([1, 1, 2]);
    const realms = Array.from({ length: queens }, (_, n) => this.#realm(`q${n}`, DEPTHS[queens]!));
    this.#realms = realms as [Realm, ...Realm[]];
    const drones = random.int(1, 4);
    // The first Drone of a cluster fits every job.
    for (let n = 0; n < drones; n++) this.#addDrone(drawDrone(random, n));
  }

  #realm(name: string, depths: readonly number[]): Realm {
    const random = this.#random;
    const nested = Array.from({ length: random.int(1, 3) }, (_, n) =>
      drawNested(random, `${name}-n${n}`, depths),
    );
    const plain = Array.from({ length: random.int(0, 2) }, (_, n) => drawJob(random, `${name}-j${n}`));
    const options = { name, millis: this.#seconds * 600, jobs: [...nested, ...plain], trace: this.#trace };
    return new Realm(this.#time, random.fork(), { ...options, stateEvery: STATE_EVERY });
  }

  run(): SimulationResult {
    try {
      const faults = this.#random.chance(0.3) ? [] : this.#realms.map((realm) => this.#faultsOf(realm));
      this.#time.advance(this.#seconds * 1_000);
      for (const each of faults) each.heal();
      this.#untilQuiet();
      this.#finish();
    } catch (error) {
      throw new SimulationError(this.#seed, this.#time.now, this.#trace.last, error);
    }
    const sum = (of: (realm: Realm) => number) => this.#realms.reduce((all, realm) => all + of(realm), 0);
    return {
      seed: this.#seed,
      hash: this.#trace.hash,
      virtualMillis: this.#time.now,
      events: this.#time.happened,
      steps: sum(({ auditor }) => auditor.steps),
      recorded: sum(({ auditor }) => auditor.recorded),
      jobs: sum(({ plans }) => plans.size),
    };
  }

  #faultsOf(realm: Realm): Faults {
    const victims = {
      disk: realm.disk,
      drones: this.#drones,
      clients: realm.clients,
      addDrone: (options: DroneOptions) => this.#addDrone(options),
      crashQueen: (millis: Millis) => realm.crashQueen(millis),
      // What a task of a Drone that drains waits for must find a place elsewhere, which there may not be.
      mayDrain: false,
    };
    return new Faults(realm, victims, this.#random.pick([300, 1_200, 6_000]));
  }

  #addDrone(options: DroneOptions): void {
    this.#drones.push(new SimDrone(this.#realms, options));
  }

  #untilQuiet(): void {
    const calmAt = this.#time.now + CALM_MILLIS;
    const limit = this.#time.now + HEAL_MILLIS_MAX;
    while (true) {
      const isCalm = this.#time.now >= calmAt;
      const reason = this.#stillBusy();
      if (reason === null && isCalm) return;
      for (const { auditor } of this.#realms) auditor.isCalm = isCalm;
      if (reason !== null && this.#time.now >= limit)
        this.#realms[0].auditor.fail(`G7: ${HEAL_MILLIS_MAX / 1000} s after the last fault, ${reason}`);
      this.#time.advance(LOOK_MILLIS);
    }
  }

  #stillBusy(): string | null {
    for (const realm of this.#realms) {
      const reason = realm.stillBusy;
      if (reason !== null) return `${realm.name}: ${reason}`;
    }
    for (const drone of this.#drones)
      if (!drone.process.isAlive || !drone.isIdle) return `${drone.options.name} is not idle`;
    return null;
  }

  #finish(): void {
    for (const realm of this.#realms) realm.leave();
    this.#time.advance(GONE_MILLIS);
    for (const realm of this.#realms) realm.finish();
  }
}
