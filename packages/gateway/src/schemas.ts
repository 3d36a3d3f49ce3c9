/**
 * What the API takes and gives, once: the same schemas check requests, write answers, and are the OpenAPI document.
 * Names are snake_case; times are RFC 3339; lengths of time are in seconds.
 */
import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import { UUID } from './field-problems.ts';

/** Named schemas become components of the OpenAPI document, by their title. */
const object = <T extends Record<string, TSchema>>(title: string, fields: T, more: object = {}): TObject<T> =>
  Type.Object(fields, { title, ...more });
const strict = { additionalProperties: false };
const opt = Type.Optional;
const text = (description: string) => Type.String({ description });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const seconds = (description: string) => Type.Number({ exclusiveMinimum: 0, maximum: 3.2e9, description });
const time = (description: string) => Type.String({ format: 'date-time', description });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const JOBS_MAX = 1_000;

export const JobStatus = Type.String({
  enum: ['JOB_PENDING', 'JOB_RUNNING', 'JOB_COMPLETED', 'JOB_FAILED', 'JOB_CANCELLED'],
  description:
    'JOB_PENDING until its first task has started; JOB_FAILED too when its one command ended with another exit code than 0.',
});

export const Problem = object('Problem', {
  type: text('A URI that names the problem'),
  title: text('The same for all of its status'),
  status: Type.Integer(),
  detail: text('What is wrong, and what to do'),
  instance: text('The path that was asked for'),
  code: text('The problem for programs'),
  node_id: opt(text('Of node_away: the node that has the job')),
  last_heartbeat: opt(time('Of node_away: when that node was heard of last')),
  errors: opt(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
});

export const Health = object('Health', {
  status: Type.String({ enum: ['ok', 'unavailable'] }),
  node_id: Type.String(),
  version: Type.String(),
  uptime_seconds: Type.Number(),
});

const JobCounts = Type.Object({
  JOB_PENDING: Type.Integer(),
  JOB_RUNNING: Type.Integer(),
  JOB_COMPLETED: Type.Integer(),
  JOB_FAILED: Type.Integer(),
  JOB_CANCELLED: Type.Integer(),
});
export const Status = object('Status', {
  node_id: Type.String(),
  version: Type.String(),
  queen: text("The Queen's id"),
  store: text('Where she keeps jobs: memory or sqlite'),
  uptime_seconds: Type.Number(),
  peers: count('Drones, or nodes of a mesh'),
  slots: count('Tasks that can run at once'),
  busy_slots: Type.Integer(),
  clients: Type.Integer(),
  jobs: JobCounts,
  tasks_running: Type.Integer(),
  tasks_ready: Type.Integer(),
  tasks_recorded: count('Outcomes since the Queen started'),
  tasks_per_second: Type.Number(),
});

export const Peer = object('Peer', {
  node_id: Type.String(),
  address: Type.String(),
  status: Type.String({ enum: ['IDLE', 'BUSY', 'DRAINING', 'FAILED'] }),
  last_heartbeat: time('When it was heard of last'),
  metadata: Type.Record(Type.String(), Type.String(), { description: 'Its labels, and slots, kinds, load' }),
  version: Type.String(),
});
export const Peers = object('Peers', { peers: Type.Array(Peer) });

export const Drone = object('Drone', {
  id: Type.String(),
  name: Type.String(),
  address: Type.String(),
  state: text('idle, busy, clogged, quarantined or draining'),
  slots: Type.Integer(),
  busy_slots: Type.Integer(),
  kinds: Type.Array(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  connected_seconds: Type.Number(),
  tasks_done: Type.Integer(),
  tasks_per_second: Type.Number(),
});
export const Drones = object('Drones', { drones: Type.Array(Drone) });
export const Drained = object('Drained', {
  id: Type.String(),
  name: Type.String(),
  draining: Type.Boolean(),
  leases: count('Pieces of work that it still has'),
});

export const Result = object('Result', {
  job_id: Type.String(),
  executor_node_id: orNull(text('Where it ran last')),
  exit_code: orNull(
    Type.Integer({ description: '128 and more: ended by a signal; null: no command, or none that ended' }),
  ),
  stdout: Type.String(),
  stderr: text('What it printed there; of a task that failed otherwise, why'),
  started_at: orNull(Type.String({ format: 'date-time' })),
  finished_at: orNull(Type.String({ format: 'date-time' })),
  timed_out: opt(Type.Boolean()),
  truncated: opt(Type.Boolean({ description: 'Part of what was printed is left out: see output_url' })),
  stdout_bytes: opt(count('With truncated: what was printed there in all')),
  stderr_bytes: opt(count('With truncated: what was printed there in all')),
  output_url: opt(text('With truncated: where all that is kept of it can be read')),
  value: opt(Type.Unknown({ description: 'What a task of another kind gave' })),
  error: opt(Type.Object({ code: opt(Type.String()), message: Type.String() })),
});
export type ResultBody = Static<typeof Result>;

export const Job = object('Job', {
  job_id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  kind: Type.String(),
  command: opt(text('Of a command: its line, or its words; only the beginning of a long one')),
  target_node: text('The node that it is pinned to, else the one that accepted it'),
  status: JobStatus,
  created_at: time('When the Queen accepted it'),
  finished_at: opt(time('When it ended')),
  elapsed_seconds: Type.Number(),
  priority: Type.Integer(),
  sealed: Type.Boolean({ description: 'Whether no more inputs come' }),
  tasks: Type.Object({
    total: Type.Integer(),
    running: Type.Integer(),
    succeeded: Type.Integer(),
    failed: Type.Integer(),
    cancelled: Type.Integer(),
  }),
  message: opt(text('Why it failed or was cancelled')),
  last_known: opt(Type.Boolean({ description: 'Its node is away; this is what was known last' })),
  last_known_at: opt(text('When that was, RFC 3339')),
  result: opt(Result),
});
export type JobBody = Static<typeof Job>;
export const JobPage = object('JobPage', {
  jobs: Type.Array(Job),
  next_cursor: orNull(text('For the next page; null: there is none')),
});

const After = Type.Union([
  Type.String({ pattern: UUID }),
  Type.Object(
    { job_id: Type.String({ pattern: UUID }), on: opt(Type.String({ enum: ['success', 'end'] })) },
    strict,
  ),
]);
const Labels = Type.Record(Type.String(), Type.String());

/** Options of a job that have simple values: in the body of a submission, and in the query of an upload. */
const simpleOptions = {
  kind: opt(
    text(
      'The kind of work: command (default when there is a command), hash, echo, sleep, or one that Drones offer',
    ),
  ),
  job_id: opt(
    Type.String({ pattern: UUID, description: 'A UUID of your own; submitting it again is harmless' }),
  ),
  name: opt(Type.String({ maxLength: 256 })),
  target_node: opt(text('Run it on this node only: its name, or its whole id; it must be known')),
  priority: opt(Type.Integer({ minimum: -1_000, maximum: 1_000, description: 'Higher goes first' })),
  weight: opt(Type.Integer({ minimum: 1, maximum: 10_000, description: 'Share among jobs of one priority' })),
  slots: opt(Type.Integer({ minimum: 1, description: 'Slots that each task takes' })),
  retries: opt(
    Type.Integer({
      minimum: 0,
      description: 'How often a failed task is tried again; for a single command 0, else 2',
    }),
  ),
  crash_limit: opt(Type.Integer({ minimum: 1 })),
  timeout_seconds: opt(seconds('How long one attempt of a task may take')),
  backoff_seconds: opt(seconds('Before the first retry')),
  backoff_max_seconds: opt(seconds('Before any retry')),
  queue_timeout_seconds: opt(seconds('How long a task may wait for its start')),
  deadline_seconds: opt(seconds('How long the whole job may take')),
  retention_seconds: opt(seconds('How long its results are kept')),
  halt_on: opt(
    Type.String({ description: 'Give up after so many failed tasks, or such a share: 5, or 10%' }),
  ),
};

export const Submission = object(
  'Submission',
  {
    ...simpleOptions,
    command: opt(
      Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String(), { minItems: 1 })], {
        description: 'A line for the shell, or a program and its arguments',
      }),
    ),
    env: opt(Type.Record(Type.String(), Type.String(), { description: 'Variables of the command' })),
    cwd: opt(text('Absolute path in which the command runs; default: a fresh folder')),
    stdin: opt(text('What the command reads')),
    params: opt(
      Type.Record(Type.String(), Type.Unknown(), { description: 'Parameters of the kind, for all tasks' }),
    ),
    input: opt(Type.Unknown({ description: 'The input of one task' })),
    inputs: opt(Type.Array(Type.Unknown(), { description: 'One task each' })),
    range: opt(
      Type.Object(
        { start: Type.Integer(), step: Type.Integer(), count: Type.Integer({ minimum: 0 }) },
        { ...strict, description: 'Task i gets start + i x step' },
      ),
    ),
    labels: opt(Labels),
    after: opt(Type.Array(After, { description: 'Jobs that come first' })),
  },
  strict,
);
export type SubmissionBody = Static<typeof Submission>;

