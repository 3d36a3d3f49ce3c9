/**
 * Who a node's Drone is, in a file of the node's folder: it ends with its node, however that ended, so when the node is
 * started again its Queen need not wait for it to come back with what it ran.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PeerId, peerId } from '@hive/shared';
import { randomPeerId } from '@hive/shared/node';

const pathIn = (folder: string): string => join(folder, 'drone.id');
const PEER = /^[0-9a-f]{32}$/;

/** The Drone of this node's last life; null when there was none, or it cannot be told. */
export function lastDrone(folder: string): PeerId | null {
  try {
    const text = readFileSync(pathIn(folder), 'utf8').trim();
    return PEER.test(text) ? peerId(text) : null;
  } catch {
    return null;
  }
}

/** A new id for the Drone that is started now. */
export function nextDrone(folder: string): PeerId {
  const id = randomPeerId();
  try {
    writeFileSync(pathIn(folder), `${id}\n`, { mode: 0o600 });
  } catch {
    // Without the file the Queen waits after a restart, that is all; a full disk is told of elsewhere.
  }
  return id;
}
