/**
 * A lease: an ordered run of one job's tasks given to one place of one Drone. What is reported of it is a prefix.
 *
 * States: `waiting` (assigned behind another lease, holds no place of its own), `running` (has a place), `lost` (its
 * Drone is gone; its tasks went back, but successes that it still reports count), `cancelled` (nothing it reports
 * counts; it only holds its place until the Drone says that it has ended).
 */

import {
  type Incarnation,
  InvariantError,
  type LeaseNumber,
  LIMITS,
  type Message,
  type Millis,
  type PeerId,
} from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { Fold } from './folds.ts';
import type { Job } from './job.ts';

/** Clocks do not run alike. */
const CLOCK_SPARE_MILLIS = 1_000;

export type LeaseState = 'waiting' | 'running' | 'lost' | 'cancelled';

export class Lease {
  readonly number: LeaseNumber;
  readonly job: Job;
  /** The Drone that it was given to; its `DroneState` changes when that Drone comes back. */
  drone: DroneState;
  readonly peer: PeerId;
  /** first, count, first, count, … in the order in which the tasks start. */
  readonly ranges: readonly number[];
  /** Positions below this were reported. */
  done = 0;
  /** Positions from this on were given back. */
  end: number;
  state: LeaseState;
  readonly assignedAt: Millis;
  /** When it got its place, as far as the Queen knows. */
  startedAt: Millis;
  /** The lease that waits for this one's place. */
  next: Lease | null = null;
  /** The lease for whose place this one waits. */
  previous: Lease | null = null;
  /** A Retract is under way. */
  isRetracting = false;
  /** Not worth another Retract before this time. */
  retractAgainAt: Millis = 0;
  /** Expected slot time that the job was charged, and what was reported, in milliseconds. */
  chargedMillis: number;
  busyMillis = 0;
  /** Processes that were lost with these tasks before; at least 2: it is alone on its Drone. */
  losses = 0;
  /** What its Drone has asked of the owner's client and not got yet; asked again when the client has come back. */
  pulls: Map<string, Message<'StreamGet'>> | null = null;
  /** What it folds, if it runs no tasks: its one position stands for that. */
  fold: Fold | null = null;
  /** The opening of the store in which it was assigned, when that is not this one. */
  incarnation: Incarnation | null = null;

  constructor(
    number: LeaseNumber,
    job: Job,
    drone: DroneState,
    ranges: readonly number[],
    state: 'waiting' | 'running',
    now: Millis,
    chargedMillis: number,
  ) {
    this.number = number;
    this.job = job;
    this.drone = drone;
    this.peer = drone.peer;
    this.ranges = ranges;
    let length = 0;
    for (let i = 1; i < ranges.length; i += 2) length += ranges[i]!;
    this.end = length;
    this.state = state;
    this.assignedAt = now;
    this.startedAt = now;
    this.chargedMillis = chargedMillis;
  }

  /** Whether its reports count in full. */
  get isLive(): boolean {
    return this.state === 'running' || this.state === 'waiting';
  }
  /** Tasks that were neither reported nor given back. */
  get open(): number {
    return this.end - this.done;
  }

  /** Its Drone says that it has worked for so long: no longer than it had the lease, or its job would wait for what was never done. */
  worked(millis: Millis, now: Millis): void {
    const most = now - Math.min(this.assignedAt, this.startedAt) + CLOCK_SPARE_MILLIS;
    this.busyMillis = Math.min(this.busyMillis + millis, most);
  }

  /** Index of the task at a position. */
  indexAt(position: number): number {
    const { ranges } = this;
    let left = position;
    for (let i = 0; i < ranges.length; i += 2) {
      const count = ranges[i + 1]!;
      if (left < count) return ranges[i]! + left;
      left -= count;
    }
    throw new InvariantError(`lease ${this.number} has no position ${position}`);
  }

  /** How many positions from `position` on are contiguous indices. */
  runAt(position: number): number {
    let left = position;
    for (let i = 0; i < this.ranges.length; i += 2) {
      const count = this.ranges[i + 1]!;
      if (left < count) return count - left;
      left -= count;
    }
    return 0;
  }

  /** The task indices of positions [from, to) as intervals, in the order in which they start. */
  *intervals(from: number, to: number): Generator<readonly [first: number, end: number]> {
    let start = 0;
    for (let i = 0; i < this.ranges.length; i += 2) {
      const count = this.ranges[i + 1]!;
      const low = Math.max(from, start);
      const high = Math.min(to, start + count);
      if (low < high) yield [this.ranges[i]! + low - start, this.ranges[i]! + high - start];
      start += count;
    }
  }
}

/**
 * The job pays for the slot time that was reported, not for what was expected: called when a lease ends or its Drone is
 * lost. A lease that lives again after that is settled again.
 */
export function settleCharge(lease: Lease): void {
  const { job } = lease;
  const used = lease.busyMillis * job.slots;
  job.virtualTime = Math.max(0, job.virtualTime + (used - lease.chargedMillis) / job.weight);
  lease.chargedMillis = used;
}

/** Tasks of a lease are given back: their share of what it was charged and has not used is, too. */
export function creditBack(lease: Lease, tasks: number): void {
  const { job } = lease;
  const unused = Math.max(0, lease.chargedMillis - lease.busyMillis * job.slots);
  const credit = lease.open === 0 ? 0 : unused * Math.min(1, tasks / lease.open);
  job.virtualTime = Math.max(0, job.virtualTime - credit / job.weight);
  lease.chargedMillis -= credit;
}

/** Whether a live lease, other than `without`, still has this task to report. Looks at all leases of the job. */
export function isLeased(job: Job, index: number, without: Lease | null = null): boolean {
  for (const lease of job.leases) {
    if (lease === without || !lease.isLive) continue;
    for (const [first, end] of lease.intervals(lease.done, lease.end)) {
      if (index >= first && index < end) return true;
    }
  }
  return false;
}

/** Marks a running lease as one that may get a successor, if it is expected to end soon. */
export function noteShort(lease: Lease): void {
  const { drone, job } = lease;
  if (lease.state !== 'running' || lease.next !== null || job.slots !== 1 || lease.fold !== null) return;
  if (job.spec.nested === true) return;
  const rate = job.rateOf(drone.peer);
  if (rate !== undefined && rate.millisPerTask * lease.open < LIMITS.prefetchMillisMax)
    drone.profile.short.add(lease);
}
