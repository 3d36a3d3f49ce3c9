/**
 * What must hold when a turn is settled (G5): no runnable task waits while a place that fits is free, but for a wide
 * task's reservation. And what must be left when everything has ended (G7): nothing.
 */
import type { Job, State } from '@hive/queen';
import { LIMITS } from '@hive/shared';

type Profile = State['profiles'] extends Map<string, infer P> ? P : never;
type Drone = Profile extends { drones: ReadonlySet<infer D> } ? D : never;

/** A retry may be kept for another Drone for so long. */
const ELSEWHERE_MILLIS = 1_000;

export function restProblem(state: State): string | null {
  const ready: Job[] = [];
  for (const job of state.jobs.values())
    if (isActive(job) && (job.readyTasks > 0 || foldsReady(job) > 0)) ready.push(job);
  if (ready.length === 0) return null;
  for (const { drone } of state.sessions.values()) {
    if (drone === null || drone.credit <= 0 || !isOpen(drone)) continue;
    for (const job of ready) {
      if (!fits(job, drone) || isReserved(state, ready, drone) || !hasTaskFor(state, job, drone)) continue;
      return `${job.readyTasks} tasks of ${job.id} (${job.slots} slots each, ${job.returned.size} returned, ${job.suspectTasks} suspects, fresh from ${job.nextFresh}) wait while ${drone.name} has ${drone.credit} free slots`;
    }
  }
  return null;
}

const foldsReady = (job: Job): number => job.folds?.ready ?? 0;

function isActive(job: Job): boolean {
  return (job.state === 'waiting' || job.state === 'running') && job.waitsFor.size === 0;
}

/** Whether one of a job's tasks may run on this Drone at this moment. */
function hasTaskFor(state: State, job: Job, drone: Drone): boolean {
  if (foldsReady(job) > 0) return true;
  if (isFullOf(state, job, drone)) return false;
  let lowest = 0;
  while (job.isHeldBack && lowest < job.appended && job.recorded.has(lowest)) lowest++;
  const isWanted = (index: number) => !job.isHeldBack || index === lowest;
  const mayStartFresh = job.isHeldBack || job.failedTasks.size < LIMITS.retryingTasksMax;
  if (mayStartFresh && job.nextFresh < job.appended && (!job.isHeldBack || lowest >= job.nextFresh))
    return true;
  for (const { first, end, losses } of job.suspects) {
    const mayRunHere = losses < 2 || drone.leases.size === 0;
    if (mayRunHere && (!job.isHeldBack || (lowest >= first && lowest < end))) return true;
  }
  for (const [first, end] of job.returned) {
    for (let index = first; index < end; index++) {
      if (isWanted(index) && !isKeptForOthers(state, job, index, drone)) return true;
    }
  }
  return false;
}

/** Tasks that submit work, of its level, take as many slots of this Drone as they may while there is to be room for others. */
function isFullOf(state: State, job: Job, drone: Drone): boolean {
  if (job.spec.nested !== true) return false;
  const level = levelOf(state, job);
  let slots = 0;
  for (const { job: other } of drone.leases.values())
    if (other.spec.nested === true && levelOf(state, other) === level) slots += other.spec.slots ?? 1;
  return slots >= drone.slots;
}
function levelOf(state: State, { spec: { parent } }: Job): number {
  const above = parent === undefined ? undefined : state.jobs.get(parent);
  return parent === undefined ? 0 : above === undefined ? 1 : 1 + levelOf(state, above);
}

/** It failed here a moment ago, and another Drone may come to take it. */
function isKeptForOthers(state: State, job: Job, index: number, drone: Drone): boolean {
  const failed = job.failedTasks.get(index);
  if (failed === undefined || failed.lastDrone !== drone.peer) return false;
  return state.now < (failed.dueAt ?? 0) + ELSEWHERE_MILLIS;
}

function isOpen(drone: Drone): boolean {
  const mayGetWork = drone.hasReported && !drone.isDraining && !drone.isClogged && !drone.isQuarantined;
  return mayGetWork && drone.solitary === null && drone.keptFor === null;
}
function fits(job: Job, drone: Drone): boolean {
  const { profile } = drone;
  if (!profile.kinds.has(job.spec.kind) || job.slots > drone.credit) return false;
  return Object.entries(job.spec.labels ?? {}).every(([label, value]) => profile.labels[label] === value);
}
/** A wide task waits for more of this Drone's slots. */
function isReserved(state: State, ready: readonly Job[], drone: Drone): boolean {
  return ready.some(
    (job) => job.reservedOn === drone && job.slots > drone.credit && !isFullOf(state, job, drone),
  );
}

/** What is left over although all jobs have ended and all Drones are idle. */
export function leftovers(state: State): string | null {
  const maps = {
    leases: state.leases.size,
    'lost leases': state.lost.size,
    'splittable leases': state.splittable.size,
    'ready jobs': state.ready.size,
    'dirty jobs': state.dirtyJobs.size,
    'dirty progress': state.dirtyProgress.size,
    acks: state.acks.size,
  };
  for (const [what, size] of Object.entries(maps)) if (size > 0) return `G7: ${size} ${what} are left`;
  if (state.sessionOfPeer.size !== state.sessions.size) return 'G7: peers without sessions';
  let deadlines = 0;
  for (const { silence, watch, drone } of state.sessions.values()) {
    if (silence.heapPosition >= 0) deadlines++;
    if (drone?.quarantine != null) deadlines++;
    if (watch !== null) deadlines++;
  }
  if (state.progressDeadline.heapPosition >= 0) deadlines++;
  if (state.retentionDeadline.heapPosition >= 0) deadlines++;
  if (state.rebalanceDeadline.heapPosition >= 0) deadlines++;
  if (state.rejoinDeadline.heapPosition >= 0) deadlines++;
  if (state.deadlines.size !== deadlines)
    return `G7: ${state.deadlines.size} deadlines are set, ${deadlines} have an owner`;
  return leftOfDrones(state) ?? leftOfJobs(state);
}

function leftOfDrones(state: State): string | null {
  for (const { drone } of state.sessions.values()) {
    if (drone === null) continue;
    if (drone.solitary !== null || drone.keptFor !== null) return `G7: ${drone.name} is kept for suspects`;
    if (drone.leases.size > 0) return `G7: ${drone.name} holds ${drone.leases.size} leases`;
    if (drone.knownJobs.size > 0) return `G7: ${drone.name} still knows ${drone.knownJobs.size} jobs`;
    const free = drone.isDraining ? 0 : drone.slots;
    if (drone.credit !== free)
      return `G7: ${drone.name} has ${drone.slots} free slots and credit for ${drone.credit}`;
  }
  return null;
}

function leftOfJobs(state: State): string | null {
  for (const job of state.jobs.values()) {
    const left =
      job.leases.size +
      job.lost.size +
      job.returned.size +
      job.failedTasks.size +
      job.rates.size +
      job.knownBy.size +
      (job.folds?.underWay.size ?? 0);
    if (left > 0) return `G7: ${job.id} has leases, returned or failed tasks, rates or Drones left`;
    if (job.running !== 0) return `G7: ${job.id} has ${job.running} running tasks`;
  }
  return null;
}
