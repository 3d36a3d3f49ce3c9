/**
 * Hands out leases at the end of a turn: first to every free place, then one more behind every running lease that is
 * expected to end soon, so that the network is hidden. Chooses the length of each lease; nobody else does.
 *
 * Invariant (G5): when this returns, no ready task is left while a fitting place is free, but for reservations.
 */
import { LIMITS, leaseNumber, type Message, type Millis } from '@hive/shared';
import { suspectAt, takeSuspect } from './blame.ts';
import type { DroneState, Profile } from './drone.ts';
import { boundSpecs } from './ending.ts';
import { failForSize, fittingParents, partsOf } from './graph-jobs.ts';
import { gapLength } from './held-back.ts';
import type { Job, Rate } from './job.ts';
import { Lease, noteShort } from './lease.ts';
import { maybeWatchOn } from './live-output.ts';
import { isEmptyFor, isFullOf } from './nested.ts';
import type { State } from './state.ts';
import type { InputRef } from './types.ts';

/** The lease may carry this many returned runs; more would make its frame, not its work, the cost. */
const RANGES_PER_LEASE = 8;
/** Tasks by which a job's lease mark is ahead of what was leased, at least. */
const MARK_AHEAD_MIN = 64;
/** For so long a retry is kept for another Drone than the one where the task failed. */
const ELSEWHERE_MILLIS = 1_000;
const RETRIES_LOOKED_AT = 256;
const NO_TOKEN = new Uint8Array(0);

export function assignLeases(state: State): void {
  if (state.ready.size === 0) return;
  // Slots that were kept for a wide task are looked at again when it has found its place elsewhere.
  do {
    state.hasLiftedReservation = false;
    for (const profile of state.profiles.values()) fillPlaces(state, profile);
    if (state.ready.size === 0) return;
    for (const profile of state.profiles.values()) prefetch(state, profile);
  } while (state.hasLiftedReservation);
}

/** One lease to each free Drone in turn, so that work spreads before it piles up. */
function fillPlaces(state: State, profile: Profile): void {
  for (const drone of profile.free) {
    // Drones that are put back at the end of the set are visited again: the set is its own queue.
    if (drone.keptFor !== null && !giveToSuspect(state, drone, drone.keptFor)) continue;
    if (!drone.mayGetWork || drone.credit === 0) continue;
    if (giveBest(state, profile, drone)) {
      profile.free.delete(drone);
      drone.update();
    } else if (state.ready.best(profile) === null) return;
  }
}

/** Gives a Drone a lease of the first job in line that has something for it. False when none has. */
function giveBest(state: State, profile: Profile, drone: DroneState): boolean {
  const skipped: Job[] = [];
  let isGiven = false;
  let isHead = true;
  for (let job = state.ready.best(profile); job !== null; job = state.ready.best(profile)) {
    // What this Drone may get no more of now keeps no slots, and holds nobody up: it may wait for what stands behind it.
    const isFull = job.spec.nested === true && isFullOf(state, drone, job);
    if (drone.credit >= job.slots) isGiven = giveLease(state, drone, job, null);
    else if (isHead && !isFull && reserve(drone, job)) break;
    if (isGiven) break;
    isHead &&= isFull;
    skipped.push(job);
    state.ready.hide(job);
  }
  for (const job of skipped) state.ready.update(job);
  return isGiven;
}

/** A wide job at the head of the line keeps one Drone's slots as they fall free. True when it is this Drone. */
function reserve(drone: DroneState, job: Job): boolean {
  if (job.reservedOn !== null && !isOpen(job.reservedOn)) job.reservedOn = null;
  job.reservedOn ??= drone;
  return job.reservedOn === drone;
}

function prefetch(state: State, profile: Profile): void {
  for (const lease of profile.short) {
    const job = state.ready.best(profile);
    if (job === null) return;
    if (!lease.drone.mayGetWork) continue;
    if (job.slots !== lease.job.slots || !isShort(job, lease.drone)) continue;
    if (giveLease(state, lease.drone, job, lease)) profile.short.delete(lease);
  }
}

/** Whether a lease of this job on this Drone is expected to end within the prefetch bound. */
function isShort(job: Job, drone: DroneState): boolean {
  // Who may wait for others is not expected to end soon.
  if (job.spec.nested === true) return false;
  const rate = job.rateOf(drone.peer);
  return rate !== undefined && rate.millisPerTask < LIMITS.prefetchMillisMax;
}

const stateBehind = (behind: Lease | null) => (behind === null ? 'running' : 'waiting');

