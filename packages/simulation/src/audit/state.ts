/**
 * Whether the scheduler's state makes sense, after every step: each task of a job is in one of its sets, and in one only;
 * what is counted is there; what points at something is pointed back at. Written anew, with loops over everything.
 */
import type { Folds, Job, Lease, State } from '@hive/queen';
import { Parts } from './parts.ts';

const parts = new Parts();

export function stateProblem(state: State): string | null {
  let ready = 0;
  for (const job of state.jobs.values()) {
    if (job.heapPosition >= 0) ready++;
    const problem = jobProblem(state, job);
    if (problem !== null) return `job ${job.order} (${job.id}): ${problem}`;
  }
  if (ready !== state.ready.size) return `${state.ready.size} jobs are counted as ready, ${ready} are`;
  return leasesProblem(state) ?? dronesProblem(state) ?? deadlinesProblem(state);
}

function jobProblem(state: State, job: Job): string | null {
  const isActive = job.state === 'waiting' || job.state === 'running';
  if (job.recorded.size > job.appended) return 'more outcomes than tasks';
  let suspects = 0;
  for (const { first, end } of job.suspects) suspects += end - first;
  if (suspects !== job.suspectTasks) return `${job.suspectTasks} suspects are counted, ${suspects} are there`;
  if (job.unreadBytes < 0) return 'negative unread bytes';
  if (job.nextFresh > job.appended) return 'fresh tasks begin after the last one';
  if (job.heapPosition >= 0 && !isActive) return 'ended, and still among the ready';
  if (job.heapPosition >= 0 !== job.isReady)
    return `ready is ${job.isReady}, its place in the heap ${job.heapPosition}`;
  if (isActive && job.succeeded + job.failed + job.cancelled !== job.recorded.size)
    return `${job.succeeded} + ${job.failed} + ${job.cancelled} outcomes are not ${job.recorded.size}`;
  if (job.inputs.heldBytes < 0 || job.results.heldBytes < 0) return 'negative bytes held';
  let running = 0;
  for (const lease of job.leases) {
    if (lease.job !== job) return `lease ${lease.number} is another job's`;
    if (isLive(lease)) running += lease.end - lease.done;
  }
  if (running !== job.running) return `${job.running} tasks are counted as running, ${running} are leased`;
  for (const lease of job.lost)
    if (state.lost.get(lease.number) !== lease) return `lease ${lease.number} is lost twice`;
  const problem = job.folds === null ? null : foldsProblem(job, job.folds);
  if (problem !== null) return problem;
  if (!isActive) return endedProblem(state, job);
  if (state.ended.has(job)) return 'active, and among the ended';
  parts.clear();
  addOpen(job);
  return (job.hasOverlaps ? null : overlapProblem(job)) ?? coverProblem(job);
}

function endedProblem(state: State, job: Job): string | null {
  if (!state.ended.has(job)) return 'ended, and not among the ended';
  if (job.nextFresh !== job.appended) return 'ended, with fresh tasks';
  if (job.suspects.length > 0 || job.keptOn !== null) return 'ended, with suspects or a Drone kept for them';
  if (job.returned.size > 0 || job.lost.size > 0 || job.failedTasks.size > 0) return 'ended, with tasks left';
  for (const lease of job.leases) if (isLive(lease)) return `ended, and lease ${lease.number} is live`;
  return null;
}

/** Reduced pages do not overlap and stand for tasks with an outcome; every fold is ready, leased, or waits to be tried again. */
function foldsProblem(job: Job, folds: Folds): string | null {
  let pages = 0;
  for (const { reduced, first, count } of job.results.values()) {
    if (!reduced) continue;
    pages++;
    if (!job.recorded.covers(first, first + count))
      return `a reduced page of ${first} stands for tasks without an outcome`;
  }
  if (pages !== folds.pages) return `${pages} reduced pages are stored, ${folds.pages} known`;
  let ready = 0;
  for (const { lease, retryAt, pages: parts } of folds.underWay) {
    if (parts.length < 2) return 'a fold of one page';
    if (lease !== null && (retryAt !== null || !job.leases.has(lease))) return 'a fold is leased and is not';
    if (retryAt !== null && (job.foldDeadline === null || job.foldDeadline.heapPosition < 0))
      return 'a fold waits without a deadline';
    if (lease === null && retryAt === null) ready++;
  }
  return ready === folds.ready ? null : `${folds.ready} folds are ready, and ${ready} wait for nothing`;
}

/** Where the tasks of an active job stand that have no outcome, and wait for no retry. */
function addOpen(job: Job): void {
  parts.addAll(job.returned, 'returned');
  for (const { first, end } of job.suspects) parts.add(first, end, 'suspect');
  parts.addAll(job.held, 'held');
  for (const lease of job.leases) if (isLive(lease) && lease.fold === null) addLeased(lease);
  if (job.nextFresh < job.appended) parts.add(job.nextFresh, job.appended, 'fresh');
  if (job.graph !== null) addBlocked(job);
}
/** Tasks of a graph job that have a parent without an outcome; after a restart they may be held as well. */
function addBlocked({ graph, appended, recorded, held }: Job): void {
  for (let index = 0; graph !== null && index < appended; index++) {
    if (recorded.has(index) || held.has(index)) continue;
    for (const parent of graph.parents(index)) {
      if (recorded.has(parent)) continue;
      parts.add(index, index + 1, 'waiting for its parents');
      break;
    }
  }
}
function addLeased({ ranges, done, end, number }: Lease): void {
  let position = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i]!;
    const count = ranges[i + 1]!;
    const low = Math.max(done, position);
    const high = Math.min(end, position + count);
    if (low < high) parts.add(first + low - position, first + high - position, number);
    position += count;
  }
}

