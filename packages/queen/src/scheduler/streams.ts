/**
 * Values over 1 MiB pass through: a Drone's StreamGet goes to the client that owns the job, its chunks come back to the
 * Drone that holds the lease. The Queen keeps nothing; both are driven by the reader.
 */
import type { Message } from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { PeerSession, State } from './state.ts';

export function streamGet(state: State, drone: DroneState, message: Message<'StreamGet'>): void {
  const job = state.jobs.get(message.job);
  const lease = message.lease === undefined ? undefined : drone.leases.get(message.lease);
  if (lease === undefined || lease.job !== job) {
    state.dropped.staleReports++;
    return;
  }
  const owner = job.ownerSession;
  if (owner !== null && message.direction === 'in') {
    state.send(owner, message);
    return;
  }
  const { type: _, length: __, ...place } = message;
  const error =
    message.direction === 'in'
      ? 'the client that holds this value is not connected'
      : 'there is no such stream';
  state.send(drone.session, { ...place, type: 'StreamChunk', data: new Uint8Array(0), last: true, error });
}

export function streamChunk(state: State, client: PeerSession, message: Message<'StreamChunk'>): void {
  const lease = message.lease === undefined ? undefined : state.leases.get(message.lease);
  // The reader may be gone, or its lease over: then nobody wants the chunk.
  if (lease === undefined || lease.job.id !== message.job || lease.job.ownerSession !== client.session)
    return;
  state.send(lease.drone.session, message);
}
