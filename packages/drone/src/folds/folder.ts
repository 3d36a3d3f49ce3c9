/**
 * How a Drone folds: with an operator that is built in (they come from @hive/shared), or with a user's function, in the
 * slot's thread, or in a process of its own where a sandbox is asked for or demanded.
 */
import { encodeFolded, foldedInput, type Operator, operatorOf, type Reduce, UsageError } from '@hive/shared';
import { FunctionBox } from '../functions/box.ts';
import { readParams } from '../functions/params.ts';
import { Printed } from '../functions/printer.ts';
import { withOwn } from '../functions/thrown.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot, Runner, Several, Task } from '../kinds/kind.ts';
import type { ThreadJob } from '../slots/control-block.ts';
import { misfolded, reducerFailure, reducerSource, ThreadReducer } from './reducer.ts';

/** @throws TaskFailure when this Drone cannot fold so */
export function folderOf(reduce: Reduce): Operator {
  try {
    return operatorOf(reduce);
  } catch (error) {
    throw failureOf(error);
  }
}

/**
 * The user's function that folds a job's results in this thread; null: it is none, or runs in a sandbox, and never here.
 * @throws TaskFailure when its sandbox cannot be had
 */
export function threadReducer(job: ThreadJob, slot: KindSlot): ThreadReducer | null {
  if (job.reduce?.op !== 'function' || boxOf(job, slot) !== null) return null;
  return new ThreadReducer(reducerSource(job.reduce), slot);
}

/** A user's function is there before the first task that it folds. */
export function withReducer(run: Runner, reducer: ThreadReducer): Runner {
  const own: Runner = (task) => (reducer.isLoaded ? run(task) : loadAndRun(task));
  const loadAndRun = async (task: Task): Promise<void> => {
    await reducer.load();
    return run(task);
  };
  if (run.several !== undefined) own.several = severalWith(run.several, reducer);
  return own;
}

/** Tasks that begin meanwhile end when it is there: what they give is folded at once. */
function severalWith(several: Several, reducer: ThreadReducer): Several {
  return {
    get limit() {
      return several.limit;
    },
    async start(task) {
      // Begun before anything else is waited for: it reads the task, which then stands on the next.
      const begun = several.start(task);
      if (reducer.isLoaded) return begun;
      const [put] = await Promise.all([begun, reducer.load()]);
      return put;
    },
  };
}

/** Runs leases that fold: the task's input is the list of the values of neighbours. @throws TaskFailure */
export function foldRunner(job: ThreadJob, slot: KindSlot): Runner {
  const reduce = job.reduce!;
  if (reduce.op !== 'function') {
    const operator = folderOf(reduce);
    return (task) => put(task, job, operator);
  }
  const box = boxOf(job, slot);
  if (box !== null) return (task) => foldInBox(task, job, box, slot);
  const reducer = new ThreadReducer(reducerSource(reduce), slot);
  const operator = operatorOf(reduce, reducer.fold);
  return withReducer((task) => reducer.printing(task.position, () => put(task, job, operator)), reducer);
}

function put(task: Task, { encoding }: ThreadJob, operator: Operator): void {
  try {
    task.put(foldedInput(operator, encoding, task.value()));
  } catch (error) {
    throw failureOf(error);
  }
}

/** What the operator has registered is trusted by the operator. */
function boxOf({ job, reduce, params }: ThreadJob, slot: KindSlot): FunctionBox | null {
  const { module, file } = reducerSource(reduce!);
  if (module === null) return null;
  const { sandbox, memoryMiB } = params;
  const own = { module, file, sandbox, ...(memoryMiB === undefined ? {} : { memoryMiB }) };
  return FunctionBox.for(job, readParams(own), slot);
}

async function foldInBox(task: Task, job: ThreadJob, box: FunctionBox, slot: KindSlot): Promise<void> {
  const source = reducerSource(job.reduce!);
  const printed = new Printed(slot, task.position);
  try {
    const outcome = await box.fold(task, printed, source, task.value() as unknown[]);
    if (outcome.type === 'misfolded') throw misfolded(source, outcome.problem);
    if (outcome.type === 'thrown') throw reducerFailure(source, withOwn(outcome));
    task.put(encodeFolded(job.encoding, outcome.value));
  } catch (error) {
    throw failureOf(error);
  } finally {
    printed.end();
  }
}

/** Folding the same values again would fail in the same way. */
function failureOf(error: unknown): unknown {
  return error instanceof UsageError ? new TaskFailure(error.code, error.message) : error;
}
