/**
 * One lease as the agent sees it, from TaskAssign to its end. Positions count its tasks in the order in which they start;
 * only here are positions turned into indices and back.
 *
 * Stages: `waiting` (assigned behind another lease; left when its place is free, or by Retract or CancelTask),
 * `running` (in a slot; left when the slot says that it has ended, or dies), `over` (nothing more is said of it).
 */
import {
  type Incarnation,
  type JobId,
  type LeaseNumber,
  LIMITS,
  type Message,
  ProtocolError,
  type QueenId,
  readU32,
  type SessionNumber,
  type Spec,
  type Streamed,
} from '@hive/shared';
import type { OutputFile, RunNumber, RunningTask, SlotNumber } from './events.ts';

/** Why and when the agent ends a thread, and the task that is to blame, if that is still the one that runs. */
export interface Kill {
  readonly position: number;
  readonly outcome: 'timedOut' | 'cancelled';
  readonly message: string;
}

/** A task that runs. */
export interface TaskSeen {
  readonly position: number;
  readonly since: number;
  /** Since when a user's function folds; null: it does not. */
  readonly foldingSince: number | null;
}

/** A sample of a slot. */
export function taskSeen({ position, runningMillis, foldingMillis }: RunningTask, now: number): TaskSeen {
  const foldingSince = foldingMillis === undefined ? null : now - foldingMillis;
  return { position, since: now - runningMillis, foldingSince };
}

export type Stage =
  | { readonly at: 'waiting' }
  | {
      readonly at: 'running';
      readonly run: RunNumber;
      readonly slot: SlotNumber;
      readonly startedAt: number;
      /** The task that the last sample saw, and since when it has run. */
      task: TaskSeen | null;
      sampleAt: number;
      isPaused: boolean;
      kill: Kill | 'unwanted' | null;
    }
  | { readonly at: 'over' };

export interface Lease {
  readonly queen: QueenId;
  readonly incarnation: Incarnation;
  /** In which it was given. */
  readonly session: SessionNumber;
  readonly number: LeaseNumber;
  readonly job: JobId;
  readonly spec: Spec;
  readonly ranges: readonly number[];
  readonly count: number;
  /** Inputs by position; empty for range jobs. */
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
  readonly streams: readonly Streamed[];
  /** Tasks of it that were tried before: index, number of this attempt, … */
  readonly attempts: readonly number[];
  /** With which its task may submit work; null: it may not. */
  readonly token: Uint8Array | null;
  /** It folds values, and has one task. */
  readonly isFold: boolean;
  /** Tasks that are still its own: positions [0, end). Only falls. */
  end: number;
  /** Tasks whose results were taken from the slot: positions [0, done). */
  done: number;
  stage: Stage;
  /** Since when its results are not wanted; null while they are. */
  cancelledAt: number | null;
  /** Nothing was started when it was taken back, so its end is not announced. */
  isSilent: boolean;
  /** Retracts of the Queen that the slot has not answered. */
  retractsAsked: number;
  /** Tasks that were cancelled one by one, and when. */
  readonly aborts: Map<number, { readonly at: number; readonly reason: string }>;
  /** Parts of streams that were asked for and have not come, by position and offset. */
  readonly pulls: Map<
    string,
    { readonly position: number; readonly offset: number; readonly length: number }
  >;
  /** Where its outputs over 1 MiB are, by index. */
  readonly outputs: Map<number, OutputFile>;
  /** Text for people: the input of its one task, when it is shown. */
  display: string | null;
  /** Of a single task that is shown and has finished. */
  result: ResultTexts;
  isShown: boolean;
}

/** What people see of a result: the short text, which the Queen gets too, and all of it if that was asked for. */
export interface ResultTexts {
  readonly display?: string;
  readonly value?: string;
}
const NO_TEXTS: ResultTexts = {};

/** @throws ProtocolError when the assignment does not add up */
export function leaseOf(
  message: Message<'TaskAssign'>,
  owner: { queen: QueenId; incarnation: Incarnation; session: SessionNumber },
  spec: Spec,
): Lease {
  const count = countOf(message.ranges);
  const { sizes = 0, data = new Uint8Array(0) } = message;
  const isFold = message.fold !== undefined;
  if (isFold && count !== 1) throw new ProtocolError('a fold of several positions');
  if (spec.range === undefined || isFold) checkInputs(count, sizes, data);
  return {
    ...owner,
    number: message.lease,
    job: message.job,
    spec,
    ranges: message.ranges,
    count,
    sizes,
    data,
    streams: message.streams ?? [],
    attempts: message.attempts ?? [],
    token: message.token ?? null,
    isFold,
    end: count,
    done: 0,
    stage: { at: 'waiting' },
    cancelledAt: null,
    isSilent: false,
    retractsAsked: 0,
    aborts: new Map(),
    pulls: new Map(),
    outputs: new Map(),
    display: null,
    result: NO_TEXTS,
    isShown: false,
  };
}

/** Slots that a lease of this job takes. */
export const slotsOf = (spec: Spec): number => spec.slots ?? 1;

function countOf(ranges: readonly number[]): number {
  if (ranges.length === 0 || ranges.length % 2 !== 0) throw new ProtocolError('a lease without whole ranges');
  let count = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const [first, length] = [ranges[i]!, ranges[i + 1]!];
    if (length === 0 || !Number.isSafeInteger(first + length))
      throw new ProtocolError('a lease with a bad range');
    count += length;
  }
  if (count > LIMITS.leaseTasksMax) throw new ProtocolError(`a lease of ${count} tasks`, 'tooLarge');
  return count;
}

function checkInputs(count: number, sizes: number | Uint8Array, data: Uint8Array): void {
  let total = 0;
  if (typeof sizes === 'number') total = sizes * count;
  else if (sizes.length !== count * 4) throw new ProtocolError('the sizes of a lease do not fit its ranges');
  else for (let at = 0; at < sizes.length; at += 4) total += readU32(sizes, at);
  if (total !== data.length) throw new ProtocolError('the sizes of a lease do not add up to its data');
}

/** Index of the task at a position; the position may not pass the last task. */
export function indexAt(lease: { readonly ranges: readonly number[] }, position: number): number {
  let before = 0;
  const { ranges } = lease;
  for (let i = 0; i < ranges.length; i += 2) {
    if (position < before + ranges[i + 1]!) return ranges[i]! + position - before;
    before += ranges[i + 1]!;
  }
  return ranges[ranges.length - 2]! + ranges[ranges.length - 1]!;
}

/** Position of the task with an index, or null. */
export function positionOf(lease: { readonly ranges: readonly number[] }, index: number): number | null {
  let before = 0;
  const { ranges } = lease;
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i]!;
    const count = ranges[i + 1]!;
    if (index >= first && index < first + count) return before + index - first;
    before += count;
  }
  return null;
}

/** First position after `position` at which another range begins, or the end of the lease. */
export function rangeEnd(lease: { readonly ranges: readonly number[] }, position: number): number {
  let before = 0;
  const { ranges } = lease;
  for (let i = 0; i < ranges.length; i += 2) {
    before += ranges[i + 1]!;
    if (position < before) return before;
  }
  return before;
}

/** What a slot must know of a lease to run it. */
export function partsOf(lease: Lease) {
  const { queen, job, spec, ranges, end, sizes, data, streams, isFold, attempts, number, token } = lease;
  return {
    ...{ queen, job, spec, ranges, end, sizes, data, streams, isFold },
    ...(attempts.length === 0 ? {} : { attempts }),
    ...(token === null ? {} : { pass: { lease: number, token } }),
  };
}
