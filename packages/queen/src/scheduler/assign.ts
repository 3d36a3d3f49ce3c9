/**
 * Hands out leases at the end of a turn: first to every free place, then one more behind every running lease that is
 * expected to end soon, so that the network is hidden. Chooses the length of each lease; nobody else does.
 *
 * Invariant (G5): when this returns, no ready task is left while a fitting place is free, but for reservations.
 */
import { LIMITS, leaseNumber, type Message } from '@hive/shared';
import type { DroneState, Profile } from './drone.ts';
import type { Job, Rate } from './job.ts';
import { Lease } from './lease.ts';
import type { State } from './state.ts';
import type { InputRef } from './types.ts';

/** The lease may carry this many returned runs; more would make its frame, not its work, the cost. */
const RANGES_PER_LEASE = 8;
/** Tasks by which a job's lease mark is ahead of what was leased, at least. */
const MARK_AHEAD_MIN = 64;

export function assignLeases(state: State): void {
  if (state.ready.size === 0) return;
  // Slots that were kept for a wide task are looked at again when it has found its place elsewhere.
  while (fillAllPlaces(state));
  if (state.ready.size === 0) return;
  for (const profile of state.profiles.values()) prefetch(state, profile);
}

/** True when a reservation was lifted on the way. */
function fillAllPlaces(state: State): boolean {
  let isLifted = false;
  for (const profile of state.profiles.values()) if (fillPlaces(state, profile)) isLifted = true;
  return isLifted;
}

/** One lease to each free Drone in turn, so that work spreads before it piles up. True when it lifts a reservation. */
function fillPlaces(state: State, profile: Profile): boolean {
  let isLifted = false;
  for (const drone of profile.free) {
    // Drones that are put back at the end of the set are visited again: the set is its own queue.
    const job = state.ready.best(profile);
    if (job === null) break;
    if (drone.credit < job.slots) {
      if (reserve(drone, job)) continue;
      const other = fallback(state, profile, drone, job);
      if (other === null) continue;
      giveLease(state, drone, other, null);
    } else {
      if (job.reservedOn !== null && job.reservedOn !== drone) isLifted = true;
      giveLease(state, drone, job, null);
    }
    profile.free.delete(drone);
    drone.update();
  }
  return isLifted;
}

/** A wide job at the head of the line keeps one Drone's slots as they fall free. True when it is this Drone. */
function reserve(drone: DroneState, job: Job): boolean {
  if (job.reservedOn !== null && !job.reservedOn.profile.drones.has(job.reservedOn)) job.reservedOn = null;
  job.reservedOn ??= drone;
  return job.reservedOn === drone;
}

/** Another job for a Drone that has too few free slots for the wide one at the head of the line. */
function fallback(state: State, profile: Profile, drone: DroneState, wide: Job): Job | null {
  const skipped = [wide];
  state.ready.hide(wide);
  let job = state.ready.best(profile);
  while (job !== null && job.slots > drone.credit) {
    skipped.push(job);
    state.ready.hide(job);
    job = state.ready.best(profile);
  }
  for (const hidden of skipped) state.ready.update(hidden);
  return job;
}

function prefetch(state: State, profile: Profile): void {
  for (const lease of profile.short) {
    const job = state.ready.best(profile);
    if (job === null) return;
    if (!lease.drone.mayGetWork) continue;
    if (job.slots !== lease.job.slots || !isShort(job, lease.drone)) continue;
    giveLease(state, lease.drone, job, lease);
    profile.short.delete(lease);
  }
}

/** Whether a lease of this job on this Drone is expected to end within the prefetch bound. */
function isShort(job: Job, drone: DroneState): boolean {
  const rate = job.rates.get(drone.peer);
  return rate !== undefined && rate.millisPerTask < LIMITS.prefetchMillisMax;
}

function giveLease(state: State, drone: DroneState, job: Job, behind: Lease | null): void {
  const rate = job.rates.get(drone.peer);
  const ranges = takeRanges(job, leaseLength(state, job, rate));
  if (state.identity.isDurable) maybeMark(state, job, ranges);
  const lease = new Lease(
    leaseNumber(++state.leaseCount),
    job,
    drone,
    ranges,
    behind === null ? 'running' : 'waiting',
    state.now,
    0,
  );
  lease.chargedMillis = lease.end * (rate?.millisPerTask ?? 1) * job.slots;
  state.ready.charge(job, lease.chargedMillis);
  register(state, lease, behind);
  sendLease(state, lease, behind);
  noteShort(lease);
  state.touch(job);
}

/** Reserves lease marks in blocks ahead of use, so that an assignment need not wait for its mark to be durable. */
function maybeMark(state: State, job: Job, ranges: readonly number[]): void {
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
    job.reservedOn = null;
  } else {
    behind.next = lease;
    lease.previous = behind;
  }
}

