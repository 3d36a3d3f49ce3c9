/**
 * What a simulated job is, decided beforehand from the seed: its inputs, what every attempt of every task does and how
 * long it takes, the right result, and how its client behaves. The auditor knows it too, and so knows what must come out.
 */
import { encodeMsgpack, type JobId, type Spec, writeU32 } from '@hive/shared';
import { digest, type GraphShape, parentsIn } from './graph-plan.ts';
import type { NestedShape } from './nested/nested-plan.ts';
import { mix } from './random.ts';
import { foldable } from './reduce-plan.ts';

/** How one attempt of a task goes. */
export interface Attempt {
  readonly millis: number;
  readonly ends: 'succeeds' | 'finishes' | 'fails' | 'failsForGood' | 'crashes';
  /** It stops when it is told to; else its thread has to be killed. */
  readonly isPolite: boolean;
}

/** Shares of tasks, in thousandths, that go wrong in one way or another. */
export interface Troubles {
  /** Fail once or twice and then succeed. */
  readonly flaky: number;
  /** Fail at every attempt. */
  readonly broken: number;
  /** Fail with `retryable: false`. */
  readonly hopeless: number;
  /** Kill their thread once. */
  readonly crashing: number;
  /** Never end by themselves; only in jobs with a limit per attempt. */
  readonly hanging: number;
  /** Do not listen when they are cancelled. */
  readonly rude: number;
}
export const NO_TROUBLES: Troubles = { flaky: 0, broken: 0, hopeless: 0, crashing: 0, hanging: 0, rude: 0 };

export interface JobPlan {
  readonly id: JobId;
  /** Short name for the trace. */
  readonly name: string;
  readonly seed: number;
  readonly spec: Spec;
  readonly count: number;
  /** Milliseconds that a task takes, from and to; a power law in between. */
  readonly millis: readonly [low: number, high: number];
  /** Input bytes per task at most, and whether all inputs are equally long. */
  readonly inputBytes: number;
  readonly isUniform: boolean;
  /** Bytes added to each result. */
  readonly padBytes: number;
  readonly troubles: Troubles;
  /** Share of the tasks, in thousandths, that end the job with their value. */
  readonly finishing?: number;
  /** What its tasks submit and wait for; absent where they do not. */
  readonly nested?: NestedShape;
  /** What depends on what; absent where nothing does. */
  readonly graph?: GraphShape;
}

/** The parents of a task, all with lower indices. */
export function parentsOf({ graph, seed }: JobPlan, index: number): readonly number[] {
  return graph === undefined ? [] : parentsIn(graph, seed, index);
}

/** 32 bits that depend on everything given. */
export function hash(...values: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const value of values) h = mix(Math.imul(h, 31) ^ (value >>> 0) ^ Math.floor(value / 2 ** 32));
  return h;
}

/** The input of a task, encoded. */
export function inputOf(plan: JobPlan, index: number): Uint8Array {
  const { range } = plan.spec;
  if (range !== undefined) return encodeMsgpack(range.start + index * range.step);
  const size = plan.isUniform ? plan.inputBytes : hash(plan.seed, index, 1) % (plan.inputBytes + 1);
  const bytes = new Uint8Array(size);
  let word = hash(plan.seed, index, 2);
  for (let i = 0; i < size; i++) {
    bytes[i] = word & 0xff;
    word = i % 4 === 3 ? mix(word + i) : word >>> 8;
  }
  return bytes;
}

/** What a task makes of its input: the bytes themselves must have arrived for the result to be right. */
export function transform(plan: JobPlan, input: Uint8Array): Uint8Array {
  if (plan.graph !== undefined) return summaryOf(plan, input);
  if (plan.spec.reduce !== undefined) return encodeMsgpack(foldable(plan.spec.reduce.op, digest(input)));
  const result = new Uint8Array(input.length + 1 + plan.padBytes);
  result[0] = plan.seed & 0xff;
  for (let i = 0; i < input.length; i++) result[i + 1] = input[i]! ^ 0x5a;
  return result;
}
/** Of a graph job, whose inputs hold results: results that do not grow from one generation to the next. */
function summaryOf(plan: JobPlan, input: Uint8Array): Uint8Array {
  const result = new Uint8Array(5 + plan.padBytes);
  result[0] = plan.seed & 0xff;
  writeU32(result, 1, digest(input));
  return result;
}
/** Of a job that is no graph: what a task gives. */
export function resultOf(plan: JobPlan, index: number): Uint8Array {
  return transform(plan, inputOf(plan, index));
}

/** How the n-th execution of a task goes, counted from 1 over the whole cluster. */
export function attemptOf(plan: JobPlan, index: number, n: number): Attempt {
  const { troubles } = plan;
  const luck = hash(plan.seed, index, 3) % 1000;
  const isPolite = hash(plan.seed, index, 4) % 1000 >= troubles.rude;
  const attempt = { millis: millisOf(plan, index, n), isPolite };
  const trouble = troubleOf(troubles, luck);
  if (trouble === 'flaky' && n <= 1 + (luck & 1)) return { ...attempt, ends: 'fails' };
  if (trouble === 'broken') return { ...attempt, ends: 'fails' };
  if (trouble === 'hopeless') return { ...attempt, ends: 'failsForGood' };
  if (trouble === 'crashing' && n <= 1) return { ...attempt, ends: 'crashes' };
  if (trouble === 'hanging' && n <= 2) return { ...attempt, millis: HANG_MILLIS, ends: 'succeeds' };
  return { ...attempt, ends: isFinishing(plan, index) ? 'finishes' : 'succeeds' };
}
/** Whether a task, where it succeeds, ends its job. */
export function isFinishing({ seed, finishing = 0 }: JobPlan, index: number): boolean {
  return hash(seed, index, 8) % 1000 < finishing;
}
/** How the n-th execution of a fold goes; `first` is the first of its tasks. */
export function foldAttemptOf({ seed, millis, troubles }: JobPlan, first: number, n: number): Attempt {
  const luck = hash(seed, first, n, 9) % 1000;
  const ends =
    luck < troubles.flaky ? 'fails' : luck < troubles.flaky + troubles.crashing ? 'crashes' : 'succeeds';
  return { millis: Math.min(millis[1], 500) * (luck / 1000), ends, isPolite: true };
}

const HANG_MILLIS = 1e9;

function troubleOf(troubles: Troubles, luck: number): keyof Troubles | null {
  let below = 0;
  for (const trouble of ['flaky', 'broken', 'hopeless', 'crashing', 'hanging'] as const) {
    below += troubles[trouble];
    if (luck < below) return trouble;
  }
  return null;
}

function millisOf({ seed, millis: [low, high] }: JobPlan, index: number, n: number): number {
  if (high === low) return low;
  const luck = hash(seed, index, n, 5) / 2 ** 32;
  return low + (high - low) * luck ** 3;
}
