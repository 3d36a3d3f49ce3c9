/**
 * Reads what a restart needs: every job's facts and the directories of its pages, never the pages themselves. Covering
 * indexes keep it to a fraction of a second beside a gigabyte of history.
 */
import {
  type Failure,
  type FoldFailure,
  type Interval,
  IntervalSet,
  type JobId,
  type JobState,
  type PeerId,
  type Streamed,
} from '@hive/shared';
import type Database from 'better-sqlite3';
import type { NodeState, StoreRecord } from '../../scheduler/index.ts';
import { textToSpec } from './spec-text.ts';

type Recovered = Extract<StoreRecord, { type: 'jobRecovered' }>;

interface JobRow {
  readonly number: number;
  readonly id: JobId;
  readonly state: JobState;
  readonly tasks: number;
  readonly sealed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly attached: number;
  readonly created_at: string;
  readonly ended_at: string | null;
  readonly reopened_at: string | null;
  readonly message: string | null;
  readonly failure: string | null;
  readonly spec: string;
  readonly owner: PeerId;
  readonly newest_result: number;
  readonly recorded_below: number;
  readonly lease_mark: number;
  readonly value_result: number | null;
  readonly node_epoch: number;
}
interface StreamsRow {
  readonly job: number;
  readonly result: number;
  readonly streams: string;
}
interface PageRow {
  readonly job: number;
  readonly result: number;
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
}
interface ReducedRow {
  readonly job: number;
  readonly result: number;
}
interface DroppedRow {
  readonly job: number;
  readonly first: number;
  readonly count: number;
  readonly failed: string | null;
  readonly cancelled: string | null;
}
interface QueuedRow {
  readonly job: number;
  readonly first: number;
  readonly since: string;
}
interface AttemptRow {
  readonly job: number;
  readonly task: number;
  readonly outcome: string;
  readonly message: string;
  readonly retry_at: string;
}

/** Jobs that are read together, so that memory does not grow with their number. */
const JOBS_AT_ONCE = 2_000;

export function* recoverRecords(database: Database.Database): Generator<StoreRecord, void, undefined> {
  const sql = prepare(database);
  let last = 0;
  while (true) {
    // Not one by one: an unfinished statement would keep the log from being moved into the database.
    const rows = sql.jobs.all(last, JOBS_AT_ONCE) as JobRow[];
    const first = rows[0]?.number ?? 0;
    last = rows.at(-1)?.number ?? 0;
    const inputs = groupByJob(sql.inputs.all(first, last) as PageRow[]);
    const results = groupByJob(sql.results.all(first, last) as PageRow[]);
    const streams = groupByJob(sql.resultStreams.all(first, last) as StreamsRow[]);
    const reduced = groupByJob(sql.reduced.all(first, last) as ReducedRow[]);
    const dropped = groupByJob(sql.dropped.all(first, last) as DroppedRow[]);
    const attempts = groupByJob(sql.attempts.all(first, last) as AttemptRow[]);
    const queued = groupByJob(sql.queued.all(first, last) as QueuedRow[]);
    for (const row of rows) {
      yield recovered(sql, row, {
        inputs: inputs.get(row.number) ?? [],
        results: withStreams(
          results.get(row.number) ?? [],
          streams.get(row.number) ?? [],
          reduced.get(row.number) ?? [],
        ),
        dropped: dropped.get(row.number) ?? [],
        attempts: isActive(row) ? (attempts.get(row.number) ?? []) : [],
        queued: queued.get(row.number) ?? [],
      });
    }
    if (rows.length < JOBS_AT_ONCE) break;
  }
  for (const { id, name, joined_at } of sql.drones.all() as {
    id: PeerId;
    name: string;
    joined_at: string;
  }[]) {
    yield { type: 'droneJoined', drone: id, name, at: Date.parse(joined_at) };
  }
  for (const { id, drained_at } of sql.drained.all() as { id: PeerId; drained_at: string }[]) {
    yield { type: 'drainChanged', drone: id, isDraining: true, at: Date.parse(drained_at) };
  }
  for (const { id, revoked_at } of sql.revoked.all() as { id: string; revoked_at: string }[]) {
    yield { type: 'keyRevoked', keyId: id, at: Date.parse(revoked_at) };
  }
  yield* nodeRecords(sql);
}

interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly addresses: string;
  readonly state: NodeState;
  readonly slots: number;
  readonly busy_slots: number;
  readonly queue: number;
  readonly last_heard_at: string;
}
interface ElsewhereRow {
  readonly id: JobId;
  readonly node: string;
  readonly summary: string;
  readonly heard_at: string;
}

function* nodeRecords(sql: Statements): Generator<StoreRecord, void, undefined> {
  for (const row of sql.nodes.all() as NodeRow[]) {
    const { id: node, name, version, addresses, state, slots, busy_slots: busySlots, queue } = row;
    const list = addresses.split(' ').filter((address) => address !== '');
    const facts = { node, name, version, addresses: list, state, slots, busySlots, queue };
    yield { type: 'nodeNoted', facts, at: Date.parse(row.last_heard_at) };
  }
  for (const { id, node, summary: body, heard_at } of sql.elsewhere.all() as ElsewhereRow[])
    yield { type: 'jobHeard', id, node, body, at: Date.parse(heard_at) };
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: Database.Database) {
  const sql = (text: string) => database.prepare(text);
  return {
    jobs: sql(
      'SELECT jobs.*, owner, spec FROM jobs JOIN specs ON specs.job = jobs.number WHERE number > ? ORDER BY number LIMIT ?',
    ),
    inputs: sql(
      'SELECT job, 0 AS result, first, count, bytes FROM input_pages WHERE job BETWEEN ? AND ? ORDER BY job, first',
    ),
    results: sql(
      'SELECT job, result, first, count, bytes FROM result_pages WHERE job BETWEEN ? AND ? ORDER BY job, result',
    ),
    resultStreams: sql(
      'SELECT job, result, streams FROM result_pages WHERE job BETWEEN ? AND ? AND streams IS NOT NULL',
    ),
    reduced: sql('SELECT job, result FROM result_pages WHERE job BETWEEN ? AND ? AND reduced = 1'),
    dropped: sql(
      'SELECT job, first, count, failed, cancelled FROM dropped_results WHERE job BETWEEN ? AND ?',
    ),
    attempts: sql(
      'SELECT job, task, outcome, message, retry_at FROM attempts WHERE job BETWEEN ? AND ? AND retry_at IS NOT NULL ORDER BY rowid',
    ),
    queued: sql('SELECT job, first, since FROM queued_tasks WHERE job BETWEEN ? AND ? ORDER BY job, first'),
    failures: sql('SELECT failures FROM result_pages WHERE job = ? AND failures IS NOT NULL').pluck(),
    parents: sql(
      'SELECT first, count, parents FROM input_pages WHERE job = ? AND parents IS NOT NULL ORDER BY first',
    ),
    streams: sql('SELECT streams FROM input_pages WHERE job = ? AND streams IS NOT NULL').pluck(),
    drones: sql('SELECT id, name, joined_at FROM drones'),
    drained: sql('SELECT id, drained_at FROM drained_drones ORDER BY drained_at'),
    revoked: sql('SELECT id, revoked_at FROM revoked_keys ORDER BY revoked_at'),
    nodes: sql('SELECT * FROM nodes'),
    elsewhere: sql('SELECT id, node, summary, heard_at FROM jobs_elsewhere'),
  };
}

interface JobPages {
  readonly inputs: PageRow[];
  readonly results: Recovered['results'];
  readonly dropped: DroppedRow[];
  readonly attempts: AttemptRow[];
  readonly queued: QueuedRow[];
}

const isActive = ({ state }: JobRow): boolean => state === 'waiting' || state === 'running';

function recovered(
  sql: Statements,
  row: JobRow,
  { inputs, results, dropped, attempts, queued }: JobPages,
): Recovered {
  const spec = textToSpec(row.spec);
  const recorded = new IntervalSet();
  recorded.add(0, row.recorded_below);
  for (const { first, count } of dropped) recorded.add(first, first + count);
  for (const { first, count } of results) recorded.add(first, first + count);
  // What an ended attached job has left of its inputs is on its way out.
  const kept = row.attached === 1 && !isActive(row) ? [] : inputs;
  return {
    type: 'jobRecovered',
    job: row.id,
    spec,
    owner: row.owner,
    order: row.number,
    nodeEpoch: row.node_epoch,
    at: Date.parse(row.created_at),
    state: row.state,
    appended: row.tasks,
    isSealed: row.sealed === 1,
    recorded: [...recorded],
    counts: { succeeded: row.succeeded, failed: row.failed, cancelled: row.cancelled },
    seq: row.newest_result,
    mark: row.lease_mark,
    value: row.value_result,
    message: row.message,
    failure: row.failure === null ? null : (JSON.parse(row.failure) as FoldFailure),
    endedAt: row.ended_at === null ? null : Date.parse(row.ended_at),
    reopenedAt: row.reopened_at === null ? null : Date.parse(row.reopened_at),
    inputs: kept.map(({ first, count, bytes }) => ({ first, count, bytes })),
    results,
    ...(row.failed > 0 || row.cancelled > 0 ? unsuccessful(sql, row.number, dropped) : NONE),
    // A job that has ended may be retried.
    parents: spec.graph !== undefined && kept.length > 0 ? parentsOf(sql, row.number) : [],
    streams: kept.length > 0 ? streamsOf(sql, row.number) : [],
    failedTasks: failedTasks(attempts, recorded),
    queuedSince: queued.map(({ first, since }) => ({ first, at: Date.parse(since) })),
  };
}