function sendLease(state: State, lease: Lease, behind: Lease | null): void {
  const { drone, job } = lease;
  if (!drone.knownJobs.has(job.id)) {
    drone.knownJobs.set(job.id, job);
    job.knownBy.add(drone);
    state.send(drone.session, { type: 'JobSpec', job: job.id, spec: job.spec });
  }
  const message: Message<'TaskAssign'> = {
    type: 'TaskAssign',
    lease: lease.number,
    job: job.id,
    ranges: lease.ranges,
    ...(behind === null ? {} : { behind: behind.number }),
    ...streamsOf(job, lease),
  };
  state.send(drone.session, message, job.spec.range === undefined ? inputsOf(job, lease.ranges) : undefined);
}

function inputsOf(job: Job, ranges: readonly number[]): InputRef {
  const pages: number[] = [];
  for (let i = 0; i < ranges.length; i += 2)
    job.inputs.startsOf(ranges[i]!, ranges[i]! + ranges[i + 1]!, pages);
  return { job: job.id, ranges, pages };
}

function streamsOf(job: Job, lease: Lease): Pick<Message<'TaskAssign'>, 'streams'> {
  if (job.streams.size === 0) return {};
  const streams = [];
  for (const [first, end] of lease.intervals(0, lease.end)) {
    for (let index = first; index < end; index++) {
      const bytes = job.streams.get(index);
      if (bytes !== undefined) streams.push({ index, bytes });
    }
  }
  return streams.length === 0 ? {} : { streams };
}

/** Marks a running lease as one that may get a successor, if it is expected to end soon. */
export function noteShort(lease: Lease): void {
  const { drone, job } = lease;
  if (lease.state !== 'running' || lease.next !== null || job.slots !== 1) return;
  const rate = job.rates.get(drone.peer);
  if (rate !== undefined && rate.millisPerTask * lease.open < LIMITS.prefetchMillisMax)
    drone.profile.short.add(lease);
}

/**
 * Auto-split: as many tasks as take the target time at the measured rate; twice the last length at most while the rate
 * is still being learned; an even share of what is left, so that all places end together.
 */
export function leaseLength(state: State, job: Job, rate: Rate | undefined): number {
  if (job.isHeldBack || rate === undefined) return 1;
  const inTarget = LIMITS.leaseTargetMillis / Math.max(rate.millisPerTask, 1e-6);
  const places = Math.max(1, Math.floor(state.fittingSlots(job) / job.slots));
  const evenShare = Math.ceil(job.readyTasks / (2 * places));
  return Math.max(1, Math.min(Math.floor(inTarget), rate.lengthCap, evenShare, LIMITS.leaseTasksMax));
}

/** Takes tasks for one lease: returned ones, lowest first, or else fresh ones. Bounded by bytes. */
function takeRanges(job: Job, length: number): number[] {
  if (job.isHeldBack) return takeLowest(job);
  if (job.returned.isEmpty) return takeFresh(job, length);
  const ranges: number[] = [];
  let left = length;
  let bytesLeft: number = LIMITS.leaseBytesMax;
  while (left > 0 && bytesLeft > 0 && ranges.length < RANGES_PER_LEASE * 2 && !job.returned.isEmpty) {
    const lowest = job.returned.lowest!;
    const fit = fitting(job, lowest, left, bytesLeft);
    const [first, end] = job.returned.takeLowest(fit.count)!;
    ranges.push(first, end - first);
    left -= end - first;
    bytesLeft -= fit.bytes;
  }
  return ranges;
}

function takeFresh(job: Job, length: number): number[] {
  skipRecorded(job);
  const stretch = job.recorded.stretchEnd(job.nextFresh, job.appended) - job.nextFresh;
  const first = job.nextFresh;
  const { count } = fitting(job, first, Math.min(length, stretch), LIMITS.leaseBytesMax);
  job.nextFresh += count;
  skipRecorded(job);
  return [first, count];
}

/** Fresh tasks that have an outcome already (cancelled one by one, or adopted) are passed over. */
export function skipRecorded(job: Job): void {
  while (job.nextFresh < job.appended && job.recorded.has(job.nextFresh)) {
    job.nextFresh = job.recorded.stretchEnd(job.nextFresh, job.appended);
  }
}

function takeLowest(job: Job): number[] {
  const lowest = job.lowestUnrecorded;
  if (job.returned.delete(lowest, lowest + 1) === 1) return [lowest, 1];
  // Everything below `lowest` is recorded, so the fresh rest begins there.
  job.nextFresh = lowest + 1;
  skipRecorded(job);
  return [lowest, 1];
}

function fitting(job: Job, first: number, count: number, bytesMax: number): { count: number; bytes: number } {
  if (job.spec.range !== undefined) return { count, bytes: 0 };
  return job.inputs.fitting(first, count, bytesMax);
}
