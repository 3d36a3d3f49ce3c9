/**
 * What clients ask for: submitting, appending, sealing, cancelling. The same id with the same spec is the same job,
 * which is how a client comes back after its connection was lost.
 */
import {
  checkPage,
  cutPage,
  isJobId,
  LIMITS,
  type Message,
  ProtocolError,
  type Reduce,
  type RefusalCode,
  reduceProblem,
  type Spec,
  type Streamed,
} from '@hive/shared';
import { conditionProblem, watchConditions } from './conditions.ts';
import { cancelJob, maybeFinish, maybeHalt, tellEndTo } from './ending.ts';
import { checkParents } from './graph.ts';
import { graphGrew } from './graph-jobs.ts';
import { pageCost } from './input-directory.ts';
import { canonical, type Job } from './job.ts';
import { summaryOf } from './job-summary.ts';
import { adopt, nestedProblem } from './nested.ts';
import { notHere } from './nodes.ts';
import { paramsBytes } from './params.ts';
import { noteAppended } from './queue-limit.ts';
import { record } from './record.ts';
import type { PeerSession, State } from './state.ts';
import { pullAgain } from './streams.ts';
import { checkInputs, leaveAlone, repeatProblem, takeInputs, wholeProblem } from './whole-jobs.ts';

/** Kinds that every build of the Drone knows; others must be on offer when a job asks for them. */
const BUILT_IN_KINDS = ['command', 'echo', 'function', 'hash', 'sleep'];

export function submit(state: State, client: PeerSession, message: Message<'Submit'>): void {
  const { job: id, spec } = message;
  checkInputs(message);
  const known = state.jobs.get(id);
  if (known !== undefined) {
    submitAgain(state, client, known, message);
    return;
  }
  const problem = specProblem(state, client, message);
  if (problem !== null) {
    const { code, text } = problem;
    // It must be said while nothing can be committed, so it waits for nothing.
    if (code === 'storeLow') state.send(client.session, { type: 'Refused', job: id, code, message: text });
    else state.refuse(client.session, code, text, { job: id });
    return;
  }
  state.commit({
    type: 'jobSubmitted',
    job: id,
    spec,
    owner: client.peer,
    at: state.now,
    order: state.jobCount + 1,
  });
  const job = state.jobs.get(id)!;
  if (!job.isHidden) state.notice({ type: 'jobAccepted', job: id, name: job.label, kind: job.kind });
  adopt(state, client, job);
  takeInputs(state, job, message);
  attach(state, client, job, message);
  watchConditions(state, job);
  maybeFinish(state, job);
}

/** The same job once more: its client has come back, or has not heard that it was accepted. */
function submitAgain(state: State, client: PeerSession, known: Job, message: Message<'Submit'>): void {
  const refuse = (code: RefusalCode, text: string) =>
    state.refuse(client.session, code, text, { job: known.id });
  if (client.task !== null && known.submittedUnder !== client.task.lease) {
    refuse('notPermitted', `Job ${known.id} was not submitted by this task. Choose a new id.`);
    return;
  }
  if (canonical(known.spec) !== canonical(message.spec)) {
    refuse('jobDiffers', `Job ${known.id} was submitted before with another spec. Choose a new id.`);
    return;
  }
  const wrong = repeatProblem(known, message);
  if (wrong !== null) {
    refuse(wrong.code, wrong.text);
    return;
  }
  const before = known.appended;
  const hasTaken = takeInputs(state, known, message);
  if (known.appended > before) noteAppended(state, known, before);
  attach(state, client, known, message);
  if (hasTaken) maybeEnd(state, known);
}

