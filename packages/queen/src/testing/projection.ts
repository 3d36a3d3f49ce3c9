/**
 * The durable part of a scheduler's state as plain data: what a restart must bring back, no more and no less. Times have
 * the store's resolution, a millisecond; jobs are in their order, whatever their numbers.
 */
import type { Job, State } from '../scheduler/index.ts';

export type Projection = Readonly<Record<string, unknown>>;

export function projection(state: State): Projection {
  const jobs = [...state.jobs.values()].sort((a, b) => a.order - b.order);
  return {
    jobs: jobs.map((job) => projectJob(job, state.now)),
    drones: [...state.knownDrones].sort(),
    drained: [...state.drained].sort(),
    revoked: [...state.revokedKeys.keys()].sort(),
    nodes: [...state.nodes.keys()].sort(),
    elsewhere: [...state.elsewhere].map(([id, { node, body }]) => [id, node, body]).sort(),
  };
}

function projectJob(job: Job, now: number): Projection {
  const inputs: number[] = [];
  job.inputs.startsOf(0, Number.MAX_SAFE_INTEGER, inputs);
  return {
    id: job.id,
    spec: job.spec,
    owner: job.owner,
    submittedAt: Math.floor(job.submittedAt),
    // Whether anything was leased yet is not durable.
    state: job.isActive ? 'active' : job.state,
    appended: job.appended,
    isSealed: job.isSealed,
    recorded: [...job.recorded],
    failedIndices: [...job.failedIndices],
    cancelledIndices: [...job.cancelledIndices],
    parents: parentsOf(job),
    counts: [job.succeeded, job.failed, job.cancelled],
    seq: job.seq,
    mark: job.mark,
    message: job.message,
    failure: job.failure,
    endedAt: job.endedAt === null ? null : Math.floor(job.endedAt),
    inputs,
    inputBytes: job.inputs.heldBytes,
    value: job.valueSeq,
    results: [...job.results.values()]
      .map(({ seq, first, count, reduced = false }) => [seq, first, count, reduced])
      .sort(bySeq),
    reducedPages: job.folds?.pages ?? null,
    queuedSince: job.queuedSince?.map(({ first, at }) => [first, Math.floor(at)]) ?? null,
    streams: [...job.streams].sort(bySeq),
    failedTasks: [...job.failedTasks]
      .map(([index, { failures, crashes, retryAt }]) => {
        // One whose time has come is only waiting for its turn.
        const waitsUntil = retryAt === null || retryAt <= now ? null : Math.ceil(retryAt);
        return [index, failures, crashes, waitsUntil] as const;
      })
      .sort(bySeq),
  };
}

const bySeq = (a: readonly unknown[], b: readonly unknown[]): number => (a[0] as number) - (b[0] as number);

/** What the tasks without an outcome depend on; of the others it no longer matters. */
function parentsOf({ graph, recorded, appended, isActive, isAttached }: Job): unknown {
  if (graph === null || (isAttached && !isActive)) return null;
  const parents: unknown[] = [];
  for (const [first, end] of recorded.gaps(0, appended))
    for (let task = first; task < end; task++) parents.push([task, ...graph.parents(task)]);
  return parents;
}
