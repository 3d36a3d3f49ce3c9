/**
 * Every message of the wire on one page. docs/PROTOCOL.md is normative; a test compares its tables with these.
 * A declaration gives the type, the check on arrival and the documentation row. Absent fields are omitted, never null.
 *
 * What each end must do with a message is said in PROTOCOL.md; who may send it in which state stands in `MESSAGES` below.
 */
import type { RefusalCode } from './errors.ts';
import {
  between,
  bool,
  bytes,
  chunk,
  type Field,
  type Fields,
  hex,
  type Infer,
  inputSizes,
  int,
  jobIdField as job,
  lease,
  list,
  name,
  oneOf,
  optional,
  pairs,
  plain,
  plainMap,
  ranges,
  record,
  sizes,
  struct,
  text,
  u32,
  u53,
  u53s,
} from './fields.ts';
import { LIMITS } from './limits.ts';
import { after, haltOn, inputRange, reduce } from './spec-parts.ts';
import type { Incarnation, PeerId, QueenId } from './units.ts';

export { after, haltOn, inputRange, reduce } from './spec-parts.ts';

const queen = hex<QueenId>(32);
const incarnation = hex<Incarnation>(16);
const peer = hex<PeerId>(32);
const code = name as unknown as Field<RefusalCode> & { optional: false };
const encoding = oneOf('raw', 'msgpack', 'hive-js');
const direction = oneOf('in', 'out');
const printedStream = oneOf('stdout', 'stderr', 'events');
const labels = record(name, LIMITS.labelsMax);
const blob = hex(64);

/** How a task ended. */
export const outcome = oneOf('succeeded', 'failed', 'timedOut', 'crashed', 'cancelled');
/** Where a job stands. */
export const jobState = oneOf('waiting', 'running', 'succeeded', 'failed', 'cancelled');
/** What a session is for. */
export const role = oneOf('drone', 'client', 'observer', 'node');

/** A task that did not succeed; its size in the page is 0. */
export const failure = struct('Failure', {
  index: u53,
  outcome,
  code: optional(name),
  message: text,
  retryable: optional(bool),
  error: optional(text),
});
/** What came of folding `count` tasks from `index` on, whose job failed because of it. */
export const foldFailure = struct('FoldFailure', { ...failure.fields, count: u53 });
/** A value that is not in the page because it is larger than 1 MiB: fetched with StreamGet. Its size in the page is 0. */
export const streamed = struct('Streamed', { index: u53, bytes: u53, encoded: optional(bool) });
/** Counts of a job's tasks by where they stand. */
export const counts = struct('Counts', {
  appended: u53,
  succeeded: u53,
  failed: u53,
  cancelled: u53,
  running: u53,
});
/** What a client says of a job. Fields that a Queen does not enforce yet are kept and passed on. */
export const jobSpec = struct('Spec', {
  kind: name,
  encoding,
  params: optional(plainMap),
  name: optional(text),
  attached: optional(bool),
  hidden: optional(bool),
  range: optional(inputRange),
  priority: optional(between(-1_000, 1_000)),
  weight: optional(between(1, 10_000)),
  slots: optional(between(1, LIMITS.slotsMax)),
  labels: optional(labels),
  retries: optional(between(0, 1_000_000)),
  backoffMillis: optional(u32),
  backoffMillisMax: optional(u32),
  attemptTimeoutMillis: optional(u53),
  queueTimeoutMillis: optional(u53),
  deadlineMillis: optional(u53),
  crashLimit: optional(between(1, 1_000_000)),
  after: optional(list(after, 10_000)),
  haltOn: optional(haltOn),
  retentionMillis: optional(u53),
  reduce: optional(reduce),
  graph: optional(oneOf('failChildren', 'runChildren')),
  concurrency: optional(between(1, 1_000)),
  blobs: optional(list(blob, LIMITS.blobsPerJobMax)),
  nested: optional(bool),
  parent: optional(job),
});
/** All inputs of a job, as a page whose first index is 0. */
export const wholeInputs = struct('Inputs', { count: between(0, LIMITS.pageCountMax), sizes, data: bytes });
/** By which a running task opens a session of its own, to submit work. */
export const taskPass = struct('TaskPass', { job, lease, token: bytes });
/** A lease that a returning Drone still holds; `done` tasks of it are finished and `startedMillis` ago the next began. */
export const heldLease = struct('HeldLease', {
  queen,
  incarnation,
  lease,
  job,
  ranges,
  done: u53,
  startedMillis: optional(u53),
  fold: optional(bool),
});
/** The process of a Drone that was started again: who it was, how it ended, and the end of what was printed there last. */
export const endedProcess = struct('EndedProcess', { peer, how: name, printed: optional(text) });
/** Every map inside a message that has fields of its own. */
export const STRUCTS: readonly (Field<unknown> & { readonly fields: Fields })[] = [
  jobSpec,
  wholeInputs,
  inputRange,
  after,
  haltOn,
  reduce,
  failure,
  foldFailure,
  streamed,
  counts,
  taskPass,
  heldLease,
  endedProcess,
];
const page = { first: u53, count: between(0, LIMITS.pageCountMax), sizes, data: bytes } as const;

