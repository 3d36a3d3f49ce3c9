/**
 * The operator of a reduced job, in a Drone. The built-in ones come from @hive/shared. The seam for folding with a user's
 * function is here: what it gives must fold values that the job's kind has made, synchronously, in the slot's thread.
 */
import { type Encoding, foldedInput, type Operator, operatorOf, type Reduce, UsageError } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { Runner } from '../kinds/kind.ts';

/** @throws TaskFailure when this Drone cannot fold so */
export function folderOf(reduce: Reduce): Operator {
  try {
    return operatorOf(reduce);
  } catch (error) {
    throw failureOf(error);
  }
}

/** Runs leases that fold: the task's input is the list of the values of neighbours. */
export function foldRunner(reduce: Reduce, encoding: Encoding): Runner {
  const operator = folderOf(reduce);
  return (task) => {
    try {
      task.put(foldedInput(operator, encoding, task.value()));
    } catch (error) {
      throw failureOf(error);
    }
  };
}

/** Folding the same values again would fail in the same way. */
function failureOf(error: unknown): unknown {
  return error instanceof UsageError ? new TaskFailure(error.code, error.message) : error;
}
