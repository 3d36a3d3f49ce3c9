/**
 * Turns records into rows: one batch, one transaction. Runs in the Queen's thread for small batches on fast disks, and in
 * a thread of its own otherwise; the code is the same, and only one of the two writes at a time. It remembers nothing from
 * one batch to the next, so it does not matter which of them wrote the last one.
 *
 * What many records of a batch change in a job's row is gathered and written once.
 */
import { type Failure, type Interval, IntervalSet, InvariantError, PageCutter } from '@hive/shared';
import type Database from 'better-sqlite3';
import type { PageSplit } from '../../scheduler/index.ts';
import type { Entry } from './batch.ts';
import { columnsOf, type PageRow, pageOf } from './page-columns.ts';
import { specToText } from './spec-text.ts';
import { prepareWrites, type Statements } from './statements.ts';

/** What a batch has changed in one job's row. */
interface JobChange {
  tasks: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  newestResult: number;
  recordedBelow: number;
  leaseMark: number;
  sealed: 0 | 1;
}
type Record = Entry['record'];
type Of<T extends Record['type']> = Extract<Record, { type: T }>;
type Writers = { readonly [T in Record['type']]: (number: number, record: Of<T>) => void };

interface StoredResult extends PageRow {
  readonly failures: string | null;
  readonly streams: string | null;
  readonly drone: string | null;
  readonly task_millis: number | null;
  readonly recorded_at: string;
}
interface DroppedRow {
  readonly first: number;
  readonly count: number;
  readonly cancelled: string | null;
}
interface Dropped {
  readonly first: number;
  readonly count: number;
  readonly failures: string | null;
}

/** The newest time is written so far ahead, in milliseconds, that it need not be written with every batch. */
const LATEST_AHEAD_MILLIS = 1_000;

export class SqliteWriter {
  readonly #changes = new Map<number, JobChange>();
  readonly #sql: Statements;
  readonly #write: Database.Transaction<
    (entries: readonly Entry[], latest: number, id: number | null) => void
  >;
  /** A time that is on the disk as the newest one, or 0; no earlier one need be written. */
  #latest = 0;

  constructor(database: Database.Database) {
    this.#sql = prepareWrites(database);
    this.#write = database.transaction((entries, latest, id) => this.#apply(entries, latest, id));
  }

  /**
   * Writes entries and makes them durable. `latest` is the latest time in them, `id` the number of their batch, if the
   * answer to it may be lost. @throws what SQLite says; nothing of the batch is kept then
   */
  write(entries: readonly Entry[], latest: number, id: number | null = null): void {
    try {
      this.#write.immediate(entries, latest, id);
    } finally {
      this.#changes.clear();
    }
  }

