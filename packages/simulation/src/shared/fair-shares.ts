/**
 * How Drones that work for several Queens share their slots when each of them has more than enough to do: no faults, large
 * jobs of tasks of one length, and what was recorded of each after a while.
 */
import type { JobId } from '@hive/shared';
import type { JobOrder } from '../client-job.ts';
import { SimDrone } from '../drone.ts';
import { NO_TROUBLES } from '../plan.ts';
import { Random } from '../random.ts';
import { Trace } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { Realm } from './realm.ts';

export interface Contender {
  /** Milliseconds that each of its tasks takes. */
  readonly taskMillis: number;
  /** When its job is submitted, at the latest. Default: at once. */
  readonly startMillis?: number;
}

const SLOTS = 2;

/** Runs one job per Queen on as many Drones; returns the share of all slot time that each has had from `from` to `to`. */
export function fairShares(
  seed: number,
  contenders: readonly Contender[],
  [from, to]: readonly [fromMillis: number, toMillis: number],
): number[] {
  const time = new VirtualTime();
  const random = new Random(seed);
  const trace = new Trace(time, { kept: 10, isWritten: false });
  const realms = contenders.map(({ taskMillis, startMillis = 0 }, n) => {
    const jobs = [orderOf(random, `q${n}-j0`, taskMillis)];
    return new Realm(time, random.fork(), { name: `q${n}`, millis: startMillis, jobs, trace });
  });
  for (const { network } of realms)
    Object.assign(network.conditions, {
      latencyMillis: 0.3,
      jitterMillis: 0.1,
      refusedShare: 0,
      chunkBytesMax: 65_536,
    });
  contenders.forEach((_, n) => {
    const options = { name: `drone-${n}`, slots: SLOTS, kinds: ['echo'], labels: {} };
    new SimDrone(realms as [Realm, ...Realm[]], options);
  });
  time.advance(from);
  const before = realms.map(({ auditor }) => auditor.recorded);
  time.advance(to - from);
  const slotMillis = (to - from) * SLOTS * contenders.length;
  return realms.map(
    ({ auditor }, n) => ((auditor.recorded - before[n]!) * contenders[n]!.taskMillis) / slotMillis,
  );
}

function orderOf(random: Random, name: string, millis: number): JobOrder {
  const count = 1_000_000;
  const hex = random.hex(32);
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  return {
    plan: {
      id: id as JobId,
      name,
      seed: random.int(0, 2 ** 31),
      spec: { kind: 'echo', encoding: 'msgpack', range: { start: 0, step: 1, count } },
      count,
      millis: [millis, millis],
      inputBytes: 0,
      isUniform: true,
      padBytes: 0,
      troubles: NO_TROUBLES,
    },
    order: 'seq',
    pageTasks: 1,
    creditBytes: 1e9,
    appendMillis: 0,
    readMillis: 0,
    saysReceived: true,
    isFollower: false,
  };
}
