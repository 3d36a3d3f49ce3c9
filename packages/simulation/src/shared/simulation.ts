/**
 * Several Queens and Drones that work for all of them, from one seed, as nodes are: each Queen with faults of her own, the
 * Drones with those of all. Every promise is audited for each Queen, and the Drones' slots across them. In two phases, like
 * the simulation of one Queen: faults, then heal.
 */
import type { Millis } from '@hive/shared';
import { type DroneOptions, SimDrone } from '../drone.ts';
import { Faults } from '../faults.ts';
import { drawDrone } from '../generate.ts';
import { narrowLimits, withLimits } from '../knobs.ts';
import { Random } from '../random.ts';
import { SimulationError, type SimulationResult } from '../simulation.ts';
import { Trace } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { GONE_MILLIS, Realm } from './realm.ts';

export interface SharedOptions {
  readonly seed: number;
  readonly queens?: number;
  readonly drones?: number;
  readonly onTrace?: (line: string) => void;
  /** Default: true. */
  readonly isTraced?: boolean;
}

const TRACE_LINES = 120;
const HEAL_MILLIS_MAX = 1_800_000;
const CALM_MILLIS = 40_000;
const LOOK_MILLIS = 237.3;

/** @throws SimulationError */
export function simulateShared(options: SharedOptions): SimulationResult {
  const random = new Random(options.seed);
  const knobs = random.chance(0.5) ? narrowLimits(random) : {};
  return withLimits(knobs, () => new SharedSimulation(options, random).run());
}

class SharedSimulation {
  readonly #seed: number;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #realms: [Realm, ...Realm[]];
  readonly #drones: SimDrone[] = [];
  readonly #seconds: number;

  constructor({ seed, queens = 3, drones = 3, onTrace, isTraced }: SharedOptions, random: Random) {
    this.#seed = seed;
    this.#random = random;
    this.#trace = new Trace(this.#time, { kept: TRACE_LINES, listener: onTrace, isWritten: isTraced });
    this.#seconds = random.pick([5, 20]);
    const realms = Array.from(
      { length: queens },
      (_, n) =>
        new Realm(this.#time, random.fork(), {
          name: `q${n}`,
          millis: this.#seconds * 600,
          jobs: random.int(1, 3),
          trace: this.#trace,
        }),
    );
    this.#realms = realms as [Realm, ...Realm[]];
    // The first Drone of a cluster fits every job.
    for (let n = 0; n < drones; n++) this.#addDrone({ ...drawDrone(random, n === 0 ? 0 : n) });
  }

  run(): SimulationResult {
    try {
      const faults = this.#realms.map((realm) => this.#faultsOf(realm));
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
    };
    return new Faults(realm, victims, this.#random.pick([450, 1_800, 9_000]));
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
    for (const { auditor } of this.#realms) auditor.isCalm = true;
    for (const drone of this.#drones.slice(0, -1)) drone.drain();
    this.#time.advance(20_000);
    for (const realm of this.#realms) realm.leave();
    this.#time.advance(GONE_MILLIS);
    for (const realm of this.#realms) realm.finish();
  }
}