function specProblem(
  state: State,
  client: PeerSession,
  message: Message<'Submit'>,
): { code: RefusalCode; text: string } | null {
  const { job, spec } = message;
  if (!isJobId(job)) return { code: 'badSpec', text: `"${job}" is not a job id. Use a UUID in lower case.` };
  if (state.isStoreLow) {
    return {
      code: 'storeLow',
      text: 'The Queen has too little room on its disk to accept jobs. Make room, then submit again.',
    };
  }
  const open = client.jobs.size + client.jobsLeft;
  if (open >= LIMITS.openJobsMax) {
    return {
      code: 'tooManyJobs',
      text: `This client has ${open} jobs that have not ended or are still kept, and no more are taken. Submit it again when some have ended, or give many inputs to one job.`,
    };
  }
  if (spec.params !== undefined && paramsBytes(spec.params) > LIMITS.paramsBytesMax) {
    return {
      code: 'tooLarge',
      text: `A job's params have at most ${LIMITS.paramsBytesMax} bytes. Send large values as inputs.`,
    };
  }
  const nested = nestedProblem(state, client, spec);
  if (nested !== null) return nested;
  const unfoldable = reduceRefusal(spec);
  if (unfoldable !== null) return unfoldable;
  if (spec.range !== undefined) {
    const last = spec.range.start + spec.range.step * Math.max(0, spec.range.count - 1);
    if (!Number.isSafeInteger(last))
      return { code: 'badSpec', text: 'The range leaves the integers of 53 bits.' };
    if (spec.graph !== undefined)
      return { code: 'badSpec', text: 'A range job has no dependencies among its tasks.' };
    if (spec.encoding === 'raw') return { code: 'badSpec', text: 'A range job has the encoding "msgpack".' };
  }
  if (spec.graph !== undefined && spec.encoding === 'raw') {
    return { code: 'badSpec', text: 'A graph job hands lists to its tasks; use the encoding "msgpack".' };
  }
  const problem = wholeProblem(message) ?? conditionProblem(state, message);
  return problem === null ? kindProblem(state, spec.kind) : { code: 'badSpec', text: problem };
}

function reduceRefusal(spec: Spec): { code: RefusalCode; text: string } | null {
  const { reduce, graph, encoding } = spec;
  if (reduce === undefined) return null;
  if (graph !== undefined) return { code: 'badSpec', text: 'The results of a graph job cannot be folded.' };
  if (encoding === 'raw')
    return { code: 'badSpec', text: 'Raw bytes cannot be folded; use the encoding "msgpack".' };
  const problem = reduceProblem(reduce) ?? reducerProblem(reduce, spec);
  return problem === null ? null : { code: 'badSpec', text: problem };
}

/** A Drone that takes no functions must not get one as a reducer either. */
function reducerProblem({ op, module }: Reduce, { kind, blobs = [] }: Spec): string | null {
  if (op !== 'function') return null;
  if (kind !== 'function')
    return 'Only what functions give is folded with a function: use a built-in operator, or fold in a task of your own.';
  if (module !== undefined && !blobs.includes(module))
    return 'reduce: its module must be among the blobs of the job.';
  return null;
}

function kindProblem(state: State, kind: string): { code: RefusalCode; text: string } | null {
  if (BUILT_IN_KINDS.includes(kind)) return null;
  const offered = new Set<string>();
  for (const profile of state.profiles.values()) {
    if (profile.kinds.has(kind)) return null;
    if (profile.drones.size > 0) for (const name of profile.kinds) offered.add(name);
  }
  const hint =
    offered.size === 0
      ? 'No Drone is connected: start one that offers it.'
      : `Those that are connected offer: ${[...offered].sort().join(', ')}.`;
  return { code: 'unknownKind', text: `No Drone here offers the kind "${kind}". ${hint}` };
}

/**
 * This client is the job's owner from now on, in this session, unless it leaves the job to itself: then this answer is all
 * that it is told.
 */
function attach(
  state: State,
  client: PeerSession,
  job: Job,
  { inputs, follow = true }: Message<'Submit'>,
): void {
  const stands =
    inputs === undefined && follow
      ? {}
      : { state: job.state, createdAt: state.identity.formatTime(job.submittedAt) };
  if (!follow) {
    const { id, appended, isSealed } = job;
    const said = { job: id, count: appended, sealed: isSealed, bytes: 0, ...stands };
    state.sendAfterCommit(client.session, { type: 'Accepted', ...said });
    // One that is not whole still needs an owner who gives the rest.
    if (isSealed && job.abandonDeadline !== null) state.deadlines.clear(job.abandonDeadline);
    leaveAlone(client, job);
    return;
  }
  job.ownerSession = client.session;
  client.jobs.add(job);
  if (job.abandonDeadline !== null) state.deadlines.clear(job.abandonDeadline);
  job.inputCredit = job.isAttached ? Math.max(0, job.inputs.room) : LIMITS.inputBytesHeldMax;
  job.creditDue = 0;
  job.isCountDue = false;
  state.sendAfterCommit(client.session, {
    type: 'Accepted',
    job: job.id,
    count: job.appended,
    sealed: job.isSealed,
    bytes: job.inputCredit,
    ...stands,
  });
  state.touch(job);
  pullAgain(state, job);
  if (!job.isActive) tellEndTo(state, job, client.session);
}