/** Gives one lease. False when the job has nothing that this Drone may run now. */
function giveLease(state: State, drone: DroneState, job: Job, behind: Lease | null): boolean {
  const rate = job.rateOf(drone.peer);
  if (job.folds !== null && giveFold(state, drone, job, behind)) return true;
  if (!job.hasReadyTasks) return false;
  if (job.spec.nested === true && isFullOf(state, drone, job)) return false;
  const taken = takeTasks(state, job, drone, behind !== null, leaseLength(state, job, rate));
  if (taken === null) return false;
  if (state.identity.isDurable) maybeMark(state, job, taken.ranges);
  const lease = new Lease(
    leaseNumber(++state.leaseCount),
    job,
    drone,
    taken.ranges,
    stateBehind(behind),
    state.now,
    0,
  );
  lease.losses = taken.losses;
  lease.chargedMillis = lease.end * (rate?.millisPerTask ?? 1) * job.slots;
  state.ready.charge(job, lease.chargedMillis);
  register(state, lease, behind);
  sendLease(state, lease, behind);
  noteShort(lease);
  state.touch(job);
  return true;
}

/**
 * Folding comes first, also behind running leases: it keeps the number of pages small. False when there is nothing to fold now.
 */
function giveFold(state: State, drone: DroneState, job: Job, behind: Lease | null): boolean {
  const fold = job.folds!.take();
  if (fold === null) return false;
  const number = leaseNumber(++state.leaseCount);
  const lease = new Lease(number, job, drone, [fold.first, 1], stateBehind(behind), state.now, job.slots);
  lease.fold = fold;
  fold.lease = lease;
  state.ready.charge(job, lease.chargedMillis);
  register(state, lease, behind);
  sendSpec(state, drone, job);
  state.effects.now.push({
    session: drone.session,
    message: {
      type: 'TaskAssign',
      lease: number,
      job: job.id,
      ranges: lease.ranges,
      ...(behind === null ? {} : { behind: behind.number }),
      fold: fold.end - fold.first,
    },
    fold: { job: job.id, seqs: fold.pages.map(({ seq }) => seq) },
  });
  state.touch(job);
  return true;
}

interface Taken {
  readonly ranges: number[];
  /** Processes that were lost with these tasks. */
  readonly losses: number;
}

function takeTasks(
  state: State,
  job: Job,
  drone: DroneState,
  isWaiting: boolean,
  length: number,
): Taken | null {
  if (job.suspectTasks > 0) {
    const suspect = takeSuspect(job, isEmptyFor(state, drone, job), isWaiting, length);
    if (suspect !== null)
      return { ranges: [suspect.first, suspect.end - suspect.first], losses: suspect.losses };
    if (onlySuspectsLeft(job)) {
      // All that is left must run alone: one Drone is kept until it is empty.
      if (job.keptOn !== null && !isOpen(job.keptOn)) letGo(job.keptOn);
      if (!isWaiting && job.keptOn === null) keep(job, drone);
      return null;
    }
  }
  const ranges = takeRanges(state, job, drone, length);
  return ranges === null ? null : { ranges, losses: 0 };
}

function onlySuspectsLeft(job: Job): boolean {
  return job.isHeldBack
    ? suspectAt(job, job.lowestUnrecorded) !== undefined
    : job.readyTasks === job.suspectTasks;
}

/** Connected, and given work. */
function isOpen(drone: DroneState): boolean {
  return drone.profile.drones.has(drone) && drone.mayGetWork;
}

function keep(job: Job, drone: DroneState): void {
  job.keptOn = drone;
  drone.keptFor = job;
}
function letGo(drone: DroneState): void {
  if (drone.keptFor !== null) drone.keptFor.keptOn = null;
  drone.keptFor = null;
}

/** A Drone that is kept for a suspect gets it once it is empty. True when the Drone is free for others again. */
function giveToSuspect(state: State, drone: DroneState, job: Job): boolean {
  if (!job.isReady || job.suspectTasks === 0) {
    letGo(drone);
    return true;
  }
  if (!isEmptyFor(state, drone, job)) return false;
  letGo(drone);
  giveLease(state, drone, job, null);
  drone.update();
  return drone.mayGetWork && drone.credit > 0;
}

/** Reserves lease marks in blocks ahead of use, so that an assignment need not wait for its mark to be durable. */
function maybeMark(state: State, job: Job, ranges: readonly number[]): void {
  if (job.spec.queueTimeoutMillis !== undefined) {
    // After a restart tasks below the mark wait anew, so it must not pass over any that still wait.
    if (job.nextFresh > job.mark) state.commit({ type: 'leasesMarked', job: job.id, mark: job.nextFresh });
    return;
  }
  if (job.nextFresh <= job.mark - MARK_AHEAD_MIN / 2) return;
  const length = ranges[ranges.length - 1]!;
  const ahead = Math.max(MARK_AHEAD_MIN, 2 * length * Math.max(1, state.fittingSlots(job)));
  state.commit({ type: 'leasesMarked', job: job.id, mark: job.nextFresh + ahead });
}

