/** The seam for nodes: what a gateway that is part of a mesh is told beyond its own Queen. Jobs of others she answers for. */
import type { PeerBody } from './peers.ts';

/** What a mesh of nodes knows beyond one Queen. Without it, the peers are her Drones. */
export interface Mesh {
  /** The node that this gateway is part of. */
  readonly nodeId: string;
  peers(): Promise<readonly PeerBody[]>;
}
