/**
 * What Drones report: finished prefixes, and tasks given back. Here lives G2: recording is by index. The first success
 * for an unrecorded index counts, from any lease that is live or was lost, never from one that was cancelled; failures
 * count only from a live lease. Everything else is counted and dropped, and acknowledged so that the Drone forgets it.
 */
import {
  checkPage,
  checkReducedPage,
  cutPage,
  type Failure,
  LIMITS,
  type Message,
  ProtocolError,
} from '@hive/shared';
import type { DroneState } from './drone.ts';
import { endEarly } from './ending.ts';
import { endAttempt } from './failures.ts';
import { foldReported, foldReturned } from './fold-leases.ts';
import { giveBack, returnMissing } from './give-back.ts';
import { creditBack, type Lease, noteShort, settleCharge } from './lease.ts';
import { compareDrones } from './quarantine.ts';
import { record } from './record.ts';
import type { State } from './state.ts';
import type { SchedulerEvent } from './types.ts';

export function taskComplete(state: State, drone: DroneState, message: Message<'TaskComplete'>): void {
  if (message.reduced) checkReducedPage(message);
  else checkPage(message);
  const lease = holds(state, drone, message);
  if (lease === null) {
    unknownLease(state, drone, message);
    return;
  }
  checkReport(lease, message);
  checkFolding(lease, message);
  const from = lease.done;
  const news = message.at + message.count - from;
  const isWanted = lease.state !== 'cancelled';
  if (news > 0) {
    lease.done += news;
    if (lease.isLive) lease.job.running -= news;
  }
  // Before the job's end, which this report may bring.
  announce(state, drone, lease, message);
  if (!isWanted) state.dropped.staleReports += Math.max(0, news);
  else if (lease.fold !== null) foldReported(state, lease, message);
  else if (message.count > 0 && !recordReport(state, lease, message) && lease.isLive) {
    // It was dropped whole: what of it nobody else has done runs again.
    for (const [first, end] of lease.intervals(from, lease.done)) returnMissing(state, lease, first, end);
  }
  acknowledge(state, drone, message);
  if (lease.fold === null) learn(state, lease, message);
  if (message.ended) leaseEnded(state, lease, message.request === true);
}

/** The lease that the report is about, if it is this Drone's to report on. */
function holds(state: State, drone: DroneState, message: Message<'TaskComplete'>): Lease | null {
  const lease = drone.leases.get(message.lease) ?? state.lost.get(message.lease);
  if (lease === undefined || lease.peer !== drone.peer) return null;
  const incarnation = message.incarnation ?? state.identity.incarnation;
  return incarnation === (lease.incarnation ?? state.identity.incarnation) ? lease : null;
}

/**
 * A report for a lease that is not known. Of an earlier opening of the store its successes count like those of a lost
 * lease, for the job that the report names; everything else is counted and dropped.
 */
function unknownLease(state: State, drone: DroneState, message: Message<'TaskComplete'>): void {
  const { incarnation, first, count } = message;
  const job = message.job === undefined ? undefined : state.jobs.get(message.job);
  const isEarlier = incarnation !== undefined && incarnation !== state.identity.incarnation;
  if (isEarlier && job?.isActive && count > 0 && first + count <= job.appended) {
    recordReport(state, { job, drone, isLive: false }, message);
  } else {
    state.dropped.staleReports++;
    drone.staleReports++;
  }
  acknowledge(state, drone, message);
  if (message.ended && message.request) grant(drone, job?.slots ?? 1);
}