export function append(state: State, client: PeerSession, message: Message<'Append'>): void {
  checkPage(message);
  const job = openJob(state, client, message.job);
  if (job === null) return;
  const { first, count, sizes, data } = message;
  if (first > job.appended)
    throw new ProtocolError(`Append leaves out inputs ${job.appended} to ${first - 1}`);
  const end = first + count;
  if (end <= job.appended) {
    job.isCountDue = true;
    state.touch(job);
    return;
  }
  if (job.isSealed) throw new ProtocolError(`Append to job ${job.id} after its Seal`);
  if (job.inputCredit <= 0) throw new ProtocolError(`Append to job ${job.id} without credit`);
  const page = cutPage({ first, count, sizes, data }, job.appended, end - job.appended);
  const streams = streamsWithin(message.streams ?? [], page.first, end);
  const cost = pageCost(page);
  job.inputCredit -= cost;
  const { graph } = job;
  const parents =
    graph === null ? undefined : checkParents(message.parents, message, job.appended - first, graph.edges);
  state.commit({
    type: 'inputsAppended',
    job: job.id,
    page,
    streams,
    ...(parents === undefined ? {} : { parents }),
  });
  graphGrew(state, job, page.first);
  noteAppended(state, job, page.first);
  if (!job.isAttached) job.creditDue += cost;
  job.isCountDue = true;
  state.touch(job);
  if (!job.isHidden) state.dirtyProgress.add(job);
}

function streamsWithin(streams: readonly Streamed[], first: number, end: number): Streamed[] {
  let before = -1;
  for (const { index } of streams) {
    if (index <= before || index >= end) throw new ProtocolError('Append has streams out of place');
    before = index;
  }
  return streams.filter(({ index }) => index >= first);
}

export function seal(state: State, client: PeerSession, message: Message<'Seal'>): void {
  const job = openJob(state, client, message.job);
  if (job === null) return;
  if (message.count !== job.appended) {
    throw new ProtocolError(
      `Seal of job ${job.id} at ${message.count}, but ${job.appended} inputs were appended`,
    );
  }
  if (job.isSealed) return;
  state.commit({ type: 'jobSealed', job: job.id });
  state.touch(job);
  maybeEnd(state, job);
}

/** Every task, or too many of them, may have ended before the seal arrived. */
function maybeEnd(state: State, job: Job): void {
  maybeHalt(state, job);
  maybeFinish(state, job);
}

/** The job, if this client may still add to it. One that has ended meanwhile is not the client's fault. */
function openJob(state: State, client: PeerSession, id: Job['id']): Job | null {
  const job = state.jobs.get(id);
  if (job === undefined) {
    state.refuse(client.session, 'unknownJob', `There is no job ${id} here.`, { job: id });
    return null;
  }
  if (job.ownerSession !== client.session) throw new ProtocolError(`job ${id} belongs to another session`);
  return job.isActive ? job : null;
}

export function cancel(state: State, client: PeerSession, message: Message<'Cancel'>): void {
  const { request, job: id } = message;
  const job = state.jobs.get(id);
  if (job === undefined) {
    const { code, text } = notHere(state, id, client.role);
    state.refuse(client.session, code, text, { request });
    return;
  }
  if (message.indices === undefined) cancelJob(state, job, message.reason ?? 'cancelled');
  else cancelTasks(state, job, message.indices, message.reason ?? 'cancelled');
  state.sendAfterCommit(client.session, { type: 'Answer', request, body: summaryOf(state, job) });
}

/** Single tasks: those without an outcome get the outcome `cancelled` now, and what runs of them is stopped. */
function cancelTasks(state: State, job: Job, indices: readonly number[], reason: string): void {
  for (const index of indices) {
    if (!job.isActive || index >= job.appended || job.recorded.has(index)) continue;
    for (const lease of job.leases) {
      if (!lease.isLive) continue;
      for (const [first, end] of lease.intervals(lease.done, lease.end)) {
        if (index < first || index >= end) continue;
        state.send(lease.drone.session, { type: 'CancelTask', lease: lease.number, index, reason });
      }
    }
    const page = { first: index, count: 1, sizes: 0, data: new Uint8Array(0) };
    const failures = [{ index, outcome: 'cancelled' as const, message: reason }];
    record(state, job, page, { failures, streams: [], drone: null });
  }
}
