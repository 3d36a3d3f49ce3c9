/** The one value that a job may have: what its results were folded into, or what a task has ended it with. */
import { type Encoding, type Message, operatorOf, type Reduce, readValue, UsageError } from '@hive/shared';
import { TaskError } from './errors.ts';

/** A job's value as its end tells of it. */
export interface JobValue {
  readonly value: unknown;
  /** A task has ended the job with it, before its time or not; else it is what all results were folded into. */
  readonly isEarly: boolean;
}

/**
 * The value of a job that has ended.
 * @throws TaskError if its results could not be folded; UsageError with the job's state as its code if it did not succeed
 * otherwise, 'noValue' if it has none
 */
export function valueOfJob(
  { job, state, message, value, finish, failure }: Message<'JobDone'>,
  encoding: Encoding,
  reduce: Reduce | undefined,
): JobValue {
  if (failure !== undefined) throw new TaskError(job, { ...failure, message: message ?? failure.message });
  if (state !== 'succeeded') throw new UsageError(message ?? `Job ${job} was ${state}.`, state);
  if (value === undefined && reduce === undefined) {
    throw new UsageError(
      `Job ${job} has no value: its results are not folded, and no task has ended it. Read its results.`,
      'noValue',
    );
  }
  if (value === undefined && reduce!.op === 'function') return { value: undefined, isEarly: false };
  if (value === undefined) return { value: operatorOf(reduce!).result(null), isEarly: false };
  const plain = readValue(value, 0, value.length, encoding);
  if (finish || reduce === undefined) return { value: plain, isEarly: true };
  if (reduce.op === 'function') return { value: plain, isEarly: false };
  const operator = operatorOf(reduce);
  return { value: operator.result(operator.unpack(plain)), isEarly: false };
}
