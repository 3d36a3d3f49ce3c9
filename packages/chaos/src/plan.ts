/**
 * What a client is told to do, as plain data that travels to its process: a job whose every input, and every result that
 * is right, is a function of the plan's seed and the task's index (`work.ts`).
 */
import type { JobId } from '@hive/client';
import { jobId } from '@hive/shared';
import type { Random } from './random.ts';

/** What the tasks are; `work.ts` says what each gives. */
export type Work =
  | 'echo'
  | 'hash'
  /** A range job over seeds; the bytes are made on the Drone. */
  | 'generate'
  /** A range job, echoed. */
  | 'range'
  | 'sleep'
  /** Hashing in which some inputs are wrong, so some tasks fail for good. */
  | 'blemished'
  /** As `blemished`, and given up after a few failures: some tasks never run. */
  | 'halting'
  /** Tasks that depend on one another, echoed: results are what was handed from task to task. */
  | 'graph'
  /** A graph in which every task fails, be it for its parents. */
  | 'hopeless'
  /** Inputs over 1 MiB, which the Drones pull from the client. */
  | 'large'
  /** Values over 1 MiB, echoed: their way in and out is through files at the Queen. */
  | 'bulky'
  /** A range job over a function, whose results are folded with another one of the same file. */
  | 'folded'
  /** Every attempt runs into its time limit, is tried again, and ends as timed out. */
  | 'endless'
  /** Single calls, many in flight; nobody but their client knows of them. */
  | 'calls';

export interface Plan {
  readonly id: JobId;
  readonly work: Work;
  readonly seed: number;
  readonly count: number;
  /** Characters that each text has at most. */
  readonly size: number;
  readonly isAttached: boolean;
  readonly options: {
    readonly priority?: number;
    readonly weight?: number;
    readonly slots?: number;
    readonly retries?: number;
    readonly attemptTimeout?: number;
    readonly backoff?: number;
    readonly backoffMax?: number;
    readonly labels?: { readonly [name: string]: string };
    readonly haltOn?: { readonly failures: number };
    /** Ids of jobs that come first, with ":end" where any end will do. */
    readonly after?: readonly string[];
  };
  /** Whether whoever submits it reads its results in order, as they finish, slowly, or leaves them to others. */
  readonly reading: 'ordered' | 'asFinished' | 'slow' | 'none';
  /** It is cancelled by somebody else this long after it was accepted. */
  readonly cancelAfterMillis: number | null;
}

/** @param slotsMax slots of the smallest Drone that a wide task must fit */
export function drawPlan(random: Random, slotsMax: number): Plan {
  const work = random.pick(MIX);
  const { count, size } = SIZES[work](random);
  const isAttached = work === 'calls' || work === 'large' || (work !== 'bulky' && random.chance(0.5));
  const reading = isAttached
    ? random.pick(['ordered', 'asFinished', 'asFinished', 'slow'] as const)
    : random.pick(['none', 'none', 'ordered', 'asFinished'] as const);
  const mayCancel = work !== 'calls' && random.chance(0.12);
  return {
    id: drawId(random),
    work,
    seed: random.int(0, 2 ** 32 - 1),
    count,
    size,
    isAttached,
    options: optionsOf(random, work, slotsMax),
    reading,
    cancelAfterMillis: mayCancel ? Math.round(random.exponential(600)) : null,
  };
}

/** How often each kind of work is drawn. */
const MIX: readonly Work[] = [
  ...(['echo', 'echo', 'echo', 'hash', 'hash', 'generate', 'generate', 'range'] as const),
  ...(['sleep', 'sleep', 'sleep', 'blemished', 'endless', 'calls', 'calls'] as const),
  ...(['graph', 'graph', 'hopeless', 'halting', 'large', 'large', 'bulky', 'bulky'] as const),
  ...(['folded', 'folded', 'folded'] as const),
];

const SIZES: Readonly<Record<Work, (random: Random) => { count: number; size: number }>> = {
  echo: (random) => {
    const size = random.magnitude(4, 20_000);
    return { size, count: random.magnitude(1, Math.min(50_000, Math.floor(8_000_000 / size))) };
  },
  hash: (random) => ({ size: random.magnitude(16, 4_000), count: random.magnitude(1, 3_000) }),
  generate: (random) => ({ size: random.magnitude(64, 262_144), count: random.magnitude(1, 400) }),
  range: (random) => ({ size: 0, count: random.magnitude(1, 200_000) }),
  sleep: (random) => ({ size: random.magnitude(10, 2_500), count: random.magnitude(1, 30) }),
  blemished: (random) => ({ size: 64, count: random.magnitude(2, 5_000) }),
  halting: (random) => ({ size: 64, count: random.magnitude(20, 5_000) }),
  graph: (random) => ({ size: random.magnitude(8, 500), count: random.magnitude(6, 600) }),
  hopeless: (random) => ({ size: 8, count: random.magnitude(6, 300) }),
  large: (random) => ({ size: random.int(1_050_000, 3_000_000), count: random.int(1, 5) }),
  bulky: (random) => ({ size: random.int(1_050_000, 3_000_000), count: random.int(1, 5) }),
  folded: (random) => ({ size: 0, count: random.magnitude(1, 20_000) }),
  endless: (random) => ({ size: 0, count: random.int(1, 4) }),
  calls: (random) => ({ size: 64, count: random.magnitude(10, 3_000) }),
};

function optionsOf(random: Random, work: Work, slotsMax: number): Plan['options'] {
  return {
    ...(random.chance(0.3) ? { priority: random.int(-5, 5) } : {}),
    ...(random.chance(0.3) && work !== 'calls' ? { weight: random.magnitude(1, 100) } : {}),
    ...((work === 'sleep' || work === 'folded') && random.chance(0.3)
      ? { slots: random.int(1, slotsMax) }
      : {}),
    ...(work === 'endless'
      ? { attemptTimeout: random.int(50, 300), retries: random.int(0, 2), backoff: 100 }
      : {}),
    // A Drone that finds the client away counts a failed attempt.
    ...(work === 'large' ? { retries: 1_000, backoff: 100, backoffMax: 500 } : {}),
    ...(work === 'halting' ? { haltOn: { failures: random.int(1, 5) } } : {}),
    // Every Drone here has them; jobs that ask for them wait in lines of their own.
    ...(random.chance(0.2) ? { labels: { os: process.platform, arch: process.arch } } : {}),
  };
}

/** A job of which others may come after the end, or after the success: nobody cancels it, and it needs no client. */
export interface Forerunner {
  readonly plan: Plan;
  readonly succeeds: boolean;
}
const AFTER_SHARE = 0.25;

/** The same job, now and then to start when some others have ended. */
export function maybeAfter(random: Random, plan: Plan, others: readonly Forerunner[]): Plan {
  if (plan.work === 'calls' || others.length === 0 || !random.chance(AFTER_SHARE)) return plan;
  const chosen = new Set([random.pick(others), random.pick(others)]);
  const after = [...chosen].map(({ plan: { id }, succeeds }) => (succeeds ? id : `${id}:end`));
  return { ...plan, options: { ...plan.options, after } };
}

/** A UUIDv7 by its form; its time is of no importance here. */
function drawId(random: Random): JobId {
  const hex = (digits: number) =>
    random
      .int(0, 16 ** digits - 1)
      .toString(16)
      .padStart(digits, '0');
  return jobId(`${hex(8)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`);
}