function register(state: State, lease: Lease, behind: Lease | null): void {
  const { drone, job } = lease;
  state.leases.set(lease.number, lease);
  if (lease.end > 1 || behind !== null) state.splittable.add(lease);
  state.totals.leases++;
  drone.leases.set(lease.number, lease);
  job.leases.add(lease);
  job.running += lease.end;
  if (job.state === 'waiting') {
    job.state = 'running';
    job.firstLeaseAt = state.now;
  }
  if (behind === null) {
    drone.credit -= job.slots;
    if (job.reservedOn !== null && job.reservedOn !== drone) state.hasLiftedReservation = true;
    job.reservedOn = null;
    if (lease.losses >= 2) drone.solitary = lease;
  } else {
    behind.next = lease;
    lease.previous = behind;
  }
}

function sendLease(state: State, lease: Lease, behind: Lease | null): void {
  const { drone, job } = lease;
  sendSpec(state, drone, job);
  const message: Message<'TaskAssign'> = {
    type: 'TaskAssign',
    lease: lease.number,
    job: job.id,
    ranges: lease.ranges,
    ...(behind === null ? {} : { behind: behind.number }),
    ...streamsOf(job, lease),
    ...attemptsOf(job, lease),
    // The runtime puts the token in.
    ...(job.spec.nested === true ? { token: NO_TOKEN } : {}),
  };
  state.send(drone.session, message, job.spec.range === undefined ? inputsOf(job, lease.ranges) : undefined);
}

function sendSpec(state: State, drone: DroneState, job: Job): void {
  if (drone.knownJobs.has(job.id)) return;
  drone.knownJobs.set(job.id, job);
  job.knownBy.add(drone);
  boundSpecs(state, drone);
  state.send(drone.session, { type: 'JobSpec', job: job.id, spec: job.spec });
  maybeWatchOn(state, drone, job);
}

function inputsOf(job: Job, ranges: readonly number[]): InputRef {
  const pages: number[] = [];
  for (let i = 0; i < ranges.length; i += 2)
    job.inputs.startsOf(ranges[i]!, ranges[i]! + ranges[i + 1]!, pages);
  const parts = partsOf(job, ranges);
  return { job: job.id, ranges, pages, ...(parts === null ? {} : { parts }) };
}

function streamsOf(job: Job, lease: Lease): Pick<Message<'TaskAssign'>, 'streams'> {
  if (!job.hasStreams) return {};
  const streams = [];
  for (const [first, end] of lease.intervals(0, lease.end)) {
    for (let index = first; index < end; index++) {
      const bytes = job.streams.get(index);
      if (bytes === undefined) continue;
      streams.push({ index, bytes: Math.abs(bytes), ...(bytes < 0 ? { encoded: true } : {}) });
    }
  }
  return streams.length === 0 ? {} : { streams };
}

/** Which of a lease's tasks were tried before, and how often: a function may want to know. */
function attemptsOf(job: Job, lease: Lease): Pick<Message<'TaskAssign'>, 'attempts'> {
  if (job.failedCount === 0 || job.spec.kind !== 'function') return {};
  const attempts: number[] = [];
  for (const [first, end] of lease.intervals(0, lease.end)) {
    for (let index = first; index < end; index++) {
      const known = job.failedTasks.get(index);
      if (known !== undefined) attempts.push(index, known.failures + known.crashes + 1);
    }
  }
  return attempts.length === 0 ? {} : { attempts };
}

/**
 * Auto-split: as many tasks as take the target time at the measured rate; twice the last length at most while the rate
 * is still being learned; an even share of what is left, so that all places end together.
 */
export function leaseLength(state: State, job: Job, rate: Rate | undefined): number {
  if (job.spec.nested === true) return nestedLength(state, job);
  // Whoever runs several at once needs as many, however long they take: that is known without measuring.
  const atOnce = job.spec.concurrency ?? 1;
  const inTarget = rate === undefined ? 1 : LIMITS.leaseTargetMillis / Math.max(rate.millisPerTask, 1e-6);
  const learned = Math.min(Math.floor(inTarget), rate?.lengthCap ?? 1);
  const places = Math.max(1, Math.floor(state.fittingSlots(job) / job.slots));
  const evenShare = Math.ceil(job.readyTasks / (2 * places));
  const shareAtOnce = Math.min(atOnce, job.readyTasks, Math.ceil((job.readyTasks + job.running) / places));
  const length = Math.max(1, shareAtOnce, Math.min(learned, evenShare, LIMITS.leaseTasksMax));
  return job.isHeldBack ? Math.min(length, gapLength(state, job)) : length;
}

