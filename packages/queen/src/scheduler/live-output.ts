/**
 * What running tasks print, on its way from Drones to whoever watches. Only jobs that somebody watches are told of by
 * Drones, and nothing is kept here: a watcher who comes later makes the Drones begin again, and everybody skips what he
 * has by its offset. To a watcher who does not read nothing is sent; he finds the rest in the results.
 */
import { type Message, ProtocolError } from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { Job } from './job.ts';
import type { PeerSession, State } from './state.ts';

export function watchOutput(
  state: State,
  client: PeerSession,
  { job: id, on }: Message<'WatchOutput'>,
): void {
  const job = state.jobs.get(id);
  if (!on) {
    if (job !== undefined) unwatch(state, client, job);
    return;
  }
  // There is nothing to see in a job that has ended, or is gone.
  if (job === undefined || !job.isActive) return;
  let watchers = state.outputWatchers.get(job);
  if (watchers === undefined) {
    watchers = new Set();
    state.outputWatchers.set(job, watchers);
  }
  watchers.add(client.session);
  client.watchedJobs.add(job);
  tellDrones(state, job, true);
}

/** The session is over. */
export function unwatchAll(state: State, client: PeerSession): void {
  for (const job of [...client.watchedJobs]) unwatch(state, client, job);
}

function unwatch(state: State, client: PeerSession, job: Job): void {
  client.watchedJobs.delete(job);
  const watchers = state.outputWatchers.get(job);
  if (watchers === undefined || !watchers.delete(client.session) || watchers.size > 0) return;
  state.outputWatchers.delete(job);
  tellDrones(state, job, false);
}

function tellDrones(state: State, job: Job, on: boolean): void {
  const drones = new Set(job.knownBy);
  for (const lease of job.leases) drones.add(lease.drone);
  for (const drone of drones) state.send(drone.session, { type: 'WatchOutput', job: job.id, on });
}

/** A Drone that gets, or brings back, a lease of this job. */
export function maybeWatchOn(state: State, drone: DroneState, job: Job): void {
  if (!state.outputWatchers.has(job)) return;
  state.send(drone.session, { type: 'WatchOutput', job: job.id, on: true });
}

export function taskOutput(state: State, drone: DroneState, message: Message<'TaskOutput'>): void {
  const { lease: number, index, stream, offset, data } = message;
  const lease = state.leases.get(number);
  // A lease that was taken from this Drone meanwhile.
  if (lease === undefined || lease.drone !== drone || !lease.isLive) return;
  const { job } = lease;
  if (index >= job.appended) throw new ProtocolError(`TaskOutput of a task that job ${job.id} does not have`);
  for (const session of state.outputWatchers.get(job) ?? []) {
    if (state.sessions.get(session)?.isClogged !== false) continue;
    state.send(session, { type: 'Output', job: job.id, index, lease: number, stream, offset, data });
  }
}
