/** The seam for nodes: what a gateway that is part of a mesh is told beyond its own Queen. */
import type { JobInfo } from '@hive/client';
import type { KeySession } from './access/sessions.ts';
import type { PeerBody } from './peers.ts';

/** What a mesh of nodes knows beyond one Queen. Without it, the peers are her Drones, and jobs are hers. */
export interface Mesh {
  /** The node that this gateway is part of. */
  readonly nodeId: string;
  peers(): Promise<readonly PeerBody[]>;
  /** Sessions with the Queen that has this job, when that is another one and she is there. */
  sessionOf(job: string): Promise<KeySession | null>;
  /** What was known last of a job whose node is away. */
  lastKnown(job: string): Promise<JobInfo | null>;
}
