/**
 * What a durable store hands to a Queen that opens it: each job as a whole, folded from the records that were durable, as
 * the SQLite store does from its tables. Written anew, so that the two can disagree.
 */
import type { JobRecovered, PageSplit, StoreRecord } from '@hive/queen';
import { cutPage, IntervalSet, type Page } from '@hive/shared';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Omit<
  Writable<JobRecovered>,
  'recorded' | 'inputs' | 'results' | 'failedTasks' | 'failedIndices' | 'cancelledIndices' | 'parents'
> & {
  recorded: IntervalSet;
  inputs: Map<number, JobRecovered['inputs'][number]>;
  results: Map<number, { readonly page: Page; readonly isReduced: boolean }>;
  failedTasks: Map<number, Writable<JobRecovered['failedTasks'][number]>>;
  failedIndices: number[];
  cancelledIndices: number[];
  /** Of a graph job, by the first index of their page. */
  parents: Map<number, JobRecovered['parents'][number]>;
};
type Of<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;

export function foldLog(log: readonly StoreRecord[]): StoreRecord[] {
  const jobs = new Map<string, Draft>();
  const drones = new Map<string, Of<'droneJoined'>>();
  const drained = new Map<string, StoreRecord>();
  const revoked: StoreRecord[] = [];
  for (const record of log) {
    if (record.type === 'keyRevoked') revoked.push(record);
    else if (record.type === 'drainChanged') {
      if (record.isDraining) drained.set(record.drone, record);
      else drained.delete(record.drone);
    } else if (!('job' in record) && !('drone' in record)) throw new Error(`a log with ${record.type}`);
    else if (record.type === 'droneJoined') drones.set(record.drone, record);
    else if (record.type === 'droneLeft') drones.delete(record.drone);
    else if (record.type === 'jobSubmitted') jobs.set(record.job, draftOf(record));
    else if (record.type === 'jobRemoved') jobs.delete(record.job);
    else add(jobs.get(record.job)!, record);
  }
  return [...[...jobs.values()].map(finished), ...drones.values(), ...drained.values(), ...revoked];
}

function draftOf({ job, spec, owner, order, at }: Of<'jobSubmitted'>): Draft {
  return {
    type: 'jobRecovered',
    job,
    spec,
    owner,
    order,
    at,
    state: 'waiting',
    appended: spec.range?.count ?? 0,
    isSealed: spec.range !== undefined,
    recorded: new IntervalSet(),
    counts: { succeeded: 0, failed: 0, cancelled: 0 },
    seq: 0,
    mark: 0,
    message: null,
    failure: null,
    endedAt: null,
    reopenedAt: null,
    inputs: new Map(),
    results: new Map(),
    failedIndices: [],
    cancelledIndices: [],
    parents: new Map(),
    streams: [],
    failedTasks: new Map(),
  };
}

function finished(draft: Draft): JobRecovered {
  const isActive = draft.endedAt === null;
  // What an ended attached job has left of its inputs is on its way out.
  const hasInputs = isActive || draft.spec.attached === false;
  return {
    ...draft,
    recorded: [...draft.recorded],
    inputs: hasInputs ? [...draft.inputs.values()] : [],
    parents: hasInputs ? [...draft.parents.values()] : [],
    results: [...draft.results].map(
      ([
        seq,
        {
          page: { first, count, data },
          isReduced,
        },
      ]) => ({
        seq,
        first,
        count,
        bytes: data.length,
        ...(isReduced ? { reduced: true } : {}),
      }),
    ),
    failedTasks: isActive ? [...draft.failedTasks.values()] : [],
  };
}

function add(job: Draft, record: StoreRecord): void {
  switch (record.type) {
    case 'inputsAppended': {
      const { first, count, data } = record.page;
      job.appended += count;
      job.inputs.set(first, { first, count, bytes: data.length });
      if (record.parents !== undefined) job.parents.set(first, { first, count, lists: record.parents });
      break;
    }
    case 'tasksQueued': {
      const { first, at, overdueUpTo } = record;
      const kept = (job.queuedSince ?? []).filter(
        (one) => one.first < first && (one.first === 0 || one.at > overdueUpTo),
      );
      job.queuedSince = [...kept, { first, at }];
      break;
    }
    case 'jobSealed':
      job.isSealed = true;
      break;
    case 'resultsRecorded':
      addResults(job, record);
      break;
    case 'pagesFolded':
      job.seq = record.seq;
      for (const seq of record.seqs) job.results.delete(seq);
      job.results.set(record.seq, { page: record.page, isReduced: true });
      break;
    case 'attemptFailed':
      addAttempt(job, record);
      break;
    case 'inputsDropped':
      job.inputs.delete(record.first);
      job.parents.delete(record.first);
      break;
    case 'resultsDropped':
      for (const seq of record.seqs) job.results.delete(seq);
      break;
    case 'leasesMarked':
      job.mark = record.mark;
      break;
    case 'jobEnded':
      job.state = record.state;
      job.message = record.message;
      job.failure = record.failure ?? null;
      job.endedAt = record.at;
      job.value = record.value ?? null;
      if (record.state !== 'failed')
        job.counts = { ...job.counts, cancelled: job.appended - job.counts.succeeded - job.counts.failed };
      break;
    case 'jobReopened':
      reopen(job, record);
      break;
    default:
      throw new Error(`a log with ${record.type}`);
  }
}

function addResults(job: Draft, { seq, page, failures, reduced }: Of<'resultsRecorded'>): void {
  const { first, count } = page;
  job.seq = seq;
  job.recorded.add(first, first + count);
  job.results.set(seq, { page, isReduced: reduced === true });
  const cancelled = failures.filter(({ outcome }) => outcome === 'cancelled').length;
  job.counts = {
    succeeded: job.counts.succeeded + count - failures.length,
    failed: job.counts.failed + failures.length - cancelled,
    cancelled: job.counts.cancelled + cancelled,
  };
  for (const { index, outcome } of failures) {
    (outcome === 'cancelled' ? job.cancelledIndices : job.failedIndices).push(index);
  }
  for (let index = first; index < first + count; index++) job.failedTasks.delete(index);
}

function reopen(job: Draft, { failed, splits, cancelled, at }: Of<'jobReopened'>): void {
  for (const [first, end] of failed) job.recorded.delete(first, end);
  for (const split of splits) splitPage(job, split);
  job.counts = { ...job.counts, failed: 0, cancelled };
  job.failedIndices = [];
  job.failedTasks.clear();
  job.reopenedAt = at;
  job.state = 'running';
  job.endedAt = null;
  job.message = null;
  job.failure = null;
  job.value = null;
}
function splitPage(job: Draft, { seq, parts }: PageSplit): void {
  const whole = job.results.get(seq);
  if (whole === undefined) throw new Error(`page ${seq} is cut and is not there`);
  job.results.delete(seq);
  for (const part of parts) {
    job.results.set(part.seq, { page: cutPage(whole.page, part.first, part.count), isReduced: false });
    job.seq = Math.max(job.seq, part.seq);
  }
}

function addAttempt(job: Draft, { failure, retryAt }: Of<'attemptFailed'>): void {
  const { index, outcome, message } = failure;
  const task = job.failedTasks.get(index) ?? { index, failures: 0, crashes: 0, retryAt, message };
  if (outcome === 'crashed') task.crashes++;
  else task.failures++;
  task.retryAt = retryAt;
  task.message = message;
  job.failedTasks.set(index, task);
}