/** Result pages, with the bytes of their values that are not in them, and whether they are one value. */
function withStreams(
  pages: readonly PageRow[],
  streams: readonly StreamsRow[],
  reduced: readonly ReducedRow[],
): Recovered['results'] {
  const folded = new Set(reduced.map(({ result }) => result));
  const bytesBySeq = new Map<number, number>();
  for (const { result, streams: text } of streams) {
    let total = 0;
    for (const { bytes } of JSON.parse(text) as Streamed[]) total += bytes;
    bytesBySeq.set(result, total);
  }
  return pages.map(({ result: seq, first, count, bytes }) => {
    const streamBytes = bytesBySeq.get(seq);
    return {
      seq,
      first,
      count,
      bytes,
      ...(streamBytes === undefined ? {} : { streamBytes }),
      ...(folded.has(seq) ? { reduced: true } : {}),
    };
  });
}

/** Tasks that have failed and not ended: what was counted against them. */
function failedTasks(attempts: readonly AttemptRow[], recorded: IntervalSet): Recovered['failedTasks'] {
  const tasks = new Map<number, { failures: number; crashes: number; retryAt: number; message: string }>();
  for (const { task, outcome, message, retry_at } of attempts) {
    if (recorded.has(task)) continue;
    const known = tasks.get(task) ?? { failures: 0, crashes: 0, retryAt: 0, message: '' };
    if (outcome === 'crashed') known.crashes++;
    else known.failures++;
    known.retryAt = Date.parse(retry_at);
    known.message = message;
    tasks.set(task, known);
  }
  return [...tasks].map(([index, task]) => ({ index, ...task }));
}

type Unsuccessful = Pick<Recovered, 'failedIndices' | 'cancelledIndices'>;
const NONE: Unsuccessful = { failedIndices: [], cancelledIndices: [] };

/** Tasks whose outcome is a failure, which a retry of the job runs again, and those that were cancelled one by one. */
function unsuccessful(sql: Statements, job: number, dropped: readonly DroppedRow[]): Unsuccessful {
  const texts = sql.failures.all(job) as string[];
  const failedIndices: number[] = [];
  const cancelledIndices: number[] = [];
  for (const text of texts) {
    for (const { index, outcome } of JSON.parse(text) as Failure[])
      (outcome === 'cancelled' ? cancelledIndices : failedIndices).push(index);
  }
  for (const { failed, cancelled } of dropped) {
    addIndices(failed, failedIndices);
    addIndices(cancelled, cancelledIndices);
  }
  return { failedIndices, cancelledIndices };
}

/** Adds the indices of intervals that were stored as text. */
function addIndices(text: string | null, to: number[]): void {
  if (text === null) return;
  for (const [first, end] of JSON.parse(text) as Interval[])
    for (let index = first; index < end; index++) to.push(index);
}

/** What the tasks of a graph job depend on. */
function parentsOf(sql: Statements, job: number): Recovered['parents'] {
  const rows = sql.parents.all(job) as { first: number; count: number; parents: string }[];
  return rows.map(({ first, count, parents }) => ({ first, count, lists: JSON.parse(parents) as number[] }));
}

function streamsOf(sql: Statements, job: number): Streamed[] {
  const texts = sql.streams.all(job) as string[];
  return texts.flatMap((text) => JSON.parse(text) as Streamed[]);
}

function groupByJob<Row extends { readonly job: number }>(rows: readonly Row[]): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.job);
    if (group === undefined) groups.set(row.job, [row]);
    else group.push(row);
  }
  return groups;
}
