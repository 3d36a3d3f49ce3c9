/**
 * What a job's spec says about when it may start and when it must stop: other jobs that come first, a time limit for the
 * whole job, and how many failures are too many.
 */
import type { Message } from '@hive/shared';
import { cancelJob, endEarly } from './ending.ts';
import type { Job } from './job.ts';
import { noteReleased, watchQueue } from './queue-limit.ts';
import type { State } from './state.ts';

/** Why a spec's conditions cannot be met, or null. */
export function conditionProblem(state: State, { spec }: Message<'Submit'>): string | null {
  const missing = spec.after?.find(({ job }) => !state.jobs.has(job));
  if (missing !== undefined) {
    return `It shall come after job ${missing.job}, which is not here; it may have been removed.`;
  }
  const { failures, share } = spec.haltOn ?? {};
  if (failures === 0 || (share !== undefined && (share <= 0 || share > 1))) {
    return 'haltOn takes a number of failures above 0, or a share above 0 and at most 1.';
  }
  return null;
}

/** Puts a new or recovered job's conditions in force. */
export function watchConditions(state: State, job: Job): void {
  waitForOthers(state, job);
  // It may be among the ready ones already.
  state.ready.update(job);
  if (!job.isActive) return;
  const { deadlineMillis } = job.spec;
  if (deadlineMillis !== undefined) {
    job.deadline = state.deadlines.create(() => {
      endEarly(state, job, 'failed', `its deadline of ${deadlineMillis} ms has passed`);
    });
    state.deadlines.set(job.deadline, (job.reopenedAt ?? job.submittedAt) + deadlineMillis);
  }
  watchQueue(state, job);
}

function waitForOthers(state: State, job: Job): void {
  for (const { job: id, on } of job.spec.after ?? []) {
    const other = state.jobs.get(id);
    // One that was removed had ended, and what depended on its end was decided then.
    if (other === undefined) continue;
    if (other.isActive) {
      job.waitsFor.set(id, on);
      other.dependents.add(job);
    } else if (!isSatisfied(other, on)) {
      cancelJob(state, job, whyNot(other));
      return;
    } else job.runnableAt = Math.max(job.runnableAt, other.endedAt ?? 0);
  }
}

const isSatisfied = (other: Job, on: 'success' | 'end'): boolean =>
  on === 'end' || other.state === 'succeeded';
const whyNot = (other: Job): string =>
  `job ${other.id}, which comes first, ${other.state === 'failed' ? 'has failed' : 'was cancelled'}`;

/** A job has ended: those that wait for it may start, or never will. */
export function releaseDependents(state: State, ended: Job): void {
  if (!ended.hasDependents) return;
  for (const job of ended.dependents) {
    const on = job.waitsFor.get(ended.id);
    job.waitsFor.delete(ended.id);
    if (on === undefined || !job.isActive) continue;
    if (!isSatisfied(ended, on)) cancelJob(state, job, whyNot(ended));
    else {
      if (!job.isWaitingForOthers) noteReleased(state, job);
      state.touch(job);
    }
  }
  ended.dependents.clear();
}
