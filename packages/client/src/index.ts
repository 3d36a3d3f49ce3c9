/** Submit work to The Hive from TypeScript: `connect`, then `call`, `map` or `submit`. */
export type { Counts, Encoding, JobId, JobState, Outcome, Plain } from '@hive/shared';
export { UsageError } from '@hive/shared';
export { Blobs, type BlobWire } from './blobs.ts';
export {
  type BaseFiles,
  type CommandOrder,
  commandInput,
  commandStream,
  giveBaseFiles,
  type LocalFile,
  localFiles,
  type SentPath,
} from './command-files.ts';
export {
  type CommandOutput,
  type CommandResult,
  type CommandValue,
  readCommandResult,
} from './command-result.ts';
export { type ConnectOptions, connect } from './connect.ts';
export { type Duration, millisOf } from './duration.ts';
export { type EncodedResults, EncodedValues } from './encoded.ts';
export { TaskError } from './errors.ts';
export type { Inputs } from './feeder.ts';
export type { FunctionOptions, Target } from './functions/functions.ts';
export { type Reducer, type ReducerFile, reducer, registeredReducer } from './functions/reducer.ts';
export {
  type InputOf,
  type InputStream,
  NonRetryableError,
  type OutputOf,
  registeredTask,
  type SentAs,
  type Task,
  type TaskContext,
  type TaskHive,
  type TaskSettings,
  task,
} from './functions/task.ts';
export { connectTask } from './functions/task-session.ts';
export { Graph, type GraphOptions, GraphResults, GraphTask, type GraphTaskOptions } from './graph.ts';
export type { Receipt } from './hand-over.ts';
export { Hive, newJobId } from './hive.ts';
export type { CancelOptions, JobProgress } from './job.ts';
export { JobHandle, type ResultsOptions, type TaskResult } from './job-handle.ts';
export type { JobSummary } from './job-stream.ts';
export type { JobValue } from './job-value.ts';
export type { JobsOptions, JobsPageOptions } from './jobs-pages.ts';
export type { LocalOptions } from './local.ts';
export { MapResults } from './map-results.ts';
export type {
  After,
  CallOptions,
  FoldOptions,
  HaltOn,
  JobOptions,
  MapOptions,
  RangeStep,
  ReduceOptions,
  ReduceWith,
  SubmitOptions,
  TaskOptions,
} from './options.ts';
export type { OutputStream } from './outputs.ts';
export type {
  AttemptInfo,
  DrainInfo,
  DroneInfo,
  JobInfo,
  JobsPage,
  JobsPlace,
  KeyGenerations,
  NodeInfo,
  Overview,
  QueenStatus,
  RevokedKey,
  TaskStory,
} from './overview.ts';
export type { Printed } from './printed.ts';
export type { BuiltInReduce, Reduced } from './reduced.ts';
export { Reduction } from './reduction.ts';
export type { SavedFiles } from './returned-files.ts';
export { fileStream, type StreamSource } from './streams.ts';
export type { TaskEvent } from './task-events.ts';
