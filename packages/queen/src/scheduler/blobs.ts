/**
 * Who may read which blob: a Drone those of the jobs that it was given, a client those of any job, as it may see any job.
 * The bytes are the runtime's; what is decided here is only whether it hands them out.
 */
import type { Message } from '@hive/shared';
import type { DroneState } from './drone.ts';
import type { PeerSession, State } from './state.ts';

export function droneGetsBlob(state: State, drone: DroneState, get: Message<'BlobGet'>): void {
  const { hash } = get;
  for (const { spec } of drone.knownJobs.values()) {
    if (spec.blobs?.includes(hash)) {
      state.serveBlob(drone.session, get);
      return;
    }
  }
  for (const { job } of drone.leases.values()) {
    if (job.spec.blobs?.includes(hash)) {
      state.serveBlob(drone.session, get);
      return;
    }
  }
  refuse(state, drone.session, get, 'no job of this Drone needs the blob');
}

export function clientGetsBlob(state: State, client: PeerSession, get: Message<'BlobGet'>): void {
  for (const { spec } of state.jobs.values()) {
    if (spec.blobs?.includes(get.hash)) {
      state.serveBlob(client.session, get);
      return;
    }
  }
  refuse(state, client.session, get, 'no job here needs the blob');
}

function refuse(state: State, session: PeerSession['session'], get: Message<'BlobGet'>, error: string): void {
  const { hash, offset } = get;
  state.send(session, { type: 'BlobChunk', hash, offset, data: new Uint8Array(0), error });
}
