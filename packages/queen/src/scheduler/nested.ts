/**
 * Tasks that submit work themselves (ADR 21). Such a task opens a session as a client with the token of its lease; what it
 * submits there, its children, is of jobs below its own. This file says what such a session may ask for, ends the children
 * with the lease, and keeps places from filling up with tasks that only wait.
 *
 * Why nothing can wait for ever: jobs stand on levels, that of a client's jobs is 0. On each level a Drone gets leases of jobs
 * that submit work only while those that it holds take fewer slots than it has; it gives the places of those that wait away. So
 * there is always a place for the next level, and on the last one nobody waits. Only those of level 0 may take several slots.
 */
import {
  type JobId,
  type LeaseNumber,
  LIMITS,
  type Message,
  type RefusalCode,
  type Spec,
} from '@hive/shared';
import type { DroneState, Profile } from './drone.ts';
import { cancelJob } from './ending.ts';
import type { Job } from './job.ts';
import { escapeProblem } from './nested-sandbox.ts';
import type { PeerSession, State } from './state.ts';

/** The task that a session belongs to. */
export interface TaskPass {
  readonly job: JobId;
  readonly lease: LeaseNumber;
}
/** What has come of one lease. */
export interface Children {
  readonly sessions: Set<PeerSession>;
  /** Those that had not ended when last looked. */
  readonly jobs: Set<Job>;
}

/** A session was opened with a lease's token. False when that lease is over: the session is, too. */
export function taskJoined(state: State, peer: PeerSession, { job, lease }: TaskPass): boolean {
  if (!isHeld(state, { job, lease })) {
    dismiss(state, peer);
    return false;
  }
  let children = state.children.get(lease);
  if (children === undefined) {
    children = { sessions: new Set(), jobs: new Set() };
    state.children.set(lease, children);
  }
  children.sessions.add(peer);
  return true;
}

/** A Drone that was dialled cannot dial: it is dialled once more for such a task. */
export function dialBack(state: State, drone: DroneState, { lease: number }: Message<'DialBack'>): void {
  const lease = state.leases.get(number);
  const isHere = lease?.isLive === true && lease.drone === drone;
  if (isHere && lease.job.spec.nested === true) state.effects.dials.push(drone.peer);
}

export function taskLeft(state: State, peer: PeerSession): void {
  if (peer.task !== null) state.children.get(peer.task.lease)?.sessions.delete(peer);
}

/** Ends what came of leases that are over: their sessions, and the jobs that they submitted. */
export function endChildren(state: State, close: (peer: PeerSession) => void): void {
  for (const [lease, { sessions, jobs }] of state.children) {
    for (const job of jobs) if (!job.isActive) jobs.delete(job);
    if (state.leases.get(lease)?.isLive === true) continue;
    state.children.delete(lease);
    for (const peer of sessions) {
      dismiss(state, peer);
      close(peer);
    }
    for (const job of jobs) cancelJob(state, job, 'the task that submitted it has ended');
  }
}

/** It is a child of the task whose session submitted it. */
export function adopt(state: State, { task }: PeerSession, job: Job): void {
  if (task === null) return;
  job.submittedUnder = task.lease;
  state.children.get(task.lease)?.jobs.add(job);
}

/** Whether a task's session may say this: it submits, and speaks of what it has submitted. */
export function mayTaskSay(state: State, task: TaskPass, message: Message): boolean {
  switch (message.type) {
    case 'Heartbeat':
    case 'Goodbye':
    case 'Submit':
      return true;
    case 'Append':
    case 'Seal':
    case 'ResultCredit':
    case 'Cancel':
    case 'StreamGet':
    case 'StreamChunk': {
      const job = state.jobs.get(message.job as JobId);
      return job !== undefined && job.submittedUnder === task.lease;
    }
    default:
      return false;
  }
}

/** Why a job cannot be submitted here, or by a task; null when it can. */
export function nestedProblem(
  state: State,
  { task }: PeerSession,
  spec: Spec,
): { code: RefusalCode; text: string } | null {
  const wrong = (text: string) => ({ code: 'badSpec' as const, text });
  if (task === null) {
    return spec.parent === undefined
      ? null
      : wrong('Only tasks submit jobs below others: leave "parent" out.');
  }
  if (spec.parent !== task.job) {
    return {
      code: 'notPermitted',
      text: 'A task submits jobs below its own job only: name that as "parent".',
    };
  }
  if (!isHeld(state, task)) return { code: 'notPermitted', text: OVER };
  const problem = escapeProblem(state.jobs.get(task.job)!.spec, spec);
  if (problem !== null) return { code: 'notPermitted', text: problem };
  if (spec.attached === false) return wrong('What a task submits ends with it: leave "attached" out.');
  if ((spec.slots ?? 1) > 1) return wrong('What a task submits takes one slot per task: leave "slots" out.');
  const stranger = spec.after?.find(({ job }) => state.jobs.get(job)?.submittedUnder !== task.lease);
  if (stranger !== undefined) {
    return wrong(`It shall come after job ${stranger.job}, which this task has not submitted.`);
  }
  const level = levelOf(state, state.jobs.get(task.job)!) + 1;
  if (spec.nested === true && level >= LIMITS.nestedLevels) {
    return wrong(
      `Tasks submit work on ${LIMITS.nestedLevels} levels at most, and this would be one more: leave "nested" out.`,
    );
  }
  return null;
}

/**
 * Whether this Drone holds as many tasks of this level that submit work as it may. The last of them may take more slots than
 * were left, or a wide one would wait until there is none of another job.
 */
export function isFullOf(state: State, drone: DroneState, job: Job): boolean {
  const level = levelOf(state, job);
  let slots = 0;
  for (const lease of drone.leases.values()) {
    if (lease.job.spec.nested === true && levelOf(state, lease.job) === level) slots += lease.job.slots;
  }
  return slots >= drone.slots;
}

export function isFullEverywhere(state: State, profile: Profile, job: Job): boolean {
  for (const drone of profile.drones) if (!isFullOf(state, drone, job)) return false;
  return true;
}

/** Whether a Drone holds nothing but tasks that may wait for this job. */
export function isEmptyFor(state: State, drone: DroneState, job: Job): boolean {
  if (drone.leases.size === 0) return true;
  if (job.spec.parent === undefined) return false;
  const level = levelOf(state, job);
  for (const lease of drone.leases.values()) {
    if (lease.job.spec.nested !== true || levelOf(state, lease.job) >= level) return false;
  }
  return true;
}

/** How many jobs a job is below. */
function levelOf(state: State, job: Job): number {
  let level = 0;
  for (let { parent } = job.spec; parent !== undefined && level < LIMITS.nestedLevels; level++) {
    parent = state.jobs.get(parent)?.spec.parent;
  }
  return level;
}

const OVER = 'The task of this session has ended, or runs elsewhere now.';

function isHeld(state: State, { job, lease: number }: TaskPass): boolean {
  const lease = state.leases.get(number);
  return lease?.isLive === true && lease.job.id === job && lease.job.spec.nested === true;
}

function dismiss(state: State, { session }: PeerSession): void {
  state.close(session, 'notPermitted', OVER);
}