/** A task that waits for others must not keep those behind it waiting: as many as begin at once. */
function nestedLength(state: State, job: Job): number {
  const places = Math.max(1, Math.floor(state.fittingSlots(job) / job.slots));
  const length = Math.max(1, Math.min(job.spec.concurrency ?? 1, Math.ceil(job.readyTasks / places)));
  return job.isHeldBack ? Math.min(length, gapLength(state, job)) : length;
}

/** Takes tasks for one lease: returned ones, lowest first, or else fresh ones. Bounded by bytes. */
function takeRanges(state: State, job: Job, drone: DroneState, length: number): number[] | null {
  if (job.isHeldBack) {
    if (fittingParents(job, job.lowestUnrecorded, 1) > 0) return takeLowest(job, length);
    failForSize(state, job, job.lowestUnrecorded);
    return null;
  }
  if (job.returned.isEmpty) return takeFresh(job, length);
  if (job.failedCount > 0 && state.fittingSlots(job) > drone.slots) {
    const retries = takeRetries(state, job, drone, length);
    if (retries !== 'any') return retries ?? (job.nextFresh < job.appended ? takeFresh(job, length) : null);
  }
  const ranges: number[] = [];
  let left = length;
  let bytesLeft: number = LIMITS.leaseBytesMax;
  while (left > 0 && bytesLeft > 0 && ranges.length < RANGES_PER_LEASE * 2 && !job.returned.isEmpty) {
    const lowest = job.returned.lowest!;
    const fit = fitting(job, lowest, left, bytesLeft);
    const count = Math.min(fit.count, fittingParents(job, lowest, fit.count));
    if (count === 0) {
      failForSize(state, job, lowest);
      continue;
    }
    const [first, end] = job.returned.takeLowest(count)!;
    if (job.graph !== null) left = Math.min(left, end - first);
    ranges.push(first, end - first);
    left -= end - first;
    bytesLeft -= fit.bytes;
  }
  return ranges.length === 0 ? null : ranges;
}

/**
 * A task that has failed here lately is left to another Drone for a second. Takes returned tasks that may run here, or
 * none; `any` when the choice does not matter: none of the first ones has failed here, or all of very many have.
 */
function takeRetries(state: State, job: Job, drone: DroneState, length: number): number[] | null | 'any' {
  const mine: number[] = [];
  let until: Millis = Number.POSITIVE_INFINITY;
  let looks = RETRIES_LOOKED_AT;
  for (const [first, end] of job.returned) {
    for (let index = first; index < end && looks > 0; index++, looks--) {
      const failed = job.failedTasks.get(index);
      const freeAt = failed?.lastDrone === drone.peer ? (failed.dueAt ?? 0) + ELSEWHERE_MILLIS : 0;
      if (freeAt <= state.now) mine.push(index);
      else until = Math.min(until, freeAt);
    }
    if (looks === 0) break;
  }
  if (until === Number.POSITIVE_INFINITY || (mine.length === 0 && looks === 0)) return 'any';
  if (job.retryDeadline !== null) state.deadlines.setEarlier(job.retryDeadline, until);
  const ranges: number[] = [];
  for (const index of mine.slice(0, Math.min(length, RANGES_PER_LEASE))) {
    job.returned.delete(index, index + 1);
    ranges.push(index, 1);
  }
  return ranges.length === 0 ? null : ranges;
}

function takeFresh(job: Job, length: number): number[] {
  job.skipRecorded();
  const stretch = job.recorded.stretchEnd(job.nextFresh, job.appended) - job.nextFresh;
  const first = job.nextFresh;
  const { count } = fitting(job, first, Math.min(length, stretch), LIMITS.leaseBytesMax);
  job.nextFresh += count;
  job.skipRecorded();
  return [first, count];
}

/** The lowest task without an outcome, and up to `length` that follow it. */
function takeLowest(job: Job, length: number): number[] | null {
  const lowest = job.lowestUnrecorded;
  if (job.returned.has(lowest)) {
    const { count } = fitting(job, lowest, length, LIMITS.leaseBytesMax);
    const [first, end] = job.returned.takeLowest(Math.max(1, count))!;
    return [first, end - first];
  }
  if (lowest < job.nextFresh) return null;
  // Everything below `lowest` is recorded, so the fresh rest begins there.
  job.nextFresh = lowest;
  return takeFresh(job, length);
}

function fitting(job: Job, first: number, count: number, bytesMax: number): { count: number; bytes: number } {
  if (job.spec.range !== undefined) return { count, bytes: 0 };
  return job.inputs.fitting(first, count, bytesMax);
}