/** Refuses reports that the lease's shape rules out; a report that repeats what is known is fine. */
function checkReport(lease: Lease, message: Message<'TaskComplete'>): void {
  const { at, count, first } = message;
  const says = `TaskComplete for lease ${lease.number}`;
  if (at > lease.done) throw new ProtocolError(`${says} leaves out positions ${lease.done} to ${at - 1}`);
  if (at + count > lease.end) throw new ProtocolError(`${says} passes its end`);
  if (count > 0 && (lease.indexAt(at) !== first || count > lease.runAt(at))) {
    throw new ProtocolError(`${says} names tasks that are not at positions ${at} to ${at + count - 1}`);
  }
  let before = first - 1;
  for (const { index } of message.failures ?? []) {
    if (index <= before || index >= first + count)
      throw new ProtocolError(`${says} has failures out of place`);
    before = index;
  }
  for (const { index } of message.streams ?? []) {
    if (index < first || index >= first + count) throw new ProtocolError(`${says} has streams out of place`);
  }
}

/** Of a reduced job every success is folded, but for the one that ends the job. */
function checkFolding({ number, job, fold }: Lease, message: Message<'TaskComplete'>): void {
  const { reduced, finish, failures = [], count } = message;
  const isRight = reduced
    ? job.folds !== null && fold === null && failures.length === 0 && finish === undefined
    : job.folds === null || fold !== null || failures.length === count || isFinish(message);
  if (!isRight) throw new ProtocolError(`TaskComplete for lease ${number} is not folded as its job is`);
}

/** Its one task has succeeded and ends its job. */
const isFinish = ({ finish, count, failures = [], streams = [] }: Message<'TaskComplete'>): boolean =>
  finish === true && count === 1 && failures.length + streams.length === 0;

/** A lease, or what is known of one. */
export type Reporter = Pick<Lease, 'job' | 'drone' | 'isLive'>;

/**
 * Cuts the report into runs that can be recorded whole: around tasks that have an outcome, and around retries. A reduced page
 * cannot be cut: false when it was dropped, because one of its tasks has an outcome.
 */
function recordReport(state: State, lease: Reporter, message: Message<'TaskComplete'>): boolean {
  const { job } = lease;
  if (!job.isActive) return true;
  if (message.reduced || message.finish) return recordWhole(state, lease, message);
  // Of an earlier opening of the store, where it may be a fold: a job that folds has no use for it.
  if (job.folds !== null && message.failures?.length !== message.count) return true;
  recordParts(state, lease, message);
  return true;
}

function recordWhole(state: State, lease: Reporter, message: Message<'TaskComplete'>): boolean {
  const { job } = lease;
  const { first, count, busyMicros } = message;
  const reduced = message.reduced === true;
  if (reduced && job.folds === null) return true;
  if (job.recorded.touches(first, first + count)) {
    state.dropped.duplicateResults += count;
    return false;
  }
  compareDrones(state, lease, first, first + count, []);
  record(state, job, message, {
    failures: message.failures ?? [],
    streams: message.streams ?? [],
    drone: lease.drone.name,
    millis: busyMicros / 1000 / count,
    ...(reduced ? { reduced } : {}),
    // Calls share a job that none of them may end.
    finish: isFinish(message) && (job.folds !== null || !job.isOfCalls),
  });
  return true;
}

function recordParts(state: State, lease: Reporter, message: Message<'TaskComplete'>): void {
  const { job } = lease;
  const { first, count } = message;
  const failures = shortened(message.failures ?? []);
  const drone = lease.drone.name;
  const millis = message.busyMicros / 1000 / count;
  if (failures.length < count) compareDrones(state, lease, first, first + count, failures);
  if (failures.length === 0 && !job.recorded.touches(first, first + count)) {
    record(state, job, message, { failures, streams: message.streams ?? [], drone, millis });
    return;
  }
  const failed = new Map(failures.map((failure) => [failure.index, failure]));
  let kept: Failure[] = [];
  let start = first;
  const flush = (end: number) => {
    if (start < end && job.isActive) {
      const streams = (message.streams ?? []).filter(({ index }) => index >= start && index < end);
      record(state, job, cutPage(message, start, end - start), { failures: kept, streams, drone, millis });
    }
    kept = [];
  };
  for (let index = first; index < first + count; index++) {
    const failure = failed.get(index);
    const isKnown = job.recorded.has(index);
    if (isKnown) state.dropped.duplicateResults++;
    const isFinal =
      !isKnown && (failure === undefined || (lease.isLive && endAttempt(state, lease, failure, millis)));
    if (isFinal) {
      if (failure !== undefined) kept.push(failure);
      continue;
    }
    flush(index);
    start = index + 1;
  }
  flush(first + count);
}

