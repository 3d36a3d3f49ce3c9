/**
 * Tells Drones that work for several Queens whether any work of this one waits for a place there, so that they can share
 * their slots fairly. Asked at the end of every turn, when all places that this Queen has been offered are taken: what is
 * ready then waits. Said when it changes, and not more often than every 20 ms.
 */
import type { Millis } from '@hive/shared';
import type { DroneState, Profile } from './drone.ts';
import type { Job } from './job.ts';
import { isFullEverywhere } from './nested.ts';
import type { State } from './state.ts';

const EVERY_MILLIS = 20;

/** What Drones of a profile were told last. */
export interface Told {
  slots: number;
  at: Millis;
}

export function tellWhatWaits(state: State): void {
  for (const profile of state.profiles.values()) {
    if (profile.sharing.size === 0) continue;
    const slots = state.ready.size === 0 ? 0 : waitingSlots(state, profile);
    if (slots === profile.told.slots) continue;
    if (state.now < profile.told.at + EVERY_MILLIS) {
      state.deadlines.setEarlier(state.waitingDeadline, profile.told.at + EVERY_MILLIS);
      continue;
    }
    profile.told = { slots, at: state.now };
    for (const drone of profile.sharing) tell(state, drone, profile);
  }
}

/** Slots that a task of the next job in line takes; tasks for which every Drone has to keep room for others do not count. */
function waitingSlots(state: State, profile: Profile): number {
  const full: Job[] = [];
  let job = state.ready.best(profile);
  for (
    ;
    job?.spec.nested === true && isFullEverywhere(state, profile, job);
    job = state.ready.best(profile)
  ) {
    full.push(job);
    state.ready.hide(job);
  }
  for (const other of full) state.ready.update(other);
  return job?.slots ?? 0;
}

/** A Drone that has just joined knows nothing of what waits. */
export function droneShares(state: State, drone: DroneState): void {
  const { profile } = drone;
  if (!drone.takesTurns || profile.sharing.has(drone)) return;
  profile.sharing.add(drone);
  if (profile.told.slots > 0) tell(state, drone, profile);
}

function tell(state: State, { session }: DroneState, { told: { slots } }: Profile): void {
  state.send(session, { type: 'WorkWaits', slots });
}
