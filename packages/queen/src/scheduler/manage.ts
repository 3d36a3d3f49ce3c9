/**
 * What an operator changes: failed tasks of an ended job run again, a Drone gets no more work, old jobs go before their
 * time, a key is not valid any more.
 */
import type { JobId, Message, RefusalCode } from '@hive/shared';
import { watchConditions } from './conditions.ts';
import type { DroneState } from './drone.ts';
import { maybeFinish, removeJob } from './ending.ts';
import { rebuildGraph } from './graph-jobs.ts';
import type { Job } from './job.ts';
import { summaryOf } from './job-summary.ts';
import { requestKeys, revokeKey } from './keys.ts';
import { notHere } from './nodes.ts';
import { queueAnew } from './queue-waits.ts';
import type { PeerSession, State } from './state.ts';
import type { PageSplit } from './types.ts';

type Body = Message<'Answer'>['body'];
interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
}
type Outcome = { readonly body: Body } | Refusal;

export function manage(state: State, client: PeerSession, message: Message<'Manage'>): void {
  const { request } = message;
  const outcome = ACTIONS[message.action](state, message, client);
  if (outcome === null) return;
  if ('body' in outcome) {
    state.sendAfterCommit(client.session, { type: 'Answer', request, body: outcome.body });
  } else state.refuse(client.session, outcome.code, outcome.text, { request });
}

/** Null: somebody else answers. */
type Action = (state: State, message: Message<'Manage'>, client: PeerSession) => Outcome | null;

const ACTIONS: Readonly<Record<Message<'Manage'>['action'], Action>> = {
  retry,
  drain: (state, message) => drain(state, message, true),
  resume: (state, message) => drain(state, message, false),
  gc: collect,
  revokeKey: (state, message, client) => revokeKey(state, client, message),
  rotateKeys: (state, { request }, client) => requestKeys(state, client, { request, action: 'rotateKeys' }),
  retireKeys: (state, { request }, client) => requestKeys(state, client, { request, action: 'retireKeys' }),
};

/** Tasks of an ended job that did not succeed run again, with their attempts counted from zero. */
function retry(state: State, { job: id }: Message<'Manage'>, client: PeerSession): Outcome {
  const job = id === undefined ? undefined : state.jobs.get(id);
  if (job === undefined) return notHere(state, id, client.role);
  if (job.isActive)
    return {
      code: 'badSpec',
      text: 'The job has not ended yet; its failed tasks are tried again by themselves.',
    };
  const missing = [...job.recorded.gaps(0, job.appended)];
  const tasks = job.failedIndices.size + missing.reduce((sum, [first, end]) => sum + end - first, 0);
  if (job.state === 'succeeded')
    return { code: 'badSpec', text: 'The job has succeeded; there is nothing to run again.' };
  // The tasks of a reduced job may have succeeded, and folding what they gave failed.
  if (tasks === 0 && (job.folds === null || job.cancelled > 0))
    return { code: 'badSpec', text: 'None of its tasks has failed; there is nothing to run again.' };
  if (!job.isSealed)
    return { code: 'badSpec', text: 'The job was never sealed, so its end is not known. Submit it again.' };
  if (job.isAttached && job.spec.range === undefined) {
    return {
      code: 'badSpec',
      text: 'The inputs of an attached job go with it, so nothing is left to run again. Submit it detached to be able to retry it.',
    };
  }
  const gone = neverStarted(job) ? missingBefore(state, job) : undefined;
  if (gone !== undefined) {
    return {
      code: 'badSpec',
      text: `It shall come after job ${gone}, which is not here any more. Submit it again without that.`,
    };
  }
  reopen(state, job);
  return { body: { ...(summaryOf(state, job) as object), retried: tasks } };
}

const neverStarted = (job: Job): boolean => job.succeeded === 0 && job.mark === 0;
/** A job that must have succeeded first, and of which nothing is known. */
const missingBefore = (state: State, { spec }: Job): JobId | undefined =>
  spec.after?.find(({ job, on }) => on === 'success' && !state.jobs.has(job))?.job;

function reopen(state: State, job: Job): void {
  state.ended.delete(job);
  state.endedBytes = Math.max(0, state.endedBytes - job.results.heldBytes);
  const failed = [...job.failedIndices];
  const cancelled = job.recorded.size - job.failedIndices.size - job.succeeded;
  state.commit({ type: 'jobReopened', job: job.id, failed, splits: splitsOf(job), cancelled, at: state.now });
  for (const [first, end] of [...job.recorded.gaps(0, job.appended)]) {
    job.returned.add(first, end);
    queueAnew(state, job, first, end);
  }
  job.nextFresh = job.appended;
  rebuildGraph(state, job);
  watchConditions(state, job);
  job.folds?.planAll();
  maybeFinish(state, job);
  state.touch(job);
}

/** Result pages with failed tasks are cut around them, because pages never overlap and those tasks get new results. */
function splitsOf(job: Job): PageSplit[] {
  const splits: PageSplit[] = [];
  let { seq } = job;
  for (const entry of job.results.values()) {
    const end = entry.first + entry.count;
    if (!job.failedIndices.touches(entry.first, end)) continue;
    const parts = [...job.failedIndices.gaps(entry.first, end)].map(([first, stop]) => ({
      seq: ++seq,
      first,
      count: stop - first,
    }));
    splits.push({ seq: entry.seq, parts });
  }
  return splits;
}

function drain(state: State, { drone: wanted }: Message<'Manage'>, isDraining: boolean): Outcome {
  const drone = findDrone(state, wanted ?? '');
  if (typeof drone === 'string') return { code: 'badSpec', text: drone };
  drone.isDraining = isDraining;
  if (isDraining !== state.drained.has(drone.peer))
    state.commit({ type: 'drainChanged', drone: drone.peer, isDraining, at: state.now });
  drone.update();
  if (isDraining) takeBack(state, drone);
  return { body: { drone: drone.peer, name: drone.name, draining: isDraining, leases: drone.leases.size } };
}

/** What the Drone has not started goes to others. */
function takeBack(state: State, drone: DroneState): void {
  for (const lease of drone.leases.values()) {
    if (!lease.isLive || lease.isRetracting) continue;
    lease.isRetracting = true;
    state.send(drone.session, {
      type: 'Retract',
      lease: lease.number,
      end: lease.state === 'waiting' ? 0 : lease.done,
    });
  }
}

function findDrone(state: State, wanted: string): DroneState | string {
  const found: DroneState[] = [];
  for (const { drone } of state.sessions.values()) {
    if (drone !== null && (drone.peer === wanted || drone.name === wanted)) found.push(drone);
  }
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    return `${found.length} Drones have the name "${wanted}". Use an id of "hive drones" instead.`;
  return `No Drone "${wanted}" is connected. "hive drones" lists those that are.`;
}

function collect(state: State, { job: id }: Message<'Manage'>, client: PeerSession): Outcome {
  const job = id === undefined ? undefined : state.jobs.get(id);
  if (id !== undefined && job === undefined) return notHere(state, id, client.role);
  if (job?.isActive) return { code: 'badSpec', text: 'The job has not ended. Cancel it first.' };
  let removed = 0;
  for (const each of job === undefined ? [...state.ended] : [job]) {
    if (each.hasDependents) continue;
    removeJob(state, each);
    removed++;
  }
  return { body: { removed } };
}
