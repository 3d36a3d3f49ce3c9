/**
 * Reads what a restart needs: every job's facts and the directories of its pages, never the pages themselves. Covering
 * indexes keep it to a fraction of a second beside a gigabyte of history.
 */
import {
  type Failure,
  type Interval,
  IntervalSet,
  type JobId,
  type JobState,
  type PeerId,
  type Streamed,
} from '@hive/shared';
import type Database from 'better-sqlite3';
import type { StoreRecord } from '../../scheduler/index.ts';
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
  readonly message: string | null;
  readonly spec: string;
  readonly owner: PeerId;
  readonly newest_result: number;
  readonly recorded_below: number;
  readonly lease_mark: number;
}
interface PageRow {
  readonly job: number;
  readonly result: number;
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
}
interface DroppedRow {
  readonly job: number;
  readonly first: number;
  readonly count: number;
  readonly failed: string | null;
  readonly cancelled: string | null;
}
interface AttemptRow {
  readonly task: number;
  readonly outcome: string;
  readonly message: string;
  readonly retry_at: string;
}

export function* recoverRecords(database: Database.Database): Generator<StoreRecord, void, undefined> {
  const inputs = groupByJob<PageRow>(
    database,
    'SELECT job, 0 AS result, first, count, bytes FROM input_pages ORDER BY job, first',
  );
  const results = groupByJob<PageRow>(
    database,
    'SELECT job, result, first, count, bytes FROM result_pages ORDER BY job, result',
  );
  const dropped = groupByJob<DroppedRow>(
    database,
    'SELECT job, first, count, failed, cancelled FROM dropped_results',
  );
  const attempts = database.prepare(
    'SELECT task, outcome, message, retry_at FROM attempts WHERE job = ? AND retry_at IS NOT NULL ORDER BY rowid',
  );
  // Not one by one: an unfinished statement would keep the log from being moved into the database.
  const rows = database
    .prepare('SELECT jobs.*, owner, spec FROM jobs JOIN specs ON specs.job = jobs.number ORDER BY number')
    .all() as JobRow[];
  for (const row of rows) {
    const pages = {
      inputs: inputs.get(row.number) ?? [],
      results: results.get(row.number) ?? [],
      dropped: dropped.get(row.number) ?? [],
    };
    const failed = isActive(row) ? (attempts.all(row.number) as AttemptRow[]) : [];
    yield recovered(database, row, pages, failed);
  }
  const drones = database.prepare('SELECT id, name, joined_at FROM drones').all();
  for (const { id, name, joined_at } of drones as { id: PeerId; name: string; joined_at: string }[]) {
    yield { type: 'droneJoined', drone: id, name, at: Date.parse(joined_at) };
  }
}

interface JobPages {
  readonly inputs: PageRow[];
  readonly results: PageRow[];
  readonly dropped: DroppedRow[];
}

const isActive = ({ state }: JobRow): boolean => state === 'waiting' || state === 'running';

function recovered(
  database: Database.Database,
  row: JobRow,
  { inputs, results, dropped }: JobPages,
  attempts: AttemptRow[],
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
    at: Date.parse(row.created_at),
    state: row.state,
    appended: row.tasks,
    isSealed: row.sealed === 1,
    recorded: [...recorded],
    counts: { succeeded: row.succeeded, failed: row.failed, cancelled: row.cancelled },
    seq: row.newest_result,
    mark: row.lease_mark,
    message: row.message,
    endedAt: row.ended_at === null ? null : Date.parse(row.ended_at),
    inputs: kept.map(({ first, count, bytes }) => ({ first, count, bytes })),
    results: results.map(({ result, first, count, bytes }) => ({ seq: result, first, count, bytes })),
    ...(row.failed > 0 || row.cancelled > 0 ? unsuccessful(database, row.number, dropped) : NONE),
    // A job that has ended may be retried.
    parents: spec.graph !== undefined && kept.length > 0 ? parentsOf(database, row.number) : [],
    streams: kept.length > 0 ? streamsOf(database, row.number) : [],
    failedTasks: failedTasks(attempts, recorded),
  };
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
function unsuccessful(
  database: Database.Database,
  job: number,
  dropped: readonly DroppedRow[],
): Unsuccessful {
  const texts = database
    .prepare('SELECT failures FROM result_pages WHERE job = ? AND failures IS NOT NULL')
    .pluck()
    .all(job) as string[];
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
function parentsOf(database: Database.Database, job: number): Recovered['parents'] {
  const rows = database
    .prepare(
      'SELECT first, count, parents FROM input_pages WHERE job = ? AND parents IS NOT NULL ORDER BY first',
    )
    .all(job) as { first: number; count: number; parents: string }[];
  return rows.map(({ first, count, parents }) => ({ first, count, lists: JSON.parse(parents) as number[] }));
}

function streamsOf(database: Database.Database, job: number): Streamed[] {
  const texts = database
    .prepare('SELECT streams FROM input_pages WHERE job = ? AND streams IS NOT NULL')
    .pluck()
    .all(job) as string[];
  return texts.flatMap((text) => JSON.parse(text) as Streamed[]);
}

function groupByJob<Row extends { readonly job: number }>(
  database: Database.Database,
  query: string,
): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const row of database.prepare(query).all() as Row[]) {
    const group = groups.get(row.job);
    if (group === undefined) groups.set(row.job, [row]);
    else group.push(row);
  }
  return groups;
}
