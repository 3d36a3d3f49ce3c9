/** Draws a cluster and its jobs from the seed: what Drones there are, and what the clients want of them. */
import type { JobId, Spec } from '@hive/shared';
import type { JobOrder } from './client-job.ts';
import type { DroneOptions } from './drone.ts';
import { type JobPlan, NO_TROUBLES, type Troubles } from './plan.ts';
import type { Random } from './random.ts';

const KINDS = ['echo', 'hash', 'sleep', 'function'];

/** The first Drone fits every job, so that none of them waits for ever. */
export function drawDrone(random: Random, n: number): DroneOptions {
  if (n === 0) return { name: 'drone-0', slots: random.int(3, 4), kinds: KINDS, labels: { zone: 'a' } };
  return {
    name: `drone-${n}`,
    slots: random.int(1, 4),
    kinds: random.chance(0.7) ? KINDS : ['echo'],
    labels: random.chance(0.5) ? { zone: random.pick(['a', 'b']) } : {},
  };
}

/** One job, and how its client goes about it. */
export function drawJob(random: Random, name: string): JobOrder {
  const shape = random.pick(['array', 'array', 'array', 'range', 'calls', 'long', 'tiny'] as const);
  const count = countOf(random, shape);
  const spec = drawSpec(random, shape, count);
  const plan: JobPlan = {
    id: drawId(random),
    name,
    seed: random.int(0, 2 ** 31),
    spec,
    count,
    millis: millisOf(random, shape),
    inputBytes: random.pick([0, 1, 8, 60, 400]),
    isUniform: random.chance(0.4),
    padBytes: random.pick([0, 0, 3, 100, 700]),
    troubles: random.chance(0.5) ? drawTroubles(random, spec) : NO_TROUBLES,
  };
  return {
    plan,
    order: random.pick(['seq', 'index'] as const),
    pageTasks: shape === 'calls' ? 1 : random.pick([1, 7, 64, 500]),
    creditBytes: random.pick([1, 200, 5_000, 60_000]),
    appendMillis: shape === 'calls' ? random.pick([1, 30, 200]) : random.pick([0, 0, 20]),
    readMillis: random.pick([0, 0, 5, 300]),
    saysReceived: random.chance(0.6),
    isFollower: false,
  };
}

/** Somebody else who reads a job. Only a detached job keeps its pages for him. */
export function drawFollower(random: Random, { plan }: Pick<JobOrder, 'plan'>): JobOrder {
  return {
    plan,
    order: plan.spec.reduce === undefined ? random.pick(['seq', 'index'] as const) : 'seq',
    pageTasks: 1,
    creditBytes: random.pick([1, 5_000, 60_000]),
    appendMillis: 0,
    readMillis: random.pick([0, 100]),
    saysReceived: random.chance(0.3),
    isFollower: true,
  };
}

type Shape = 'array' | 'range' | 'calls' | 'long' | 'tiny';

function countOf(random: Random, shape: Shape): number {
  switch (shape) {
    case 'long':
      return random.int(1, 12);
    case 'calls':
      return random.int(1, 40);
    case 'tiny':
      return random.int(0, 3);
    default:
      return random.pick([10, 100, 400, 1_000]) + random.int(0, 20);
  }
}

function millisOf(random: Random, shape: Shape): readonly [number, number] {
  if (shape === 'long')
    return random.pick([
      [200, 4_000],
      [2_000, 9_000],
    ] as const);
  return random.pick([
    [0, 0],
    [0, 2],
    [0.01, 0.2],
    [1, 40],
    [5, 5],
  ] as const);
}

function drawSpec(random: Random, shape: Shape, count: number): Spec {
  const some = <T extends object>(share: number, fields: T): Partial<T> =>
    random.chance(share) ? fields : {};
  return {
    kind: random.pick(['echo', 'echo', 'hash', 'sleep']),
    encoding: shape === 'range' ? 'msgpack' : 'raw',
    ...(shape === 'range' ? { range: { start: random.int(-50, 50), step: random.int(-3, 70), count } } : {}),
    ...some(0.3, { attached: false }),
    ...some(shape === 'calls' ? 0.8 : 0.1, { hidden: true }),
    ...some(0.3, { priority: random.int(-2, 2) }),
    ...some(0.3, { weight: random.pick([1, 3, 10]) }),
    ...some(0.15, { slots: random.int(2, 3) }),
    ...some(0.15, { labels: { zone: 'a' } }),
    ...some(0.4, { retries: random.int(0, 4) }),
    ...some(0.2, { crashLimit: random.int(1, 4) }),
    ...some(0.3, { attemptTimeoutMillis: random.pick([9_500, 12_000]) }),
    backoffMillis: random.pick([10, 200, 1_000]),
    backoffMillisMax: random.pick([500, 4_000]),
  } as Spec;
}

function drawTroubles(random: Random, spec: Spec): Troubles {
  const share = () => random.pick([0, 5, 50, 300]);
  const hanging = spec.attemptTimeoutMillis === undefined ? 0 : random.pick([0, 3]);
  return {
    flaky: share(),
    broken: random.pick([0, 0, 10, 100]),
    hopeless: random.pick([0, 0, 20]),
    crashing: random.pick([0, 0, 10]),
    hanging,
    rude: random.pick([0, 500]),
  };
}

export function drawId(random: Random): JobId {
  const hex = random.hex(32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as JobId;
}
