/** When something happens, what, and to whom: drawn from the seed, a fault every so often until the time is over. */
import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';
import type { Random } from './random.ts';

/** Mean time between two faults, in milliseconds. */
const EVERY_MILLIS = 700;
/**
 * A Queen that restarts holds what lost Drones may be running for 15 s. If she is killed more often than that, such tasks
 * wait for ever; now and then there is a lull in which they go on.
 */
const STORM_MILLIS = 25_000;
const LULL_MILLIS_MAX = 20_000;
/** Long enough for a Drone to be given up for lost (4 s) now and then. */
const FROZEN_MILLIS_MAX = 7_000;
const DOWN_MILLIS_MAX = 2_000;

type Fault = (cluster: Cluster, load: Load, random: Random) => void;

/** As often as it stands here. */
const FAULTS: readonly Fault[] = [
  ...times(3, (cluster, _, random) => cluster.killQueen(shortOrLong(random, DOWN_MILLIS_MAX))),
  ...times(1, (cluster, _, random) => cluster.freezeQueen(shortOrLong(random, FROZEN_MILLIS_MAX))),
  ...times(4, (cluster, _, random) => cluster.killDrone(random.next(), shortOrLong(random, DOWN_MILLIS_MAX))),
  ...times(3, (cluster, _, random) =>
    cluster.freezeDrone(random.next(), shortOrLong(random, FROZEN_MILLIS_MAX)),
  ),
  ...times(3, (_, load, random) => load.killClient(random.next())),
  ...times(2, (_, load, random) => load.freezeClient(random.next(), shortOrLong(random, FROZEN_MILLIS_MAX))),
  // Both ends of many sessions at once.
  ...times(1, (cluster, _, random) => {
    cluster.killQueen(shortOrLong(random, DOWN_MILLIS_MAX));
    cluster.killDrone(random.next(), shortOrLong(random, DOWN_MILLIS_MAX));
  }),
];

export async function inflictFaults(
  cluster: Cluster,
  load: Load,
  random: Random,
  millis: number,
): Promise<void> {
  const end = performance.now() + millis;
  let stormEnd = performance.now() + STORM_MILLIS;
  while (true) {
    let pause = random.exponential(EVERY_MILLIS);
    if (performance.now() > stormEnd) {
      pause = random.between(0, LULL_MILLIS_MAX);
      stormEnd = performance.now() + pause + STORM_MILLIS;
    }
    const left = end - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, Math.max(0, left))));
    if (pause >= left) return;
    random.pick(FAULTS)(cluster, load, random.fork());
  }
}

/** Half of them are over at once, when whoever notices is just about to act. */
function shortOrLong(random: Random, millisMax: number): number {
  return random.chance(0.5) ? random.between(0, 300) : random.between(300, millisMax);
}

function times(count: number, fault: Fault): Fault[] {
  return Array.from({ length: count }, () => fault);
}
