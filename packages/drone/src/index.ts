/** The worker process of The Hive: `startDrone` for people, `Agent` for the simulation. */
export { Agent, type AgentOptions } from './agent/agent.ts';
export type {
  AgentEffect,
  AgentEffects,
  AgentEvent,
  AgentReport,
  DroneCounters,
  LeaseOrder,
  LinkNumber,
  RunNumber,
  RunningTask,
  SlotEffect,
  SlotFailure,
  SlotFold,
  SlotNumber,
  SlotReport,
} from './agent/events.ts';
export type { DroneOptions } from './config.ts';
export type { DroneEnd, DroneEvent } from './events.ts';
export { type Folding, foldTaken, takenOneByOne } from './folds/fold-taken.ts';
export { TaskFailure } from './kinds/failure.ts';
export type { Kind, KindJob, Runner, Task } from './kinds/kind.ts';
export type { Predecessor } from './predecessor.ts';
export { type Drone, startDrone } from './runtime.ts';
export type { SandboxPolicy } from './sandbox/policy.ts';