export const UploadQuery = object(
  'UploadQuery',
  {
    ...simpleOptions,
    params: opt(text('Parameters of the kind, as JSON')),
    labels: opt(text('Labels, as JSON')),
  },
  strict,
);
export type UploadOptions = Static<typeof UploadQuery>;

export const Batch = object(
  'Batch',
  { jobs: Type.Array(Submission, { minItems: 1, maxItems: JOBS_MAX }) },
  strict,
);
const ACCEPTED = ['job_id', 'target_node', 'status', 'created_at', 'name', 'kind', 'command'] as const;
export const Accepted = object('Accepted', {
  ...Type.Pick(Job, ACCEPTED).properties,
  message: opt(text('That its target_node is away, or that another node had accepted it before')),
});
export const BatchAnswer = object('BatchAnswer', {
  jobs: Type.Array(Type.Union([Accepted, Problem]), {
    description: 'In the order of the batch: accepted, or the problem',
  }),
});

export const Attempt = object('Attempt', {
  outcome: Type.String(),
  code: opt(Type.String()),
  message: opt(Type.String()),
  node_id: opt(Type.String()),
  started_at: opt(Type.String({ format: 'date-time' })),
  finished_at: Type.String({ format: 'date-time' }),
  seconds: opt(Type.Number()),
});
export const Task = object('Task', {
  job_id: Type.String(),
  index: Type.Integer(),
  state: text('queued, leased, running, held, waitingForRetry, recorded, failed or cancelled'),
  node_id: opt(text('Where it is now')),
  attempts: Type.Array(Attempt),
});
export const Explanation = object('Explanation', { job_id: Type.String(), lines: Type.Array(Type.String()) });

const id = Type.String({ pattern: UUID, description: 'The id of the job' });
export const JobParams = Type.Object({ id });
export const TaskParams = Type.Object({
  id,
  index: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
});
export const DroneParams = Type.Object({ id: text('Its id, or a name that only it has') });
export const PageQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: JOBS_MAX, default: 100 }),
    cursor: opt(text('next_cursor of the page before')),
  },
  strict,
);
export const ResultsQuery = Type.Object(
  {
    order: Type.String({ enum: ['index', 'finished'], default: 'index' }),
    after: opt(text('Go on behind this index, or (as finished) this cursor')),
  },
  strict,
);
export const LogsQuery = Type.Object(
  {
    index: opt(Type.Integer({ minimum: 0 })),
    follow: Type.Boolean({ default: true, description: 'Go on until the job has ended' }),
    format: Type.String({ enum: ['ndjson', 'text'], default: 'ndjson' }),
  },
  strict,
);
export const SubmitHeaders = Type.Object({
  'idempotency-key': opt(
    Type.String({ minLength: 1, maxLength: 255, description: 'The same key again submits nothing new' }),
  ),
});
export const EventHeaders = Type.Object({ 'last-event-id': opt(text('Go on behind this event')) });
