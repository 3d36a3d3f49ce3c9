/**
 * The only writer of durable facts, live and in recovery: replaying what was committed gives the state that was live.
 * It must not send, schedule, or look at anything that is not durable.
 */
import { IntervalSet, InvariantError, type Streamed } from '@hive/shared';
import { resultCost } from './input-directory.ts';
import { Job } from './job.ts';
import type { State } from './state.ts';
import type { JobRecovered, PageSplit, StoreRecord } from './types.ts';

type Of<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;
type Appliers = { readonly [T in StoreRecord['type']]: (state: State, record: Of<T>) => void };

export function applyRecord(state: State, record: StoreRecord): void {
  (APPLIERS[record.type] as (state: State, record: StoreRecord) => void)(state, record);
}

const APPLIERS: Appliers = {
  jobSubmitted(state, { job: id, spec, owner, order, at }) {
    const job = new Job(id, state.sharedSpec(spec), owner, order, at);
    if (spec.range !== undefined) {
      job.appended = spec.range.count;
      job.isSealed = true;
    }
    state.jobs.set(id, job);
    state.news.add(job);
    state.jobCount = Math.max(state.jobCount, order);
  },

  inputsAppended(state, { job: id, page, streams, parents }) {
    const job = jobOf(state, id);
    if (page.first !== job.appended) throw new InvariantError(`inputs of ${id} with a gap at ${page.first}`);
    job.appended += page.count;
    job.inputs.add(page.first, page.count, page.data.length);
    for (const stream of streams) noteStream(job, stream);
    job.graph?.add(page.count, parents);
  },

  tasksQueued(state, { job: id, first, at, overdueUpTo }) {
    const job = jobOf(state, id);
    const kept = (job.queuedSince ?? []).filter(
      (stretch) => stretch.first < first && (stretch.first === 0 || stretch.at > overdueUpTo),
    );
    job.queuedSince = [...kept, { first, at }];
  },

  jobSealed(state, { job: id }) {
    jobOf(state, id).isSealed = true;
  },

  resultsRecorded(state, { job: id, seq, page, failures, streams, reduced }) {
    const job = jobOf(state, id);
    const end = page.first + page.count;
    if (job.recorded.add(page.first, end) !== page.count) {
      throw new InvariantError(`results of ${id} recorded twice in ${page.first}..${end - 1}`);
    }
    job.seq = seq;
    const { first, count } = page;
    const cost = resultCost(page, reduced === true);
    const entry = { seq, first, count, cost, ...(reduced ? { reduced } : {}) };
    if (reduced) job.folds?.add({ seq, first, end, bytes: page.data.length, level: 0 });
    job.results.add(streams.length === 0 ? entry : { ...entry, streamBytes: bytesOf(streams) });
    job.graph?.noteResults(page.first, page.count, seq);
    let cancelled = 0;
    for (const { outcome, index } of failures) {
      if (outcome === 'cancelled') {
        cancelled++;
        job.cancelledIndices.add(index, index + 1);
      } else job.failedIndices.add(index, index + 1);
    }
    job.cancelled += cancelled;
    job.failed += failures.length - cancelled;
    job.succeeded += page.count - failures.length;
    forgetFailures(job, page.first, end);
  },

  pagesFolded(state, { job: id, seq, seqs, page }) {
    const job = jobOf(state, id);
    const { first, count, data } = page;
    job.seq = seq;
    for (const old of seqs) job.results.delete(old);
    job.results.add({ seq, first, count, cost: resultCost(page, true), reduced: true });
    job.folds?.replace(seqs, { seq, first, end: first + count, bytes: data.length });
  },

  attemptFailed(state, { job: id, failure, retryAt }) {
    const job = jobOf(state, id);
    const known = job.failedTasks.get(failure.index);
    const task = known ?? {
      failures: 0,
      crashes: 0,
      retryAt: null,
      lastDrone: null,
      losses: 0,
    };
    if (failure.outcome === 'crashed') task.crashes++;
    else task.failures++;
    task.retryAt = retryAt;
    if (known === undefined) job.failedTasks.set(failure.index, task);
  },

  inputsDropped(state, { job: id, first, count }) {
    const { streams } = jobOf(state, id);
    if (streams.size > 0) for (let index = first; index < first + count; index++) streams.delete(index);
  },

  resultsDropped(state, { job: id, seqs }) {
    const job = jobOf(state, id);
    for (const seq of seqs) job.results.delete(seq);
  },

  jobEnded(state, { job: id, state: end, message, value = null, failure = null, at }) {
    const job = jobOf(state, id);
    job.state = end;
    job.message = message;
    job.failure = failure;
    job.endedAt = at;
    job.valueSeq = value;
    // A job may succeed before its time: the rest of it is cancelled.
    if (end !== 'failed') job.cancelled = job.appended - job.succeeded - job.failed;
    job.forgetFailedTasks();
    job.queuedSince = null;
    // It ends with its client, so nothing of it is ever run again.
    if (job.isAttached) {
      job.inputs.clear();
      job.streams.clear();
    }
  },

  jobReopened(state, { job: id, failed, splits, cancelled, at }) {
    const job = jobOf(state, id);
    for (const [first, end] of failed) job.recorded.delete(first, end);
    for (const { seq, parts } of splits) replacePage(job, seq, parts);
    job.failedIndices.clear();
    job.failed = 0;
    job.cancelled = cancelled;
    job.reopenedAt = at;
    if (job.spec.queueTimeoutMillis !== undefined) job.queuedSince = [{ first: 0, at }];
    job.state = 'running';
    job.endedAt = null;
    job.message = null;
    job.failure = null;
    job.valueSeq = null;
  },

  jobRemoved(state, { job: id }) {
    state.jobs.delete(id);
  },

  leasesMarked(state, { job: id, mark }) {
    jobOf(state, id).mark = mark;
  },

  droneJoined(state, { drone }) {
    state.knownDrones.add(drone);
  },

  droneLeft(state, { drone }) {
    state.knownDrones.delete(drone);
  },

  drainChanged(state, { drone, isDraining }) {
    if (isDraining) state.drained.add(drone);
    else state.drained.delete(drone);
  },

  keyRevoked(state, { keyId, at }) {
    state.revokedKeys.set(keyId, at);
  },

  nodeNoted(state, { facts, at }) {
    state.nodes.set(facts.node, { facts, heardAt: at, keptAt: at });
  },

  nodeDropped(state, { node }) {
    state.nodes.delete(node);
  },

  jobHeard(state, { id, node, body, at }) {
    state.elsewhere.set(id, { node, body: JSON.parse(body), at });
  },

  jobUnheard(state, { id }) {
    state.elsewhere.delete(id);
  },

  jobRecovered(state, record) {
    const job = new Job(record.job, state.sharedSpec(record.spec), record.owner, record.order, record.at);
    restore(job, record);
    state.jobs.set(job.id, job);
    state.jobCount = Math.max(state.jobCount, record.order);
  },
};