/** Where a job stands, and since when it is there. */
const stand = { state: optional(jobState), createdAt: optional(name) } as const;

/** Schemas by message type. The order is that of PROTOCOL.md. */
const SCHEMAS = {
  // The session
  Hello: {
    magic: oneOf('hive'),
    protocolMin: u32,
    protocolMax: u32,
    role,
    peer,
    name,
    capabilities: list(name, LIMITS.capabilitiesMax),
    slots: optional(between(1, LIMITS.slotsMax)),
    kinds: optional(list(name, LIMITS.kindsMax)),
    labels: optional(labels),
    task: optional(taskPass),
  },
  Welcome: {
    protocol: u32,
    session: hex(32),
    queen,
    incarnation,
    epoch: u53,
    name,
    heartbeatMillis: u32,
    frameBytesMax: u53,
    valueBytesMax: u53,
    capabilities: list(name, LIMITS.capabilitiesMax),
    signature: optional(bytes),
  },
  Reject: { code, message: text },
  Heartbeat: { everyMillis: optional(u32) },
  Goodbye: { code: optional(code), message: text },

  // Client to Queen
  Submit: { job, spec: jobSpec, inputs: optional(wholeInputs), follow: optional(bool) },
  Append: {
    job,
    ...page,
    streams: optional(list(streamed, LIMITS.pageCountMax)),
    parents: optional(u53s()),
  },
  Seal: { job, count: u53 },
  ResultCredit: {
    job,
    bytes: u53,
    order: optional(oneOf('seq', 'index')),
    after: optional(u53),
    received: optional(u53),
  },
  Cancel: { request: u53, job, reason: optional(text), indices: optional(u53s()) },
  Query: {
    request: u53,
    about: oneOf('status', 'drones', 'nodes', 'jobs', 'job', 'explain', 'task', 'keys'),
    job: optional(job),
    index: optional(u53),
    limit: optional(u32),
    before: optional(u53),
    olderThan: optional(text),
    hidden: optional(bool),
    everywhere: optional(bool),
  },
  Watch: { everyMillis: u32 },
  WatchOutput: { job, on: bool },
  Manage: {
    request: u53,
    action: oneOf('retry', 'drain', 'resume', 'gc', 'revokeKey', 'rotateKeys', 'retireKeys'),
    job: optional(job),
    drone: optional(name),
    key: optional(name),
  },

  // Queen to client
  Accepted: { job, count: u53, sealed: bool, bytes: u53, ...stand },
  InputCredit: { job, count: u53, bytes: u53 },
  Refused: { job: optional(job), request: optional(u53), code, message: text, blob: optional(blob) },
  Results: {
    job,
    seq: u53,
    ...page,
    failures: optional(list(failure, LIMITS.pageCountMax)),
    streams: optional(list(streamed, LIMITS.pageCountMax)),
    last: optional(bool),
  },
  Progress: { job, state: jobState, counts, sealed: bool },
  JobDone: {
    job,
    state: jobState,
    counts,
    seq: u53,
    elapsedMillis: u53,
    message: optional(text),
    value: optional(bytes),
    finish: optional(bool),
    failure: optional(foldFailure),
  },
  Answer: { request: u53, body: plain },
  Overview: { body: plain },
  Output: { job, index: u53, lease, stream: printedStream, offset: u53, data: chunk },

  // Drone to Queen
  Holdings: { leases: list(heldLease, LIMITS.slotsMax * 2), predecessor: optional(endedProcess) },
  TaskRequest: { slots: int },
  TaskComplete: {
    lease,
    incarnation: optional(incarnation),
    job: optional(job),
    at: u53,
    ...page,
    failures: optional(list(failure, LIMITS.pageCountMax)),
    streams: optional(list(streamed, LIMITS.pageCountMax)),
    reduced: optional(bool),
    finish: optional(bool),
    busyMicros: u53,
    ended: optional(bool),
    request: optional(bool),
    display: optional(text),
  },
  Retracted: { lease, end: u53, startedMillis: optional(u53) },
  TaskOutput: { lease, index: u53, stream: printedStream, offset: u53, data: chunk },
  DialBack: { lease },

  // Queen to Drone
  JobSpec: { job, spec: jobSpec },
  ForgetJob: { job },
  TaskAssign: {
    lease,
    job,
    ranges,
    sizes: optional(inputSizes),
    data: optional(bytes),
    streams: optional(list(streamed, LIMITS.leaseTasksMax)),
    attempts: optional(pairs),
    behind: optional(lease),
    fold: optional(u53),
    token: optional(bytes),
  },
  Retract: { lease, end: u53 },
  CancelTask: { lease, index: optional(u53), reason: text },
  ResultAck: { leases: pairs, incarnation: optional(incarnation) },
  Drain: { reason: optional(text) },
  WorkWaits: { slots: between(0, LIMITS.slotsMax) },

  // Transfers, driven by their receiver
  StreamGet: {
    job,
    index: u53,
    direction,
    offset: u53,
    length: between(1, LIMITS.chunkBytesMax),
    lease: optional(lease),
    incarnation: optional(incarnation),
  },
  StreamChunk: {
    job,
    index: u53,
    direction,
    offset: u53,
    data: chunk,
    lease: optional(lease),
    incarnation: optional(incarnation),
    last: optional(bool),
    error: optional(text),
  },
  BlobHave: { hash: blob, bytes: u53 },
  BlobGet: { hash: blob, offset: u53, length: between(1, LIMITS.chunkBytesMax) },
  BlobChunk: {
    hash: blob,
    offset: u53,
    data: chunk,
    last: optional(bool),
    error: optional(text),
    bytes: optional(u53),
  },
} as const satisfies Record<string, Fields>;

