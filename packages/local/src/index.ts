/**
 * A Queen and Drones beside the caller: in its thread (`startLocal`), in a thread of their own (`startLocalThread`), or in
 * processes of their own (`startProcesses`).
 */

/** A Drone in the caller's process. */
export type { LocalDrone } from './drone.ts';
export type { Usage } from './ipc.ts';
export { type Local, type LocalOptions, startLocal } from './local.ts';
export type { MeshEvent } from './node/mesh.ts';
export type { Node, NodeNotice, NodeOptions } from './node/node.ts';
export { type Nodes, type NodesOptions, startNodes } from './node/nodes.ts';
export { startNode } from './node/start.ts';
export {
  type DroneProcess,
  type Processes,
  type ProcessesAccess,
  type ProcessesOptions,
  type QueenProcess,
  startProcesses,
} from './processes.ts';
export type { Exit } from './supervisor.ts';
export { type LocalThread, startLocalThread } from './thread.ts';
