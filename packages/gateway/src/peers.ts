/** Who works here: the nodes of a mesh, or the Drones of one Queen, as the API's peers. */
import type { DroneInfo, NodeInfo } from '@hive/client';
import type { Static } from '@sinclair/typebox';
import type { Peer } from './schemas.ts';
import { NODE_LABEL } from './target-node.ts';
import { VERSION } from './version.ts';

export type PeerBody = Static<typeof Peer>;

const STATUS: Readonly<Record<string, string>> = {
  idle: 'IDLE',
  busy: 'BUSY',
  clogged: 'BUSY',
  draining: 'DRAINING',
  quarantined: 'FAILED',
};

/** A Drone that its Queen lists was heard of within her heartbeats: `now` is when she said so. */
export function peerOf(drone: DroneInfo, now: Date): PeerBody {
  const { name, address, state, labels, slots, busySlots, kinds } = drone;
  return {
    node_id: labels[NODE_LABEL] ?? name,
    address,
    status: STATUS[state] ?? 'BUSY',
    last_heartbeat: now.toISOString(),
    metadata: { ...labels, slots: String(slots), busy_slots: String(busySlots), kinds: kinds.join(',') },
    version: VERSION,
  };
}

/** A node, as another knows it. */
export function peerOfNode(node: NodeInfo): PeerBody {
  const { name, id, address, state, slots, busySlots, load, queue, version, lastHeardAt } = node;
  const numbers = { slots, busy_slots: busySlots, load, queue };
  const texts = Object.entries(numbers).map(([key, value]) => [key, String(value)]);
  return {
    node_id: name,
    address,
    status: state,
    last_heartbeat: lastHeardAt,
    metadata: { queen: id, ...Object.fromEntries(texts) },
    version: version === '' ? VERSION : version,
  };
}
