/**
 * Reads what a restart needs: every job's facts and the directories of its pages, never the pages themselves. Covering
 * indexes keep it to a fraction of a second beside a gigabyte of history.
 */
import {
  type Failure,
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
interface AttemptRow {
  readonly task: number;
  readonly outcome: string;
  readonly message: string;
  readonly retry_at: number;
}

export function* recoverRecords(database: Database.Database): Generator<StoreRecord, void, undefined> {
  const inputs = groupByJob(
    database
      .prepare('SELECT job, 0 AS result, first, count, bytes FROM input_pages ORDER BY job, first')
      .all() as PageRow[],
  );
  const results = groupByJob(
    database
      .prepare(
        'SELECT job, result, first, count, bytes FROM result_pages WHERE data IS NOT NULL ORDER BY job, result',
      )
      .all() as PageRow[],
  );
  const dropped = groupByJob(
    database
      .prepare('SELECT job, 0 AS result, first, count, 0 AS bytes FROM result_pages WHERE data IS NULL')
      .all() as PageRow[],
  );
  const attempts = database.prepare('SELECT task, outcome, message, retry_at FROM attempts WHERE job = ?');
  const hasAttempts = new Set(
    database.prepare('SELECT DISTINCT job FROM attempts').pluck().all() as number[],
  );
  for (const row of database.prepare('SELECT * FROM jobs ORDER BY number').iterate() as Iterable<JobRow>) {
    const pages = {
      inputs: inputs.get(row.number),
      results: results.get(row.number),
      dropped: dropped.get(row.number),
    };
    const failed = hasAttempts.has(row.number) ? (attempts.all(row.number) as AttemptRow[]) : [];
    yield recovered(database, row, pages, failed);
  }
  const drones = database.prepare('SELECT id, name, joined_at FROM drones').all();
  for (const { id, name, joined_at } of drones as { id: PeerId; name: string; joined_at: string }[]) {
    yield { type: 'droneJoined', drone: id, name, at: Date.parse(joined_at) };
  }
}

interface JobPages {
  readonly inputs: PageRow[] | undefined;
  readonly results: PageRow[] | undefined;
  readonly dropped: PageRow[] | undefined;
}

function recovered(
  database: Database.Database,
  row: JobRow,
  pages: JobPages,
  attempts: AttemptRow[],
): Recovered {
  const { inputs = [], results = [], dropped = [] } = pages;
  const recorded = new IntervalSet();
  recorded.add(0, row.recorded_below);
  for (const { first, count } of dropped) recorded.add(first, first + count);
  for (const { first, count } of results) recorded.add(first, first + count);
  const isActive = row.state === 'waiting' || row.state === 'running';
  return {
    type: 'jobRecovered',
    job: row.id,
    spec: textToSpec(row.spec),
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
    inputs: inputs.map(({ first, count, bytes }) => ({ first, count, bytes })),
    results: results.map(({ result, first, count, bytes }) => ({ seq: result, first, count, bytes })),
    failedIndices: row.failed > 0 ? failedIndices(database, row.number) : [],
    streams: isActive && inputs.length > 0 ? streamsOf(database, row.number) : [],
    failedTasks: isActive ? failedTasks(attempts, recorded) : [],
  };
}

/** Tasks that have failed and not ended: what was counted against them. */
function failedTasks(attempts: readonly AttemptRow[], recorded: IntervalSet): Recovered['failedTasks'] {
  const tasks = new Map<number, { failures: number; crashes: number; retryAt: number; message: string }>();
  for (const { task, outcome, message, retry_at } of attempts) {
    if (recorded.has(task)) continue;
    const known = tasks.get(task) ?? { failures: 0, crashes: 0, retryAt: 0, message: '' };
    if (retry_at > 0) {
      if (outcome === 'crashed') known.crashes++;
      else known.failures++;
    }
    known.retryAt = Math.max(known.retryAt, retry_at);
    known.message = message;
    tasks.set(task, known);
  }
  return [...tasks].map(([index, task]) => ({ index, ...task }));
}

/** Tasks whose outcome is a failure; a retry of the job runs them again. */
export function failedIndices(database: Database.Database, job: number): number[] {
  const texts = database
    .prepare('SELECT failures FROM result_pages WHERE job = ? AND failures IS NOT NULL')
    .pluck()
    .all(job) as string[];
  return texts.flatMap((text) =>
    (JSON.parse(text) as Failure[])
      .filter(({ outcome }) => outcome !== 'cancelled')
      .map(({ index }) => index),
  );
}

function streamsOf(database: Database.Database, job: number): Streamed[] {
  const texts = database
    .prepare('SELECT streams FROM input_pages WHERE job = ? AND streams IS NOT NULL')
    .pluck()
    .all(job) as string[];
  return texts.flatMap((text) => JSON.parse(text) as Streamed[]);
}

function groupByJob(rows: readonly PageRow[]): Map<number, PageRow[]> {
  const groups = new Map<number, PageRow[]>();
  for (const row of rows) {
    const group = groups.get(row.job);
    if (group === undefined) groups.set(row.job, [row]);
    else group.push(row);
  }
  return groups;
}