function replacePage(job: Job, seq: number, parts: PageSplit['parts']): void {
  const whole = job.results.bySeq(seq);
  if (whole === undefined) return;
  job.results.delete(seq);
  // Which bytes a part has is the store's to know. Readers are charged too little first and the rest with the last part, so
  // that none of them waits for credit that its client does not owe.
  let left = whole.cost - 4 * whole.count;
  for (const part of parts) {
    const rest = part === parts[parts.length - 1] ? left : 0;
    left -= rest;
    const streamBytes = ((whole.streamBytes ?? 0) * part.count) / whole.count;
    job.results.add({ ...part, cost: rest + 4 * part.count, streamBytes });
    job.seq = Math.max(job.seq, part.seq);
    job.graph?.noteResults(part.first, part.count, part.seq);
  }
}

function restore(job: Job, record: JobRecovered): void {
  job.state = record.state;
  job.appended = record.appended;
  job.isSealed = record.isSealed;
  for (const [first, end] of record.recorded) job.recorded.add(first, end);
  job.succeeded = record.counts.succeeded;
  job.failed = record.counts.failed;
  job.cancelled = record.counts.cancelled;
  job.seq = record.seq;
  job.mark = record.mark;
  job.nodeEpoch = record.nodeEpoch ?? 1;
  job.message = record.message;
  job.failure = record.failure ?? null;
  job.endedAt = record.endedAt;
  job.valueSeq = record.value ?? null;
  job.reopenedAt = record.reopenedAt ?? null;
  job.queuedSince = job.isActive ? queuedSince(record) : null;
  for (const { first, count, bytes } of record.inputs) job.inputs.add(first, count, bytes);
  for (const index of record.failedIndices) job.failedIndices.add(index, index + 1);
  for (const index of record.cancelledIndices) job.cancelledIndices.add(index, index + 1);
  restoreGraph(job, record);
  // An attached job's failed tasks are never run again, so their inputs are not kept for them.
  const kept = job.isAttached ? new IntervalSet() : job.failedIndices;
  for (const [first, end] of record.recorded) {
    for (const [from, to] of kept.gaps(first, end)) [...job.inputs.succeeded(from, to)];
  }
  for (const { bytes, ...entry } of record.results) {
    const { seq, first, count, reduced } = entry;
    job.results.add({ ...entry, cost: bytes + 4 * (reduced ? 1 : count) });
    if (reduced) job.folds?.add({ seq, first, end: first + count, bytes, level: 0 });
  }
  for (const stream of record.streams) noteStream(job, stream);
  for (const { index, failures, crashes, retryAt } of record.failedTasks) {
    job.failedTasks.set(index, {
      failures,
      crashes,
      retryAt,
      lastDrone: null,
      losses: 0,
    });
  }
}

function queuedSince({ spec, at, reopenedAt, queuedSince: known = [] }: JobRecovered): Job['queuedSince'] {
  if (spec.queueTimeoutMillis === undefined) return null;
  return known[0]?.first === 0 ? known : [{ first: 0, at: reopenedAt ?? at }, ...known];
}

/** Pages that are gone held tasks that have succeeded: what those depended on no longer matters. */
function restoreGraph({ graph }: Job, { appended, parents, results }: JobRecovered): void {
  if (graph === null) return;
  for (const { first, count, lists } of parents) {
    if (graph.tasks < first) graph.add(first - graph.tasks, undefined);
    graph.add(count, lists);
  }
  if (graph.tasks < appended) graph.add(appended - graph.tasks, undefined);
  for (const { seq, first, count } of results) graph.noteResults(first, count, seq);
}

function bytesOf(streams: readonly Streamed[]): number {
  let total = 0;
  for (const { bytes } of streams) total += bytes;
  return total;
}

/** These tasks have ended, so how often they failed before no longer matters. Looks at the shorter of the two lists. */
function forgetFailures(job: Job, first: number, end: number): void {
  if (job.failedCount === 0) return;
  const { failedTasks } = job;
  if (failedTasks.size <= end - first) {
    for (const index of failedTasks.keys()) if (index >= first && index < end) failedTasks.delete(index);
  } else {
    for (let index = first; index < end; index++) failedTasks.delete(index);
  }
}

function jobOf(state: State, id: Job['id']): Job {
  const job = state.jobs.get(id);
  if (job === undefined) throw new InvariantError(`a record for ${id}, which is not there`);
  return job;
}

function noteStream(job: Job, { index, bytes, encoded }: Streamed): void {
  job.streams.set(index, encoded === true ? -bytes : bytes);
}
