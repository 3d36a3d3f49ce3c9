/**
 * Graph jobs in the scheduler: tasks become ready as their parents end, a failed parent fails its descendants or not, as
 * the job says, and what a child gets of its parents is named for the runtime.
 */
import { type Failure, LIMITS } from '@hive/shared';
import type { Job } from './job.ts';
import { isLeased } from './lease.ts';
import { queueAnew, queueBack } from './queue-waits.ts';
import { record } from './record.ts';
import type { State } from './state.ts';

/** Bytes of parents' results that one lease may carry beside its own inputs. */
const PARENT_BYTES_MAX = 8 * 1024 * 1024;
/** In place of the result of a parent that has failed. */
export const NO_RESULT = -1;

/** Tasks were appended: those without parents that are still to end are ready. */
export function graphGrew(state: State, job: Job, first: number): void {
  if (job.graph === null) return;
  job.nextFresh = job.appended;
  for (let task = first; task < job.appended; task++) look(state, job, task);
  failDescendants(state, job);
}

/** After a restart or a retry: everything that has no outcome is looked at anew. */
export function rebuildGraph(state: State, job: Job): void {
  if (job.graph === null) return;
  job.returned.clear();
  graphGrew(state, job, 0);
}

function look(state: State, job: Job, task: number): void {
  const graph = job.graph!;
  if (job.recorded.has(task)) return;
  if (job.spec.graph === 'failChildren') {
    for (const parent of graph.parents(task)) {
      if (!hasFailed(job, parent)) continue;
      graph.failing.push(parent);
      return;
    }
  }
  const missing = graph.recount(task, (parent) => job.recorded.has(parent));
  if (missing > 0 || job.held.has(task) || isWaiting(job, task) || isLeased(job, task)) return;
  job.returned.add(task, task + 1);
  queueBack(state, job, task, task + 1);
}

/** It waits for its retry, or to run as a suspect. */
function isWaiting(job: Job, task: number): boolean {
  if (job.failedCount > 0 && job.failedTasks.get(task)?.retryAt != null) return true;
  return job.suspects.some(({ first, end }) => task >= first && task < end);
}

function hasFailed(job: Job, task: number): boolean {
  return job.recorded.has(task) && (job.failedIndices.has(task) || job.cancelledIndices.has(task));
}

/** Tasks have outcomes: their children may be ready, or will never be. */
export function graphAdvanced(
  state: State,
  job: Job,
  first: number,
  count: number,
  failures: readonly Failure[],
): void {
  const { graph } = job;
  if (graph === null) return;
  const failed = new Set(failures.map(({ index }) => index));
  for (let task = first; task < first + count; task++) {
    if (failed.has(task) && job.spec.graph === 'failChildren') graph.failing.push(task);
    else {
      for (const child of graph.children(task)) {
        if (!graph.parentEnded(child) || job.recorded.has(child) || isElsewhere(job, child)) continue;
        job.returned.add(child, child + 1);
        queueAnew(state, job, child, child + 1);
      }
    }
  }
  failDescendants(state, job);
  // A report of a lost lease brings nothing else that would put the job among the ready ones.
  state.ready.update(job);
}

/** After a restart its Drone may still run it: it is held for that Drone, or has been adopted. */
function isElsewhere(job: Job, task: number): boolean {
  if (job.isHeld && job.held.has(task)) return true;
  return job.hasOverlaps && isLeased(job, task);
}

/** Level by level, without recursion: recording a failure comes back here and only adds to the list. */
function failDescendants(state: State, job: Job): void {
  const graph = job.graph!;
  if (graph.isFailing) return;
  graph.isFailing = true;
  for (let parent = graph.failing.pop(); parent !== undefined; parent = graph.failing.pop()) {
    for (const child of [...graph.children(parent)]) {
      if (!job.isActive || job.recorded.has(child)) continue;
      const message = `task ${parent}, on which it depends, did not succeed`;
      const page = { first: child, count: 1, sizes: 0, data: new Uint8Array(0) };
      const failures = [{ index: child, outcome: 'failed' as const, code: 'parentFailed', message }];
      record(state, job, page, { failures, streams: [], drone: null });
    }
  }
  graph.isFailing = false;
}

/**
 * For every task of some ranges: the number of its parents, then for each the page that holds its result (or NO_RESULT)
 * and its index. Null when nothing of the job depends on anything.
 */
export function partsOf(job: Job, ranges: readonly number[]): readonly number[] | null {
  const { graph } = job;
  if (graph === null) return null;
  const parts: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let task = ranges[i]!; task < ranges[i]! + ranges[i + 1]!; task++) {
      const at = parts.push(0) - 1;
      for (const parent of graph.parents(task)) {
        parts[at]!++;
        parts.push(hasFailed(job, parent) ? NO_RESULT : (graph.seqOf(parent) ?? NO_RESULT), parent);
      }
    }
  }
  return parts;
}

/**
 * How many of the tasks [first, first + count) may be in one lease, for the bytes of their parents' results: counted by
 * the pages that hold them, so the truth is never more. 0: not even the first one.
 */
export function fittingParents(job: Job, first: number, count: number): number {
  if (job.graph === null || job.graph.edges === 0) return count;
  let bytes = 0;
  for (let task = first; task < first + count; task++) {
    const own = parentBytes(job, task);
    if (task === first && own > PARENT_BYTES_MAX) return 0;
    bytes += own;
    if (bytes > PARENT_BYTES_MAX) return task - first;
  }
  return count;
}

function parentBytes(job: Job, task: number): number {
  const inPage = new Map<number, number>();
  for (const parent of job.graph!.parents(task)) {
    const seq = job.graph!.seqOf(parent);
    if (seq !== null) inPage.set(seq, (inPage.get(seq) ?? 0) + 1);
  }
  let bytes = 0;
  for (const [seq, values] of inPage)
    bytes += Math.min(job.results.bySeq(seq)?.cost ?? 0, values * LIMITS.valueBytesMax);
  return bytes;
}

/** A task whose parents have more to say than fits a lease. */
export function failForSize(state: State, job: Job, task: number): void {
  const message = `the results of its parents together are larger than ${PARENT_BYTES_MAX} bytes`;
  const page = { first: task, count: 1, sizes: 0, data: new Uint8Array(0) };
  const failures = [{ index: task, outcome: 'failed' as const, code: 'tooLarge', message }];
  record(state, job, page, { failures, streams: [], drone: null });
}
