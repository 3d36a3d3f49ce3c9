/**
 * Values over 1 MiB pass through: a Drone's StreamGet goes to the client that owns the job, its chunks come back to the
 * Drone that holds the lease. The Queen keeps no bytes; both are driven by the reader. She remembers what was asked, so
 * that a client that comes back, or another that submits the job again, is asked for what is still missing.
 */
import type { Message } from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { Job } from './job.ts';
import type { Lease } from './lease.ts';
import type { PeerSession, State } from './state.ts';

/** Requests of one lease that are remembered; a Drone has fewer under way. */
const PULLS_MAX = 64;

export function streamGet(state: State, drone: DroneState, message: Message<'StreamGet'>): void {
  const job = state.jobs.get(message.job);
  const lease = message.lease === undefined ? undefined : drone.leases.get(message.lease);
  if (lease === undefined || lease.job !== job) {
    state.dropped.staleReports++;
    return;
  }
  const owner = job.ownerSession;
  // The client of an attached job comes back, or the job ends.
  if (message.direction === 'in' && (owner !== null || job.isAttached)) {
    remember(lease, message);
    if (owner !== null) state.send(owner, message);
    return;
  }
  const { type: _, length: __, ...place } = message;
  const error =
    message.direction === 'in'
      ? 'the client that holds this value is not connected'
      : 'there is no such stream';
  state.send(drone.session, { ...place, type: 'StreamChunk', data: new Uint8Array(0), last: true, error });
}

function remember(lease: Lease, message: Message<'StreamGet'>): void {
  lease.pulls ??= new Map();
  if (lease.pulls.size < PULLS_MAX) lease.pulls.set(keyOf(message), message);
}
const keyOf = ({ index, offset }: { readonly index: number; readonly offset: number }): string =>
  `${index}:${offset}`;

/** The job has an owner again: what was asked of the one before and not answered is asked of this one. */
export function pullAgain(state: State, job: Job): void {
  if (job.ownerSession === null || !job.hasStreams) return;
  for (const { isLive, pulls } of job.leases) {
    if (!isLive || pulls === null) continue;
    for (const message of pulls.values()) state.send(job.ownerSession, message);
  }
}

export function streamChunk(state: State, client: PeerSession, message: Message<'StreamChunk'>): void {
  const lease = message.lease === undefined ? undefined : state.leases.get(message.lease);
  // The reader may be gone, or its lease over: then nobody wants the chunk.
  if (lease === undefined || lease.job.id !== message.job || lease.job.ownerSession !== client.session)
    return;
  lease.pulls?.delete(keyOf(message));
  state.send(lease.drone.session, message);
}
