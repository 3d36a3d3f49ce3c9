/** The scheduler, pure: no sockets, no clock, no randomness, no bytes of values. */

export * from './commit-pipeline.ts';
export type { Fold, Folds, ReducedPage } from './folds.ts';
export type { Job } from './job.ts';
export { entriesOfEach, entriesOfRest, type NodePage, unfinished } from './job-lists.ts';
export type { Lease } from './lease.ts';
export { mayTaskSay } from './nested.ts';
export type { NodeEvent, NodeFacts, NodeSelf, NodeState } from './nodes.ts';
export { Scheduler } from './scheduler.ts';
export type { Identity, PeerSession, State } from './state.ts';
export * from './types.ts';