/** The texts of a report's failures together must fit a frame, with the values beside them. */
function shortened(failures: readonly Failure[]): readonly Failure[] {
  let length = 0;
  for (const { message } of failures) length += message.length;
  if (length <= LIMITS.failureTextMax) return failures;
  const each = Math.max(16, Math.floor(LIMITS.failureTextMax / failures.length));
  return failures.map((failure) =>
    failure.message.length <= each
      ? failure
      : { ...failure, message: `${failure.message.slice(0, each - 1)}…` },
  );
}

function acknowledge(state: State, drone: DroneState, message: Message<'TaskComplete'>): void {
  const { incarnation } = message;
  if (incarnation !== undefined && incarnation !== state.identity.incarnation) {
    const leases = [message.lease, message.at + message.count];
    state.sendAfterCommit(drone.session, { type: 'ResultAck', leases, incarnation });
    return;
  }
  if (message.count === 0) return;
  let acks = state.acks.get(drone.session);
  if (acks === undefined) {
    acks = [];
    state.acks.set(drone.session, acks);
  }
  acks.push(message.lease, message.at + message.count);
}

/** What was reported this turn is acknowledged in one message per Drone, once it is durable. */
export function sendAcks(state: State): void {
  for (const [session, leases] of state.acks) state.sendAfterCommit(session, { type: 'ResultAck', leases });
  state.acks.clear();
}

/** Learns how long a task of this job takes on this Drone; newer reports weigh more. */
function learn(state: State, lease: Lease, message: Message<'TaskComplete'>): void {
  const { job, drone } = lease;
  const { count } = message;
  if (count === 0) return;
  drone.tasksDone += count;
  drone.throughput.add(count, state.now);
  const millis = message.busyMicros / 1000;
  lease.worked(millis, state.now);
  // This may have been the job's last report; what is learned now would stay behind.
  if (!job.isActive) return;
  const perTask = Math.max(millis, 0.0005) / count;
  const known = job.rates.get(drone.peer);
  if (known === undefined) {
    job.rates.set(drone.peer, { millisPerTask: perTask, lengthCap: 2 });
    noteShort(lease);
    return;
  }
  // A long report says more than a short one: weigh by the share of a target lease that it covers. Noise and cold
  // starts only ever make a task look slower, so a faster report is believed sooner.
  const share = perTask < known.millisPerTask && count > 1 ? 0.5 : millis / LIMITS.leaseTargetMillis;
  const weight = Math.min(0.5, Math.max(0.05, share));
  known.millisPerTask += (perTask - known.millisPerTask) * weight;
}

function announce(
  state: State,
  drone: DroneState,
  lease: Lease,
  { display, first }: Message<'TaskComplete'>,
): void {
  if (display === undefined) return;
  state.notice({ type: 'replyReceived', name: drone.name, job: lease.job.id, index: first, display });
}

/** The lease is over: what it did not report goes back, and its place goes to the lease behind it or is asked for. */
export function leaseEnded(state: State, lease: Lease, asksForMore: boolean): void {
  const { job, drone } = lease;
  const rate = job.rateOf(lease.peer);
  if (
    rate !== undefined &&
    lease.fold === null &&
    lease.end >= rate.lengthCap / 2 &&
    lease.busyMillis < LIMITS.leaseTargetMillis
  ) {
    // Far below the target the length grows faster, so that a million tiny tasks are learned in a few leases.
    const factor = lease.busyMillis * 8 < LIMITS.leaseTargetMillis ? 4 : 2;
    rate.lengthCap = Math.min(LIMITS.leaseTasksMax, Math.max(rate.lengthCap, lease.end * factor));
  }
  const wasLost = lease.state === 'lost';
  if (lease.isLive && lease.open > 0) giveBack(state, lease, lease.done, lease.end);
  const successor = removeLease(state, lease);
  if (wasLost) return;
  settleCharge(lease);
  if (successor !== null) startSuccessor(state, successor);
  else if (asksForMore) grant(drone, job.slots);
  state.touch(job);
}

