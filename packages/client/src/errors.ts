/** The errors that only a client has: one task's own failure. Everything else is a UsageError with a code. */
import type { Failure, JobId, Outcome } from '@hive/shared';

/**
 * One task of a `map` or a `call` did not succeed, after whatever retries its job allows. `message` is the task's own;
 * `code` is what the task's error named itself, if it did.
 */
export class TaskError extends Error {
  override readonly name = 'TaskError';
  readonly job: JobId;
  /** Position of the task's input, counted from 0. */
  readonly index: number;
  readonly outcome: Exclude<Outcome, 'succeeded'>;
  readonly code: string | undefined;
  /** Of a graph's task: its name, or what stands for it. */
  readonly task: string | undefined;

  constructor(job: JobId, failure: Failure, task?: string) {
    super(failure.message);
    this.job = job;
    this.index = failure.index;
    this.outcome = failure.outcome as Exclude<Outcome, 'succeeded'>;
    this.code = failure.code;
    this.task = task;
  }
}
