/** What the tasks of a plan get and give: pure functions of its seed and the index, so anybody can check any result. */
import { hash } from 'node:crypto';
import type { SubmitOptions, TaskResult } from '@hive/client';
import { generateBytes } from '@hive/shared/node';
import { composed, steps, stepsOf } from './folded.task.ts';
import { foldedProblem } from './folded.ts';
import { composedOf } from './graphs.ts';
import type { Plan } from './plan.ts';
import { mix } from './random.ts';

/** Every so many inputs of a `blemished` job one is wrong. */
const BLEMISH_EVERY = 7;
/** An `endless` task would run as long as this. */
const ENDLESS_MILLIS = 3_600_000;
/** A task must not end as crashed because its Drones were killed: that is what this program does all the time. */
const CRASH_LIMIT = 1_000_000;

/** What is right for one task. */
export type Expected =
  | { readonly outcome: 'succeeded'; readonly value: unknown }
  | { readonly outcome: 'failed' | 'timedOut' };

/** What is asked of a job, whatever its tasks are. */
export function settingsOf({ id, work, isAttached, options }: Plan) {
  const name = `${work} ${id.slice(0, 8)}`;
  const raw = work === 'bulky' ? { encoding: 'raw' as const } : {};
  return { ...options, ...raw, id, attached: isAttached, crashLimit: CRASH_LIMIT, name };
}

/** Of a job that is no graph. */
export function submissionOf(plan: Plan): SubmitOptions {
  const { work, count, size } = plan;
  const common = settingsOf(plan);
  switch (work) {
    case 'generate':
      return { ...common, kind: 'hash', params: { generate: size }, range: rangeOf(plan) };
    case 'folded':
      return { ...common, kind: steps, range: rangeOf(plan), reduce: composed };
    case 'range':
      return { ...common, kind: 'echo', range: rangeOf(plan) };
    default:
      return { ...common, kind: kindOf(plan), inputs: inputsOf(plan, count) };
  }
}

const KINDS: { readonly [W in Plan['work']]?: string } = {
  echo: 'echo',
  range: 'echo',
  calls: 'echo',
  graph: 'echo',
  bulky: 'echo',
  sleep: 'sleep',
  endless: 'sleep',
};

export function kindOf({ work }: Plan): string {
  return KINDS[work] ?? 'hash';
}

function rangeOf({ seed, count }: Plan): { start: number; step: number; count: number } {
  return { start: seed, step: 1 + (seed % 5), count };
}

function* inputsOf(plan: Plan, count: number): Generator<unknown> {
  for (let index = 0; index < count; index++) yield inputOf(plan, index);
}

export function inputOf(plan: Plan, index: number): unknown {
  const { work, seed, size } = plan;
  const n = mix(seed, index);
  switch (work) {
    case 'sleep':
      return n % (size + 1);
    case 'endless':
      return ENDLESS_MILLIS;
    case 'blemished':
    case 'halting':
      return isBlemished(plan, index) ? { n } : textOf(n, size);
    case 'hash':
    case 'graph':
    case 'hopeless':
      return textOf(n, size);
    case 'large':
    case 'bulky':
      return generateBytes(n, size - (n % 1_000));
    case 'echo':
    case 'calls':
      if (n % 3 === 0) return n;
      return n % 3 === 1 ? textOf(n, size) : { n, list: [index, null, n % 2 === 0], text: textOf(n, size) };
    default: {
      const { start, step } = rangeOf(plan);
      return start + index * step;
    }
  }
}

/** Up to `size` characters, not all of one byte. */
function textOf(n: number, size: number): string {
  return `${n}é`.repeat(Math.ceil(size / 8)).slice(0, 1 + (n % size));
}
const isBlemished = ({ seed }: Plan, index: number): boolean => mix(seed, index) % BLEMISH_EVERY === 0;

export function expectedOf(plan: Plan, index: number): Expected {
  const { work, size } = plan;
  if (work === 'endless') return { outcome: 'timedOut' };
  if (isFailing(plan, index)) return { outcome: 'failed' };
  if (work === 'graph')
    return { outcome: 'succeeded', value: composedOf(index, (task) => inputOf(plan, task)) };
  const input = inputOf(plan, index);
  if (work === 'generate') {
    return { outcome: 'succeeded', value: hash('sha256', generateBytes(input as number, size)) };
  }
  if (work === 'folded') return { outcome: 'succeeded', value: stepsOf(input as number, index) };
  const isHash = kindOf(plan) === 'hash';
  return { outcome: 'succeeded', value: isHash ? hash('sha256', input as string | Uint8Array) : input };
}

/** How many tasks of a plan end well. */
export function successesOf(plan: Plan): number {
  if (plan.work === 'endless') return 0;
  let successes = plan.count;
  for (let i = 0; i < plan.count; i++) if (isFailing(plan, i)) successes--;
  return successes;
}
/** A task that fails for good, whoever runs it. */
function isFailing(plan: Plan, index: number): boolean {
  const { work } = plan;
  return work === 'hopeless' || ((work === 'blemished' || work === 'halting') && isBlemished(plan, index));
}
/** So many failures end the job before its time; null if they do not come. */
export function haltsAfter(plan: Plan): number | null {
  const failures = plan.options.haltOn?.failures;
  if (failures === undefined || plan.count - successesOf(plan) < failures) return null;
  return failures;
}
/** Whether some of its tasks may have no outcome in the end. */
export function isPartial(plan: Plan): boolean {
  return plan.cancelAfterMillis !== null || haltsAfter(plan) !== null;
}

/** What is wrong with a result, or null. */
export function problemOf(plan: Plan, result: TaskResult): string | null {
  const { index, outcome } = result;
  if (index >= plan.count) return `a result for task ${index}, but there are only ${plan.count} tasks`;
  const expected = expectedOf(plan, index);
  if (outcome !== expected.outcome) {
    return `task ${index} is ${outcome} (${result.error?.message ?? 'no error'}), not ${expected.outcome}`;
  }
  if (expected.outcome !== 'succeeded' || isSame(result.value, expected.value)) return null;
  return `task ${index} gave ${show(result.value)}, not ${show(expected.value)}`;
}

/** Of a job that is folded: its results are one value. */
export const isFolded = ({ work }: Plan): boolean => work === 'folded';
/** What is wrong with that, or null. */
export const problemOfValue = (plan: Plan, value: unknown): string | null =>
  foldedProblem(plan.count, (index) => inputOf(plan, index) as number, value);

export function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
const show = (value: unknown): string =>
  value instanceof Uint8Array ? `${value.length} bytes` : (JSON.stringify(value)?.slice(0, 80) ?? 'nothing');
