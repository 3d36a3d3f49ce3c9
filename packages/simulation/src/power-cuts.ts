/**
 * The power of the Queen's machine goes while she commits: the fault that tears transactions. Her other deaths come at
 * any time, and commits are short, so that these would hardly ever meet one.
 */
import type { Millis } from '@hive/shared';
import type { Random } from './random.ts';
import type { SlowStore } from './slow-store.ts';
import type { World } from './world.ts';

/** Of the seeds that draw extras. */
const SHARE = 0.4;
const EVERY_MILLIS = 9_000;

export class PowerCuts {
  readonly #world: World;
  readonly #random: Random;
  readonly #store: () => SlowStore;
  readonly #crash: (millis: Millis) => void;
  #isOver: boolean;

  /** @param crash kills the Queen; another opens the store after so many milliseconds */
  constructor(world: World, random: Random, store: () => SlowStore, crash: (millis: Millis) => void) {
    this.#world = world;
    this.#random = random;
    this.#store = store;
    this.#crash = crash;
    this.#isOver = !random.chance(SHARE);
    if (!this.#isOver) this.#next();
  }

  heal(): void {
    this.#isOver = true;
  }

  #next(): void {
    this.#world.time.after(this.#random.exponential(EVERY_MILLIS), () => {
      if (this.#isOver) return;
      const store = this.#store();
      store.onCommit = () => {
        store.onCommit = null;
        this.#world.time.after(this.#random.pick([0.01, 0.2, 4]), () => this.#cut());
      };
      this.#next();
    });
  }
  #cut(): void {
    if (this.#isOver) return;
    this.#world.trace.add('faults', 'the power goes');
    this.#crash(this.#random.pick([20, 500, 5_000]));
  }
}
