/**
 * Jobs that come with all of their inputs in their Submit, sealed (ADR 26): one message, one answer, one commit. What is
 * issued here is issued with the job's own record, in one step, so a store has all of it or nothing.
 */
import { checkPage, cutPage, type Message, type RefusalCode } from '@hive/shared';
import type { Job } from './job.ts';
import type { PeerSession, State } from './state.ts';

type Submit = Message<'Submit'>;

/** @throws ProtocolError when the inputs are not a page */
export function checkInputs({ inputs }: Submit): void {
  if (inputs !== undefined) checkPage({ first: 0, ...inputs });
}

/** Why a job cannot come with its inputs, or cannot be left to itself; null when it can. */
export function wholeProblem({ spec, inputs, follow = true }: Submit): string | null {
  if (inputs !== undefined) {
    if (spec.range !== undefined) return 'A range job has no inputs in its Submit.';
    if (spec.graph !== undefined)
      return 'The inputs of a graph job come with Append, which names their parents.';
  }
  if (follow) return null;
  if (spec.attached !== false) return 'Only a detached job can go on without anybody who follows it.';
  return inputs === undefined && spec.range === undefined
    ? 'Only a job that is whole can go on without anybody who follows it.'
    : null;
}

/** Why a job that is known cannot be submitted so again; null when it can. Inputs are told apart by their number alone. */
export function repeatProblem(job: Job, message: Submit): { code: RefusalCode; text: string } | null {
  const { inputs } = message;
  const problem = wholeProblem(message);
  if (problem !== null) return { code: 'badSpec', text: problem };
  if (inputs === undefined) return null;
  const isOther = job.appended > inputs.count || (job.isSealed && job.appended < inputs.count);
  if (!isOther) return null;
  return {
    code: 'jobDiffers',
    text: `Job ${job.id} was submitted before with other inputs. Choose a new id.`,
  };
}

/** Takes what the job does not have yet, and seals it. False when there was nothing to do. */
export function takeInputs(state: State, job: Job, { inputs }: Submit): boolean {
  if (inputs === undefined || job.isSealed || !job.isActive) return false;
  const { appended, id } = job;
  const { count, sizes, data } = inputs;
  if (count > appended) {
    const page = cutPage({ first: 0, count, sizes, data }, appended, count - appended);
    state.commit({ type: 'inputsAppended', job: id, page, streams: [] });
  }
  state.commit({ type: 'jobSealed', job: id });
  state.touch(job);
  return true;
}

/** Nobody follows the job for this client; it counts as one of the client's until it ends. */
export function leaveAlone(client: PeerSession, job: Job): void {
  if (!job.isActive || job.leftBy !== null) return;
  job.leftBy = client;
  client.jobsLeft++;
}
