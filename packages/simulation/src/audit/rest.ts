/**
 * What must hold when a turn is settled (G5): no runnable task waits while a place that fits is free, but for a wide
 * task's reservation. And what must be left when everything has ended (G7): nothing.
 */
import type { Job, State } from '@hive/queen';
import { LIMITS } from '@hive/shared';

type Profile = State['profiles'] extends Map<string, infer P> ? P : never;
type Drone = Profile extends { drones: ReadonlySet<infer D> } ? D : never;

export function restProblem(state: State): string | null {
  const ready: Job[] = [];
  for (const job of state.jobs.values()) if (isRunnable(job)) ready.push(job);
  if (ready.length === 0) return null;
  for (const { drone } of state.sessions.values()) {
    if (drone === null || drone.credit <= 0 || !isOpen(drone)) continue;
    for (const job of ready) {
      if (!fits(job, drone) || isReserved(ready, drone)) continue;
      return `${job.readyTasks} tasks of ${job.id} (${job.slots} slots each, ${job.returned.size} returned, fresh from ${job.nextFresh}) wait while ${drone.name} has ${drone.credit} free slots`;
    }
  }
  return null;
}

function isRunnable(job: Job): boolean {
  if (job.state !== 'waiting' && job.state !== 'running') return false;
  const mayStartFresh = job.failedTasks.size < LIMITS.retryingTasksMax;
  if (!job.isHeldBack) return job.returned.size > 0 || (mayStartFresh && job.nextFresh < job.appended);
  let lowest = 0;
  while (lowest < job.appended && job.recorded.has(lowest)) lowest++;
  return lowest < job.appended && (job.returned.has(lowest) || lowest >= job.nextFresh);
}

function isOpen(drone: Drone): boolean {
  return drone.hasReported && !drone.isDraining && !drone.isClogged;
}
function fits(job: Job, drone: Drone): boolean {
  const { profile } = drone;
  if (!profile.kinds.has(job.spec.kind) || job.slots > drone.credit) return false;
  return Object.entries(job.spec.labels ?? {}).every(([label, value]) => profile.labels[label] === value);
}
/** A wide task waits for more of this Drone's slots. */
function isReserved(ready: readonly Job[], drone: Drone): boolean {
  return ready.some((job) => job.reservedOn === drone && job.slots > drone.credit);
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
  for (const { silence, watch } of state.sessions.values()) {
    if (silence.heapPosition >= 0) deadlines++;
    if (watch !== null) deadlines++;
  }
  if (state.progressDeadline.heapPosition >= 0) deadlines++;
  if (state.rebalanceDeadline.heapPosition >= 0) deadlines++;
  if (state.rejoinDeadline.heapPosition >= 0) deadlines++;
  if (state.deadlines.size !== deadlines)
    return `G7: ${state.deadlines.size} deadlines are set, ${deadlines} have an owner`;
  return leftOfDrones(state) ?? leftOfJobs(state);
}

function leftOfDrones(state: State): string | null {
  for (const { drone } of state.sessions.values()) {
    if (drone === null) continue;
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
      job.knownBy.size;
    if (left > 0) return `G7: ${job.id} has leases, returned or failed tasks, rates or Drones left`;
    if (job.running !== 0) return `G7: ${job.id} has ${job.running} running tasks`;
  }
  return null;
}
