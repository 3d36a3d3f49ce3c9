/**
 * What three of four seeds draw beside the plain plans: dependencies within and between jobs, limits in time, and when to
 * give up. All of it comes from a source of its own, so that a plan without them is the one that the seed has always drawn.
 */
import type { Spec } from '@hive/shared';
import type { JobOrder } from './client-job.ts';
import type { GraphShape } from './graph-plan.ts';
import type { JobPlan, Troubles } from './plan.ts';
import { Random } from './random.ts';
import { REDUCES } from './reduce-plan.ts';

const EXTRAS_SHARE = 0.75;
/** Turns a seed into that of another source. */
const OTHER_SOURCE = 0x6d2b79f5;
/** Every look at the whole state costs as much as a graph has tasks. */
const GRAPH_TASKS_MAX = 120;

/** The source of everything in this file and of the operator; null for a seed that goes without. */
export function extrasOf(seed: number): Random | null {
  const random = new Random((seed ^ OTHER_SOURCE) >>> 0);
  return random.chance(EXTRAS_SHARE) ? random.fork() : null;
}

/** The same job with more asked of it. `others` are those that it may come after. */
export function withExtras(random: Random, order: JobOrder, others: readonly JobPlan[]): JobOrder {
  const source = random.fork();
  const plan = maybeGraph(source, order.plan);
  const spec = { ...plan.spec, ...conditions(source, others) };
  return maybeWhole(source, maybeReduced(source, { ...order, plan: { ...plan, spec } }));
}

/** Some jobs come with all of their inputs, and of those that outlive their clients some are left to the Queen. */
function maybeWhole(random: Random, order: JobOrder): JobOrder {
  const { spec } = order.plan;
  if (spec.range !== undefined || spec.graph !== undefined || random.chance(0.5)) return order;
  return { ...order, whole: spec.attached === false && random.chance(0.7) ? 'left' : 'followed' };
}

function maybeGraph(random: Random, plan: JobPlan): JobPlan {
  if (plan.spec.range !== undefined || !random.chance(0.35)) return plan;
  const graph: GraphShape = {
    form: random.pick(['chains', 'layers', 'tree', 'funnels', 'tangle'] as const),
    width: random.int(1, 6),
  };
  const rule = random.pick(['failChildren', 'runChildren'] as const);
  const count = Math.min(plan.count, random.int(2, GRAPH_TASKS_MAX));
  const spec = { ...plan.spec, encoding: 'msgpack', graph: rule } as Spec;
  return { ...plan, count, graph, spec, troubles: random.chance(0.5) ? plan.troubles : fewer(plan.troubles) };
}

/** A job whose results are folded, or that a task may end, or both. */
function maybeReduced(random: Random, order: JobOrder): JobOrder {
  const { plan } = order;
  const finishing = random.chance(0.2) ? random.pick([1, 10, 100]) : 0;
  const ending = { ...order, plan: { ...plan, ...(finishing === 0 ? {} : { finishing }) } };
  if (plan.graph !== undefined || !random.chance(0.4)) return ending;
  const reduce = random.pick(REDUCES);
  const kind = reduce.op === 'function' ? 'function' : plan.spec.kind;
  const spec = { ...plan.spec, kind, encoding: 'msgpack', reduce } as Spec;
  const troubles = random.chance(0.3) ? plan.troubles : { ...fewer(plan.troubles), broken: 0, hopeless: 0 };
  return { ...ending, order: 'seq', plan: { ...ending.plan, spec, troubles } };
}

/** A graph in which every tenth task fails for good does little else than fail. */
function fewer(troubles: Troubles): Troubles {
  return {
    ...troubles,
    flaky: 50,
    broken: Math.min(troubles.broken, 5),
    hopeless: Math.min(troubles.hopeless, 5),
  };
}

function conditions(random: Random, others: readonly JobPlan[]): Partial<Spec> {
  const after = random.chance(0.3) ? someOf(random, others) : [];
  return {
    ...(after.length === 0
      ? {}
      : { after: after.map(({ id }) => ({ job: id, on: random.pick(['success', 'end', 'end'] as const) })) }),
    ...(random.chance(0.25) ? { haltOn: drawHalt(random) } : {}),
    ...(random.chance(0.15) ? { deadlineMillis: random.pick([200, 3_000, 15_000, 40_000]) } : {}),
    ...(random.chance(0.15) ? { queueTimeoutMillis: random.pick([50, 500, 5_000, 20_000]) } : {}),
    ...(random.chance(0.2) ? { retentionMillis: random.pick([1_000, 10_000, 60_000, 100_000]) } : {}),
  };
}

function drawHalt(random: Random): NonNullable<Spec['haltOn']> {
  if (random.chance(0.6)) return { failures: random.int(1, 6) };
  const share = random.pick([0.002, 0.02, 0.3, 1]);
  return random.chance(0.3) ? { share, failures: random.int(3, 30) } : { share };
}

function someOf(random: Random, plans: readonly JobPlan[]): readonly JobPlan[] {
  const left = [...plans];
  const some: JobPlan[] = [];
  for (let n = random.int(1, 2); n > 0 && left.length > 0; n--)
    some.push(...left.splice(random.int(0, left.length - 1), 1));
  return some;
}