export type MessageType = keyof typeof SCHEMAS;
type Schemas = typeof SCHEMAS;
/** The message of one type, as it is encoded. */
export type Message<T extends MessageType = MessageType> = {
  [K in T]: { readonly type: K } & Infer<Schemas[K]>;
}[T];

/** Who may send a message, and in which state of the session. */
export interface MessageRule {
  readonly from: readonly ('drone' | 'client' | 'observer' | 'queen')[];
  readonly state: 'greeting' | 'open' | 'any';
  readonly fields: Fields;
  /** The same check for every arriving message of this type. */
  readonly problem: (value: unknown) => string | null;
}
type Senders = MessageRule['from'];
const DRONE: Senders = ['drone'];
const CLIENT: Senders = ['client'];
/** What changes nothing: an observer may say it, too. */
const LOOKING: Senders = ['client', 'observer'];
const QUEEN: Senders = ['queen'];
const PEER: Senders = ['drone', 'client', 'observer'];
const TRANSFER: Senders = ['drone', 'client', 'queen'];
/** Whoever may give blobs: a Drone only gets them. */
const GIVING: Senders = ['client', 'queen'];
const ALL: Senders = ['drone', 'client', 'observer', 'queen'];

function rule(type: MessageType, from: Senders, state: MessageRule['state'] = 'open'): MessageRule {
  const fields = SCHEMAS[type];
  return { from, state, fields, problem: struct(type, fields as Fields).problem };
}

/**
 * The table *message x role x session state*. A node stands in the row of the client; so does an observer, but what it may
 * not send is refused, and its session goes on.
 */