/** The Drone asks for work for `slots` more slots. */
export function grant(drone: DroneState, slots: number): void {
  drone.credit = Math.min(drone.slots, drone.credit + slots);
  drone.update();
}

/** Takes a lease out of all lists. Returns the one that waited for its place. */
export function removeLease(state: State, lease: Lease): Lease | null {
  const { drone, job, next, previous } = lease;
  state.leases.delete(lease.number);
  state.lost.delete(lease.number);
  state.splittable.delete(lease);
  drone.leases.delete(lease.number);
  if (drone.solitary === lease) {
    drone.solitary = null;
    drone.update();
  }
  foldReturned(lease);
  drone.profile.short.delete(lease);
  job.leases.delete(lease);
  job.lost.delete(lease);
  if (previous !== null) {
    previous.next = next;
    noteShort(previous);
  }
  if (next !== null) next.previous = previous;
  lease.next = null;
  lease.previous = null;
  if (job.leases.size === 0) job.rest();
  return previous === null ? next : null;
}

function startSuccessor(state: State, lease: Lease): void {
  if (lease.state === 'waiting') lease.state = 'running';
  lease.startedAt = state.now;
  noteShort(lease);
}

/** The Drone's answer to Retract, or a lease that it hands back whole. */
export function retracted(state: State, drone: DroneState, message: Message<'Retracted'>): void {
  const lease = drone.leases.get(message.lease);
  if (lease === undefined) {
    state.dropped.staleReports++;
    return;
  }
  lease.isRetracting = false;
  if (message.end < lease.done) {
    throw new ProtocolError(`Retracted for lease ${lease.number} gives back tasks that were reported`);
  }
  const given = lease.end - message.end;
  if (given > 0) {
    state.totals.retracted += given;
    creditBack(lease, given);
    if (lease.isLive) giveBack(state, lease, message.end, lease.end);
    state.ready.update(lease.job);
    lease.end = message.end;
  } else lease.retractAgainAt = state.now + LIMITS.leaseTargetMillis;
  if (message.end === 0) {
    const successor = removeLease(state, lease);
    if (successor !== null) startSuccessor(state, successor);
    // If the job has ended, its Drone may forget it now.
    state.touch(lease.job);
  }
}

/** A lease never reached its Drone, because its inputs cannot be read or sent. Its tasks fail; its place is free again. */
export function leaseUnsendable(
  state: State,
  { lease: number, code, message }: Extract<SchedulerEvent, { type: 'leaseUnsendable' }>,
): void {
  const lease = state.leases.get(number);
  if (lease === undefined || !lease.isLive) return;
  const { job, drone, previous } = lease;
  const intervals = [...lease.intervals(lease.done, lease.end)].flatMap(([first, end]) => [
    ...job.recorded.gaps(first, end),
  ]);
  job.running -= lease.open;
  lease.state = 'cancelled';
  if (lease.fold !== null) endEarly(state, job, 'failed', `its results cannot be folded: ${message}`);
  settleCharge(lease);
  const successor = removeLease(state, lease);
  if (successor !== null) startSuccessor(state, successor);
  else if (previous === null) grant(drone, job.slots);
  for (const [first, end] of intervals) {
    for (let index = first; index < end && job.isActive; index++) {
      const page = { first: index, count: 1, sizes: 0, data: new Uint8Array(0) };
      const failures = [{ index, outcome: 'failed' as const, code, message, retryable: false }];
      record(state, job, page, { failures, streams: [], drone: null });
    }
  }
  state.touch(job);
}