/** No task is forgotten: each has an outcome, runs, waits, or will wait again when its backoff is over. */
function coverProblem(job: Job): string | null {
  parts.addAll(job.recorded, 'recorded');
  let waiting = 0;
  for (const [index, task] of job.failedTasks) {
    if (task.retryAt === null) continue;
    waiting++;
    parts.add(index, index + 1, 'waiting');
  }
  if (waiting > 0 && (job.retryDeadline === null || job.retryDeadline.heapPosition < 0))
    return `${waiting} tasks wait for a retry without a deadline`;
  return parts.gap(job.appended);
}

/** No task is in two places. A leased or fresh one may have its outcome already: cancelled, or done by a lost lease. */
function overlapProblem(job: Job): string | null {
  const problem = parts.overlap;
  if (problem !== null || job.returned.isEmpty) return problem;
  for (const [first, end] of job.returned) {
    if (job.recorded.touches(first, end))
      return `of tasks ${first} to ${end - 1} some are recorded and returned`;
  }
  for (const [index, { retryAt }] of job.failedTasks) {
    if (retryAt !== null && job.returned.has(index)) return `task ${index} is returned and waits for a retry`;
  }
  return null;
}

function leasesProblem(state: State): string | null {
  let held = 0;
  for (const { drone } of state.sessions.values()) {
    if (drone === null) continue;
    for (const [number, lease] of drone.leases) {
      held++;
      if (state.leases.get(number) !== lease) return `lease ${number} of ${drone.name} is not in the list`;
      if (lease.drone !== drone) return `lease ${number} names another Drone than ${drone.name}`;
      if (lease.state === 'lost') return `lease ${number} of ${drone.name} is lost`;
      if (!lease.job.leases.has(lease)) return `lease ${number} is not among its job's`;
      if (lease.done > lease.end) return `lease ${number} is done up to ${lease.done} of ${lease.end}`;
      if (lease.next !== null && lease.next.previous !== lease)
        return `lease ${number} has a foreign successor`;
      if (lease.previous !== null && lease.previous.next !== lease)
        return `lease ${number} waits for a foreign one`;
    }
  }
  if (held !== state.leases.size) return `${state.leases.size} leases, of which Drones hold ${held}`;
  for (const lease of state.splittable) {
    if (state.leases.get(lease.number) !== lease) return `lease ${lease.number} is splittable and gone`;
  }
  for (const [number, lease] of state.lost) {
    if (lease.state !== 'lost' || state.leases.has(number)) return `lease ${number} is lost and found`;
    if (!lease.job.lost.has(lease)) return `lost lease ${number} is not among its job's`;
  }
  return null;
}

function dronesProblem(state: State): string | null {
  let drones = 0;
  let slots = 0;
  for (const { drone } of state.sessions.values()) {
    if (drone === null) continue;
    drones++;
    slots += drone.slots;
    const { profile } = drone;
    if (drone.credit > drone.slots)
      return `${drone.name} has credit for ${drone.credit} of ${drone.slots} slots`;
    if (!profile.drones.has(drone)) return `${drone.name} is not in its profile`;
    const isOpen = drone.hasReported && !drone.isDraining && !drone.isClogged;
    const isFree = drone.credit > 0 && isOpen && !drone.isQuarantined && drone.solitary === null;
    if (drone.solitary !== null && !drone.leases.has(drone.solitary.number))
      return `${drone.name} is alone with a lease that is gone`;
    if (drone.keptFor !== null && drone.keptFor.keptOn !== drone) return `${drone.name} is kept for nobody`;
    if (profile.free.has(drone) !== isFree) return `${drone.name} is free: ${isFree}, but not listed so`;
    for (const lease of profile.short) {
      if (state.leases.get(lease.number) !== lease) return `lease ${lease.number} is short and gone`;
    }
  }
  if (drones !== state.drones || slots !== state.slots) return 'the numbers of Drones and slots are wrong';
  let profiled = 0;
  for (const profile of state.profiles.values()) {
    if (profile.drones.size === 0) return 'a profile without Drones';
    for (const drone of profile.drones) profiled += drone.slots;
  }
  return profiled === slots ? null : `profiles have ${profiled} slots, Drones ${slots}`;
}

function deadlinesProblem(state: State): string | null {
  let set =
    setOf(state.progressDeadline) +
    setOf(state.retentionDeadline) +
    setOf(state.rebalanceDeadline) +
    setOf(state.rejoinDeadline) +
    setOf(state.waitingDeadline) +
    setOf(state.nodesDeadline);
  for (const { silence, watch, drone } of state.sessions.values())
    set += setOf(silence) + setOf(drone?.quarantine) + setOf(watch?.deadline);
  for (const job of state.jobs.values())
    set +=
      setOf(job.abandonDeadline) +
      setOf(job.retryDeadline) +
      setOf(job.foldDeadline) +
      setOf(job.deadline) +
      setOf(job.queueDeadline);
  return set === state.deadlines.size
    ? null
    : `${state.deadlines.size} deadlines are set, ${set} have an owner`;
}
/** 1 for a deadline that is set, else 0. */
function setOf(deadline: { readonly heapPosition: number } | null | undefined): number {
  return deadline != null && deadline.heapPosition >= 0 ? 1 : 0;
}

function isLive(lease: Lease): boolean {
  return lease.state === 'running' || lease.state === 'waiting';
}
