/** Jobs whose tasks submit jobs below their own and wait for them, one after the other: what they submit follows from the plan. */
import type { JobId, LeaseNumber } from '@hive/shared';
import type { JobOrder } from '../client-job.ts';
import { drawId } from '../generate.ts';
import { hash, type JobPlan, NO_TROUBLES, type Troubles } from '../plan.ts';
import type { Random } from '../random.ts';

/** What each task of a job submits. */
export interface NestedShape {
  /** Jobs, one after the other. */
  readonly steps: number;
  /** Tasks that each of them has at most. */
  readonly tasks: number;
  /** Levels below on which tasks submit work, too. */
  readonly depth: number;
}

/** Faults are no reason for a task to end; what it submits may be lost with its session as often as they come. */
const LASTING = {
  retries: 1_000_000,
  crashLimit: 1_000_000,
  backoffMillis: 50,
  backoffMillisMax: 500,
} as const;

/**
 * One job of a client, whose tasks may take several slots.
 * @param depths one of them is drawn
 */
export function drawNested(random: Random, name: string, depths: readonly number[]): JobOrder {
  const count = random.int(1, 12);
  const slots = random.pick([1, 1, 2, 2, 3]);
  const plan: JobPlan = {
    id: drawId(random),
    name,
    seed: random.int(0, 2 ** 31),
    spec: {
      kind: 'echo',
      encoding: 'msgpack',
      range: { start: random.int(0, 50), step: 1, count },
      nested: true,
      ...(slots === 1 ? {} : { slots }),
      ...(random.chance(0.5) ? { attached: false } : {}),
      ...(random.chance(0.3) ? { priority: random.int(-2, 2) } : {}),
      ...LASTING,
    },
    count,
    millis: [0, random.pick([1, 30, 400])],
    inputBytes: 0,
    isUniform: true,
    padBytes: 0,
    troubles: troublesOf(random),
    nested: { steps: random.int(1, 3), tasks: random.int(1, 6), depth: random.pick(depths) },
  };
  return {
    plan,
    order: random.pick(['seq', 'index'] as const),
    pageTasks: 1,
    creditBytes: random.pick([1, 200, 60_000]),
    appendMillis: 0,
    readMillis: random.pick([0, 5]),
    saysReceived: random.chance(0.5),
    isFollower: false,
  };
}
const troublesOf = (random: Random): Troubles =>
  random.chance(0.5)
    ? NO_TROUBLES
    : {
        ...NO_TROUBLES,
        flaky: random.pick([0, 100]),
        crashing: random.pick([0, 50]),
        rude: random.pick([0, 500]),
      };

/** What one execution of a task, under this lease, submits as its n-th step. */
export function childOf(plan: JobPlan, index: number, lease: LeaseNumber, step: number): JobPlan {
  const { tasks, steps, depth } = plan.nested!;
  const seed = hash(plan.seed, index, lease, step, 11) >>> 1;
  const count = 1 + (seed % tasks);
  return {
    id: idOf(plan.seed, index, lease, step),
    name: `${plan.name}.${index}/${lease}.${step}`,
    seed,
    spec: {
      kind: 'echo',
      encoding: 'msgpack',
      range: { start: seed % 100, step: 1, count },
      parent: plan.id,
      ...(depth === 0 ? {} : { nested: true }),
      ...LASTING,
    },
    count,
    millis: [0, plan.millis[1] / 2],
    inputBytes: 0,
    isUniform: true,
    padBytes: 0,
    troubles: plan.troubles,
    ...(depth === 0 ? {} : { nested: { steps, tasks: Math.min(2, tasks), depth: depth - 1 } }),
  };
}

function idOf(seed: number, index: number, lease: number, step: number): JobId {
  const part = (n: number) => hash(seed, index, lease, step, n).toString(16).padStart(8, '0');
  const [a, b, c, d] = [part(21), part(22), part(23), part(24)];
  return `${a}-${b.slice(0, 4)}-7${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}` as JobId;
}