export const MESSAGES: Readonly<Record<MessageType, MessageRule>> = {
  Hello: rule('Hello', PEER, 'greeting'),
  Welcome: rule('Welcome', QUEEN, 'greeting'),
  Reject: rule('Reject', QUEEN, 'greeting'),
  Heartbeat: rule('Heartbeat', ALL),
  Goodbye: rule('Goodbye', ALL, 'any'),
  Submit: rule('Submit', CLIENT),
  Append: rule('Append', CLIENT),
  Seal: rule('Seal', CLIENT),
  ResultCredit: rule('ResultCredit', CLIENT),
  Cancel: rule('Cancel', CLIENT),
  Query: rule('Query', LOOKING),
  Watch: rule('Watch', LOOKING),
  WatchOutput: rule('WatchOutput', [...LOOKING, 'queen']),
  Manage: rule('Manage', CLIENT),
  Accepted: rule('Accepted', QUEEN),
  InputCredit: rule('InputCredit', QUEEN),
  Refused: rule('Refused', QUEEN),
  Results: rule('Results', QUEEN),
  Progress: rule('Progress', QUEEN),
  JobDone: rule('JobDone', QUEEN),
  Answer: rule('Answer', QUEEN),
  Overview: rule('Overview', QUEEN),
  Output: rule('Output', QUEEN),
  Holdings: rule('Holdings', DRONE),
  TaskRequest: rule('TaskRequest', DRONE),
  TaskComplete: rule('TaskComplete', DRONE),
  Retracted: rule('Retracted', DRONE),
  TaskOutput: rule('TaskOutput', DRONE),
  DialBack: rule('DialBack', DRONE),
  JobSpec: rule('JobSpec', QUEEN),
  ForgetJob: rule('ForgetJob', QUEEN),
  TaskAssign: rule('TaskAssign', QUEEN),
  Retract: rule('Retract', QUEEN),
  CancelTask: rule('CancelTask', QUEEN),
  ResultAck: rule('ResultAck', QUEEN),
  Drain: rule('Drain', ['drone', 'queen']),
  WorkWaits: rule('WorkWaits', QUEEN),
  StreamGet: rule('StreamGet', TRANSFER),
  StreamChunk: rule('StreamChunk', TRANSFER),
  BlobHave: rule('BlobHave', GIVING),
  BlobGet: rule('BlobGet', TRANSFER),
  BlobChunk: rule('BlobChunk', GIVING),
};

type OfPeers = 'Hello' | 'Heartbeat' | 'Goodbye';
type OfQueens = 'Welcome' | 'Reject' | 'Heartbeat' | 'Goodbye';
type OfStreams = 'StreamGet' | 'StreamChunk';
/** What a Drone may send. */
export type DroneToQueen = Message<
  | OfPeers
  | OfStreams
  | 'Holdings'
  | 'TaskRequest'
  | 'TaskComplete'
  | 'Retracted'
  | 'TaskOutput'
  | 'DialBack'
  | 'Drain'
  | 'BlobGet'
>;
/** What a client may send. */
export type ClientToQueen = Message<
  | OfPeers
  | 'Submit'
  | 'Append'
  | 'Seal'
  | 'ResultCredit'
  | 'Cancel'
  | 'Query'
  | 'Watch'
  | 'WatchOutput'
  | 'Manage'
  | OfStreams
  | 'BlobHave'
  | 'BlobGet'
  | 'BlobChunk'
>;
/** What a Queen may send to a Drone. */
export type QueenToDrone = Message<
  | OfQueens
  | 'JobSpec'
  | 'ForgetJob'
  | 'TaskAssign'
  | 'Retract'
  | 'CancelTask'
  | 'WatchOutput'
  | 'ResultAck'
  | 'Drain'
  | 'WorkWaits'
  | OfStreams
  | 'BlobChunk'
>;
/** What a Queen may send to a client. */
export type QueenToClient = Message<
  | OfQueens
  | 'Accepted'
  | 'InputCredit'
  | 'Refused'
  | 'Results'
  | 'Progress'
  | 'JobDone'
  | 'Answer'
  | 'Overview'
  | 'Output'
  | OfStreams
  | 'BlobHave'
  | 'BlobGet'
  | 'BlobChunk'
>;

export type Role = Message<'Hello'>['role'];
export type Outcome =
  Message<'TaskComplete'> extends { failures?: readonly (infer F)[] }
    ? F extends { outcome: infer O }
      ? O
      : never
    : never;
export type Failure = Infer<typeof failure.fields>;
export type FoldFailure = Infer<typeof foldFailure.fields>;
export type Streamed = Infer<typeof streamed.fields>;
export type Counts = Infer<typeof counts.fields>;
export type Spec = Infer<typeof jobSpec.fields>;
export type Reduce = Infer<typeof reduce.fields>;
export type HeldLease = Infer<typeof heldLease.fields>;
export type EndedProcess = Infer<typeof endedProcess.fields>;
export type JobState = Message<'Progress'>['state'];
export type Encoding = Spec['encoding'];

/** The protocol versions that this build speaks. */
export const PROTOCOL_VERSION = { min: 1, max: 1 } as const;
