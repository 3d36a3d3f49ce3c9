/**
 * Leases that fold: adjacent reduced pages of a job, merged on a Drone into one that takes their place. A fold is done whole
 * or not at all, and any Drone may do it: what a lost one was at is given to another. A fold that fails is tried again as a task
 * would be; one that has used up its attempts ends the job, because its value can never be had. Attempts are counted in
 * memory: a restarted Queen begins anew.
 */
import { type Failure, FOLD_INTO_LESS, LIMITS, type Message } from '@hive/shared';
import type { DroneState } from './drone.ts';
import { endUnfolded, maybeFinish } from './ending.ts';
import { backoff } from './failures.ts';
import type { Fold } from './folds.ts';
import type { Job } from './job.ts';
import type { Lease } from './lease.ts';
import type { State } from './state.ts';

/** A fold has ended on its Drone, well or not. */
export function foldReported(state: State, lease: Lease, message: Message<'TaskComplete'>): void {
  const { job, fold } = lease;
  // One that ends without having done it says nothing of it: it goes to another Drone.
  if (fold === null || fold.lease !== lease || !job.isActive || message.count === 0) return;
  lease.worked(message.busyMicros / 1000, state.now);
  const failure = message.failures?.[0] ?? (message.streams?.length ? TOO_LARGE : undefined);
  if (failure === undefined) folded(state, lease, fold, message);
  else foldFailed(state, job, fold, failure);
  state.touch(job);
}
const TOO_LARGE: Omit<Failure, 'index'> = {
  outcome: 'failed',
  code: 'tooLarge',
  message: `the folded value has over ${LIMITS.valueBytesMax} bytes. ${FOLD_INTO_LESS}`,
  retryable: false,
};

function folded(
  state: State,
  { job, drone }: Lease,
  fold: Fold,
  { data, busyMicros }: Message<'TaskComplete'>,
): void {
  const { first, end, pages } = fold;
  job.folds!.end(fold);
  state.commit({
    type: 'pagesFolded',
    job: job.id,
    seq: job.seq + 1,
    seqs: pages.map(({ seq }) => seq),
    page: { first, count: end - first, sizes: data.length, data },
    drone: drone.name,
    millis: busyMicros / 1000,
    at: state.now,
  });
  job.folds!.planAround(first);
  maybeFinish(state, job);
}

function foldFailed(state: State, job: Job, fold: Fold, failure: Omit<Failure, 'index'>): void {
  const { outcome, retryable } = failure;
  if (outcome === 'crashed') fold.crashes++;
  else fold.failures++;
  const isOver =
    retryable === false ||
    fold.crashes >= (job.spec.crashLimit ?? LIMITS.crashLimit) ||
    fold.failures > (job.spec.retries ?? LIMITS.retries);
  if (isOver) {
    endUnfolded(state, job, { ...failure, index: fold.first, count: fold.end - fold.first });
    return;
  }
  fold.lease = null;
  fold.retryAt = state.now + backoff(job, fold.crashes + fold.failures, state.identity.chance());
  job.foldDeadline ??= state.deadlines.create(() => retryFolds(state, job));
  state.deadlines.setEarlier(job.foldDeadline, fold.retryAt);
}

/** Folds whose waiting time is over may be tried again. */
function retryFolds(state: State, job: Job): void {
  let next = Number.POSITIVE_INFINITY;
  for (const fold of job.folds!.underWay) {
    if (fold.retryAt === null) continue;
    if (fold.retryAt <= state.now) job.folds!.giveBack(fold);
    else next = Math.min(next, fold.retryAt);
  }
  if (next !== Number.POSITIVE_INFINITY) state.deadlines.set(job.foldDeadline!, next);
  state.touch(job);
}

/** A lease is over, whatever came of it: a fold that it has not done goes to another Drone. */
export function foldReturned(lease: Lease): void {
  const { job, fold } = lease;
  if (fold !== null && fold.lease === lease && job.isActive) job.folds!.giveBack(fold);
}

/**
 * The Drone that folded is lost. Its process was lost with nothing else in it that may be to blame: that counts as a crash of
 * the fold.
 */
export function foldLost(state: State, drone: DroneState, lease: Lease, mayBlame: boolean): void {
  const { job, fold } = lease;
  if (fold === null || fold.lease !== lease || !job.isActive) return;
  if (mayBlame && drone.leases.size === 1) {
    foldFailed(state, job, fold, { outcome: 'crashed', message: `the process of ${drone.name} was lost` });
  } else job.folds!.giveBack(fold);
  state.touch(job);
}
