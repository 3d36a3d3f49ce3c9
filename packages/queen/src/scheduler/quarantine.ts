/**
 * A Drone that fails what succeeds elsewhere: after ten such tasks in a row it gets no work for a quarter of an hour,
 * unless no other Drone could do its part.
 */
import type { Failure } from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { Job } from './job.ts';
import type { State } from './state.ts';

const FAILURES_IN_A_ROW = 10;
const QUARANTINE_MILLIS = 15 * 60_000;

/** Tasks [first, end) but for some succeeded on a Drone: those that had failed on another one speak against that. */
export function compareDrones(
  state: State,
  { job, drone }: { readonly job: Job; readonly drone: DroneState },
  first: number,
  end: number,
  failures: readonly Failure[],
): void {
  drone.provenFailures = 0;
  for (const [index, { lastDrone }] of job.failedTasks) {
    if (index < first || index >= end || lastDrone === null || lastDrone === drone.peer) continue;
    if (failures.some((failure) => failure.index === index)) continue;
    const other = state.sessionOf('drone', lastDrone)?.drone;
    if (other == null) continue;
    other.provenFailures++;
    if (other.provenFailures >= FAILURES_IN_A_ROW && !other.isQuarantined && hasSubstitute(state, other)) {
      quarantine(state, other);
    }
  }
}

function quarantine(state: State, drone: DroneState): void {
  drone.isQuarantined = true;
  drone.quarantine = state.deadlines.create(() => release(state, drone));
  state.deadlines.set(drone.quarantine, state.now + QUARANTINE_MILLIS);
  drone.update();
  state.notice({ type: 'droneQuarantined', name: drone.name, failures: drone.provenFailures });
}

function release(state: State, drone: DroneState): void {
  if (drone.quarantine !== null) state.deadlines.clear(drone.quarantine);
  drone.quarantine = null;
  drone.isQuarantined = false;
  drone.provenFailures = 0;
  drone.update();
}

/** A Drone has left: one in quarantine may be the last that can do its part. */
export function reviewQuarantines(state: State): void {
  for (const { drone } of state.sessions.values()) {
    if (drone?.isQuarantined && !hasSubstitute(state, drone)) release(state, drone);
  }
}

export function leaveQuarantine(state: State, drone: DroneState): void {
  if (drone.quarantine !== null) state.deadlines.clear(drone.quarantine);
}

/** Another Drone, not in quarantine, that runs all kinds that this one runs and has its labels. */
function hasSubstitute(state: State, drone: DroneState): boolean {
  const { kinds, labels, slotsEach } = drone.profile;
  for (const profile of state.profiles.values()) {
    if (profile.slotsEach < slotsEach || ![...kinds].every((kind) => profile.kinds.has(kind))) continue;
    if (!Object.entries(labels).every(([label, value]) => profile.labels[label] === value)) continue;
    for (const other of profile.drones)
      if (other !== drone && !other.isQuarantined && !other.isDraining) return true;
  }
  return false;
}