  /** The last batch with a number that is on the disk. */
  get lastBatch(): number {
    return Number((this.#sql.getMeta.get('batch') as string | undefined) ?? 0);
  }

  #apply(entries: readonly Entry[], latest: number, id: number | null): void {
    if (id !== null) this.#sql.setMeta.run('batch', String(id));
    if (latest > this.#latest) this.#noteLatest(latest);
    for (const { number, record } of entries) {
      (this.#writers[record.type] as (number: number, record: Record) => void)(number, record);
    }
    for (const number of this.#changes.keys()) this.#flush(number);
  }

  /** Ahead of use, like a lease mark: what is on the disk is never earlier than a time that is on the disk. */
  #noteLatest(latest: number): void {
    const known = Number((this.#sql.getMeta.get('latest') as string | undefined) ?? 0);
    if (latest > known) this.#sql.setMeta.run('latest', String(Math.ceil(latest) + LATEST_AHEAD_MILLIS));
    else this.#latest = known;
  }

  /** Writes what was gathered for one job. */
  #flush(number: number): void {
    const c = this.#changes.get(number);
    if (c === undefined) return;
    this.#changes.delete(number);
    const isRunning = c.leaseMark > 0 || c.newestResult > 0 ? 1 : 0;
    this.#sql.changeJob.run(
      c.tasks,
      c.succeeded,
      c.failed,
      c.cancelled,
      c.newestResult,
      c.recordedBelow,
      c.leaseMark,
      c.sealed,
      isRunning,
      number,
    );
    if (c.recordedBelow > 0) this.#sql.deleteDropped.run(number, c.recordedBelow);
  }

  #change(number: number): JobChange {
    let change = this.#changes.get(number);
    if (change === undefined) {
      change = {
        tasks: 0,
        succeeded: 0,
        failed: 0,
        cancelled: 0,
        newestResult: 0,
        recordedBelow: 0,
        leaseMark: 0,
        sealed: 0,
      };
      this.#changes.set(number, change);
    }
    return change;
  }

  readonly #writers: Writers = {
    jobSubmitted: (number, { job, spec, owner, at }) => {
      this.#sql.insertJob.run(
        number,
        job,
        spec.name ?? spec.kind,
        spec.kind,
        spec.priority ?? 0,
        spec.range?.count ?? 0,
        time(at),
        spec.range === undefined ? 0 : 1,
        spec.attached === false ? 0 : 1,
        spec.hidden === true ? 1 : 0,
        1,
      );
      this.#sql.insertSpec.run(number, owner, specToText(spec));
    },
    inputsAppended: (number, { page, streams, parents = [] }) => {
      const { first, count } = page;
      this.#sql.insertInput.run(number, first, count, ...columnsOf(page), textOf(streams), textOf(parents));
      this.#change(number).tasks += count;
    },
    inputsPassed: (number, { count }) => {
      this.#change(number).tasks += count;
    },
    tasksQueued: (number, { first, at, overdueUpTo }) => {
      this.#sql.deleteQueued.run(number, first, time(overdueUpTo));
      this.#sql.insertQueued.run(number, first, time(at));
    },
    jobSealed: (number) => {
      this.#change(number).sealed = 1;
    },
    resultsRecorded: (number, record) => {
      const { seq, page, failures, streams, drone, millis, reduced, at } = record;
      const { first, count } = page;
      this.#sql.insertResult.run(
        number,
        seq,
        first,
        count,
        ...columnsOf(page),
        textOf(failures),
        textOf(streams),
        drone,
        millis ?? null,
        time(at),
        reduced ? 1 : 0,
      );
      const change = this.#change(number);
      let cancelled = 0;
      for (const { outcome } of failures) if (outcome === 'cancelled') cancelled++;
      change.newestResult = seq;
      change.cancelled += cancelled;
      change.failed += failures.length - cancelled;
      change.succeeded += count - failures.length;
    },
    pagesFolded: (number, { seq, seqs, page, drone, millis, at }) => {
      for (const old of seqs) this.#sql.deleteResult.get(number, old);
      const { first, count } = page;
      const columns = columnsOf(page);
      this.#sql.insertResult.run(
        number,
        seq,
        first,
        count,
        ...columns,
        null,
        null,
        drone,
        millis,
        time(at),
        1,
      );
      this.#change(number).newestResult = seq;
    },
    attemptFailed: (number, { failure, drone, millis, at, retryAt }) => {
      const { index, outcome, code, message } = failure;
      const retry = time(Math.ceil(retryAt));
      this.#sql.insertAttempt.run(
        number,
        index,
        outcome,
        code ?? null,
        message,
        drone,
        millis ?? null,
        time(at),
        retry,
      );
    },
    inputsDropped: (number, { first }) => {
      this.#sql.dropInput.run(number, first);
    },
    resultsDropped: (number, { seqs, recordedBelow }) => {
      for (const seq of seqs) {
        const row = this.#sql.deleteResult.get(number, seq) as Dropped | undefined;
        if (row !== undefined) this.#keepDropped(number, row, recordedBelow);
      }
      const change = this.#change(number);
      change.recordedBelow = Math.max(change.recordedBelow, recordedBelow);
    },
    leasesMarked: (number, { mark }) => {
      this.#change(number).leaseMark = mark;
    },
    jobEnded: (number, { state, message, value = null, failure, at }) => {
      this.#flush(number);
      const text = failure === undefined ? null : JSON.stringify(failure);
      this.#sql.endJob.run({ job: number, state, message, value, failure: text, at: time(at) });
      this.#sql.removeInputs.run({ job: number });
    },
    jobReopened: (number, { failed, splits, cancelled, at }) => {
      this.#flush(number);
      let newest = 0;
      for (const { seq, parts } of splits) {
        this.#split(number, seq, parts);
        for (const part of parts) newest = Math.max(newest, part.seq);
      }
      const below = this.#unrecord(number, failed);
      this.#sql.reopenJob.run(time(at), cancelled, newest, below, number);
      this.#sql.forgetRetries.run(number);
      this.#sql.forgetQueued.run(number);
    },
    jobRemoved: (number) => {
      this.#changes.delete(number);
      this.#sql.deleteJob.run(number);
      this.#sql.deleteSpec.run(number);
      this.#sql.forgetQueued.run(number);
      this.#sql.removeAll.run({ job: number });
    },
    droneJoined: (_, { drone, name, at }) => {
      this.#sql.insertDrone.run(drone, name, time(at));
    },
    droneLeft: (_, { drone }) => {
      this.#sql.deleteDrone.run(drone);
    },
    drainChanged: (_, { drone, isDraining, at }) => {
      if (isDraining) this.#sql.insertDrained.run(drone, time(at));
      else this.#sql.deleteDrained.run(drone);
    },
    keyRevoked: (_, { keyId, at }) => {
      this.#sql.insertRevoked.run(keyId, time(at));
    },
    nodeNoted: (_, { facts, at }) => {
      const { node, name, version, addresses, state, slots, busySlots, queue } = facts;
      const list = addresses.join(' ');
      this.#sql.noteNode.run(node, name, version, list, state, slots, busySlots, queue, time(at));
    },
    nodeDropped: (_, { node }) => {
      this.#sql.dropNode.run(node);
    },
    jobHeard: (_, { id, node, body, at }) => {
      this.#sql.noteJobElsewhere.run(id, node, body, time(at));
    },
    jobUnheard: (_, { id }) => {
      this.#sql.dropJobElsewhere.run(id);
    },
    jobRecovered: () => {},
  };

  /** What is left of a page whose values nobody needs: that its tasks have outcomes, and which of them failed. */
  #keepDropped(number: number, { first, count, failures }: Dropped, recordedBelow: number): void {
    const all = failures === null ? [] : (JSON.parse(failures) as Failure[]);
    if (first + count <= recordedBelow && all.length === 0) return;
    const cancelled = textOf(indicesOf(all, true));
    this.#sql.insertDropped.run(number, first, count, textOf(indicesOf(all, false)), cancelled);
  }

  /** Replaces a result page by parts of it. */
  #split(number: number, seq: number, parts: PageSplit['parts']): void {
    const row = this.#sql.wholeResult.get(number, seq) as StoredResult | undefined;
    if (row === undefined) return;
    this.#sql.deleteResult.get(number, seq);
    const failures = row.failures === null ? [] : (JSON.parse(row.failures) as Failure[]);
    const streams = row.streams === null ? [] : (JSON.parse(row.streams) as { index: number }[]);
    const page = pageOf(row);
    if (page === undefined) throw new InvariantError(`the result page ${seq} of job ${number} is damaged`);
    const cutter = new PageCutter(page);
    for (const { seq: own, first, count } of parts) {
      const within = ({ index }: { readonly index: number }) => index >= first && index < first + count;
      const cut = cutter.cut(first, count);
      this.#sql.insertResult.run(
        number,
        own,
        first,
        count,
        ...columnsOf(cut),
        textOf(failures.filter(within)),
        textOf(streams.filter(within)),
        row.drone,
        row.task_millis,
        row.recorded_at,
        0,
      );
    }
  }

  /** These tasks have no outcome any more. Returns the index below which every task still has one. */
  #unrecord(number: number, failed: readonly Interval[]): number {
    const recorded = new IntervalSet();
    const cancelled = new IntervalSet();
    recorded.add(0, this.#sql.recordedBelow.get(number) as number);
    for (const dropped of this.#sql.allDropped.all(number) as DroppedRow[]) {
      recorded.add(dropped.first, dropped.first + dropped.count);
      for (const [first, end] of intervalsOf(dropped.cancelled)) cancelled.add(first, end);
    }
    for (const [first, end] of failed) recorded.delete(first, end);
    this.#sql.forgetDropped.run(number);
    let below = 0;
    for (const [first, end] of recorded) {
      // Those that were cancelled one by one stay so.
      const inside = [...cancelled].filter(([from]) => from >= first && from < end);
      if (first > 0) {
        this.#sql.insertDropped.run(number, first, end - first, null, textOf(inside));
        continue;
      }
      below = end;
      for (const [from, to] of inside)
        this.#sql.insertDropped.run(number, from, to - from, null, textOf([[from, to]]));
    }
    return below;
  }
}

/** A time before 1970 is as good as 1970. */
const time = (at: number): string => new Date(Math.max(0, at)).toISOString();
const intervalsOf = (text: string | null): Interval[] => (text === null ? [] : JSON.parse(text));
const textOf = (list: readonly unknown[]): string | null => (list.length === 0 ? null : JSON.stringify(list));

/** The tasks that were cancelled, or those that failed, as intervals. */
function indicesOf(failures: readonly Failure[], areCancelled: boolean): Interval[] {
  const indices = new IntervalSet();
  for (const { outcome, index } of failures) {
    if ((outcome === 'cancelled') === areCancelled) indices.add(index, index + 1);
  }
  return [...indices];
}
