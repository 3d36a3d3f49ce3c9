/** What the tasks of a plan get and give: pure functions of its seed and the index, so anybody can check any result. */
import { hash } from 'node:crypto';
import type { SubmitOptions, TaskResult } from '@hive/client';
import { generateBytes } from '@hive/shared/node';
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

export function submissionOf(plan: Plan): SubmitOptions {
  const { id, work, count, isAttached, options, size } = plan;
  const common = {
    ...options,
    id,
    attached: isAttached,
    crashLimit: CRASH_LIMIT,
    name: `${work} ${id.slice(0, 8)}`,
  };
  switch (work) {
    case 'generate':
      return { ...common, kind: 'hash', params: { generate: size }, range: rangeOf(plan) };
    case 'range':
      return { ...common, kind: 'echo', range: rangeOf(plan) };
    default:
      return { ...common, kind: kindOf(plan), inputs: inputsOf(plan, count) };
  }
}

export function kindOf({ work }: Plan): string {
  if (work === 'echo' || work === 'calls') return 'echo';
  return work === 'sleep' || work === 'endless' ? 'sleep' : 'hash';
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
      return isBlemished(plan, index) ? { n } : textOf(n, size);
    case 'hash':
      return textOf(n, size);
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
  if (work === 'blemished' && isBlemished(plan, index)) return { outcome: 'failed' };
  const input = inputOf(plan, index);
  if (work === 'generate') {
    return { outcome: 'succeeded', value: hash('sha256', generateBytes(input as number, size)) };
  }
  const isHash = work === 'hash' || work === 'blemished';
  return { outcome: 'succeeded', value: isHash ? hash('sha256', input as string) : input };
}

/** How many tasks of a plan end well. */
export function successesOf(plan: Plan): number {
  if (plan.work === 'endless') return 0;
  if (plan.work !== 'blemished') return plan.count;
  let successes = 0;
  for (let i = 0; i < plan.count; i++) if (!isBlemished(plan, i)) successes++;
  return successes;
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

export function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 80) ?? 'nothing';
