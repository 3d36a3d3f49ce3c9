/**
 * `function`: runs a task of JavaScript or TypeScript that a client has bundled and sent as a blob, or one that this
 * Drone's operator has registered. Loaded once per thread, and warm from then on.
 *
 * Cost goal: for a function that does not wait, nothing per call but its input, its context and its output: no promise, no
 * file, no message.
 */
import { decodeHiveJs, encodeInPlace } from '@hive/shared';
import { misfolded, reducerFailure, reducerSource } from '../folds/reducer.ts';
import { FunctionBox } from '../functions/box.ts';
import { Finish, FunctionContext, type TaskFace } from '../functions/context.ts';
import { InputStream } from '../functions/input-stream.ts';
import { type FoundTask, loadTask } from '../functions/modules.ts';
import { type CodeSource, type FunctionParams, readParams } from '../functions/params.ts';
import { Printed, printFor, printWithin } from '../functions/printer.ts';
import { exportedBy, TaskHive } from '../functions/task-hive.ts';
import type { TaskFunction } from '../functions/task-module.ts';
import { ThrownError, thrownBy, withOwn } from '../functions/thrown.ts';
import { badInput, TaskFailure } from './failure.ts';
import type { Kind, KindJob, KindSlot, Runner, Several, Task } from './kind.ts';

export const functionKind: Kind = {
  name: 'function',
  prepare: (job, slot) => new Functions(job, slot).runner,
};

class Functions implements Several {
  readonly runner: Runner;
  readonly #params: FunctionParams;
  readonly #slot: KindSlot;
  /** What folds the results of the job, in its process. */
  readonly #reducer: CodeSource | null;
  #task: FoundTask | null = null;
  #loading: Promise<void> | null = null;
  readonly #submitter = (signal: AbortSignal) =>
    new TaskHive(this.#slot.nesting, this.#params, exportedBy(this.#task!.exports), signal);
  #run: TaskFunction = () => {};
  readonly #box: FunctionBox | null;
  #callsLeft = Number.POSITIVE_INFINITY;
  limit = 1;

  /** @throws TaskFailure */
  constructor({ job, encoding, params, reduce }: KindJob, slot: KindSlot) {
    if (encoding !== 'hive-js')
      throw badInput('function takes any value of JavaScript; submit its job with the encoding "hive-js".');
    this.#params = readParams(params);
    this.#slot = slot;
    this.#reducer = reduce?.op === 'function' ? reducerSource(reduce) : null;
    if (this.#params.name !== null && this.#params.sandbox !== undefined) {
      throw new TaskFailure(
        'badParams',
        'A registered task runs in its slot: leave the option "sandbox" out.',
      );
    }
    // What the operator registered is trusted by the operator.
    this.#box = this.#params.name === null ? FunctionBox.for(job, this.#params, slot) : null;
    const runner: Runner = (task) =>
      this.#task === null || slot.nesting.isAway ? this.#callLater(task) : this.#call(task);
    runner.several = this;
    // What the task itself says of it is known when it is loaded.
    this.limit = this.#params.concurrency ?? 1;
    this.runner = this.#box === null ? runner : (task) => this.#callInBox(this.#box!, task);
  }

  /** When the code is there, and the slot: the task before may have given it away, and ended without having waited for it. */
  async #callLater(task: Task): Promise<void> {
    await this.#loaded();
    await this.#slot.nesting.comeBack();
    return this.#call(task);
  }

  /** Once for all that wait for it. */
  async #loaded(): Promise<void> {
    if (this.#task !== null) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    const loaded = await loadTask(this.#params, this.#slot);
    const { concurrency, maxCallsPerThread } = loaded.settings;
    this.#task = loaded;
    this.#run = loaded.run;
    this.#callsLeft = this.#params.maxCallsPerThread ?? maxCallsPerThread ?? Number.POSITIVE_INFINITY;
    this.limit = this.#params.concurrency ?? concurrency ?? 1;
  }

  async #callInBox(box: FunctionBox, task: Task): Promise<void> {
    const { nesting } = this.#slot;
    if (nesting.isAway) await nesting.comeBack();
    const printed = new Printed(this.#slot, task.position);
    const { boxRuns } = this.#slot;
    try {
      const outcome = await box.call(task, printed, this.#params, this.#reducer);
      if (outcome.type === 'misfolded') throw misfolded(this.#reducer!, outcome.problem);
      if (outcome.type === 'thrown') {
        if (outcome.inReducer && this.#reducer !== null)
          throw reducerFailure(this.#reducer, withOwn(outcome));
        throw thrownBy(withOwn(outcome));
      }
      if (outcome.type === 'finish') give(task, new Finish(outcome.value));
      else {
        if (!outcome.isInPieces) put(task, outcome.value, outcome);
        boxRuns?.answered(outcome.given);
      }
    } finally {
      printed.end();
    }
  }

  #call(task: Task): void | Promise<void> {
    if (task.streamBytes === null) return this.#callWith(task, task.value());
    const stream = new InputStream(task);
    return task.isStreamEncoded ? this.#callWithLarge(task, stream) : this.#callWith(task, stream);
  }

  /** A value that is too large for a page. */
  async #callWithLarge(task: Task, stream: InputStream): Promise<void> {
    return this.#callWith(task, decodeHiveJs(await stream.whole()));
  }

  #callWith(task: Task, input: unknown): void | Promise<void> {
    if (--this.#callsLeft <= 0) this.#slot.renew();
    const printed = new Printed(this.#slot, task.position);
    const context = new FunctionContext(task, printed, this.#params.params, this.#submitter);
    printFor(printed);
    try {
      const result = this.#run(input, context);
      if (isThenable(result)) return this.#settle(task, result, context, printed);
      put(task, result, context);
    } catch (error) {
      give(task, error);
    }
    end(context, printed);
  }

  async #settle(
    task: Task,
    result: PromiseLike<unknown>,
    context: FunctionContext,
    printed: Printed,
  ): Promise<void> {
    try {
      put(task, await result, context);
    } catch (error) {
      give(task, error);
    } finally {
      end(context, printed);
    }
  }

  /** One of several at once: what comes out is put when its turn has come. */
  async start(task: Task): Promise<(task: Task) => void> {
    if (task.streamBytes !== null) {
      throw new TaskFailure(
        'badInput',
        'An input of more than 1 MiB, or a stream, needs a slot for itself: use concurrency 1.',
      );
    }
    const { nesting } = this.#slot;
    const { signal, index, attempt, position } = task;
    const input = task.value();
    const ended = nesting.begin();
    try {
      await this.#loaded();
      if (nesting.isAway) await nesting.comeBack();
      return await this.#runBeside({ signal, index, attempt, write: cannotWrite }, position, input);
    } finally {
      ended();
    }
  }

  async #runBeside(face: TaskFace, position: number, input: unknown): Promise<(task: Task) => void> {
    if (--this.#callsLeft <= 0) this.#slot.renew();
    const printed = new Printed(this.#slot, position);
    const context = new FunctionContext(face, printed, this.#params.params, this.#submitter);
    try {
      const result = await printWithin(printed, () => this.#run(input, context));
      return (own) => put(own, result, context);
    } catch (error) {
      return (own) => give(own, error);
    } finally {
      end(context, printed);
    }
  }
}

function put(task: Task, result: unknown, { hasWritten }: { readonly hasWritten: boolean }): void {
  if (!hasWritten) putValue(task, result);
  else if (result !== undefined) {
    throw new TaskFailure(
      'badOutput',
      'The task has written its output, and returned a value as well. Do one of them.',
    );
  }
}

function putValue(task: Task, value: unknown): void {
  if (typeof value === 'number' && value === value >>> 0 && value < 0x80 && (value !== 0 || 1 / value > 0)) {
    const at = task.reserve(1);
    task.out[at] = value;
    return;
  }
  try {
    encodeInPlace(value, (bytes) => task.put(bytes));
  } catch (error) {
    if (error instanceof TaskFailure) throw error;
    throw new TaskFailure('badOutput', `What the task returned: ${(error as Error).message}`);
  }
}

/** What a function threw becomes its task's outcome. @throws TaskFailure */
function give(task: Task, error: unknown): void {
  if (!(error instanceof Finish)) throw thrownBy(error);
  putValue(task, error.value);
  task.finish();
}

function end(context: FunctionContext, printed: Printed): void {
  context.end();
  printed.end();
  printFor(null);
}

function cannotWrite(): never {
  throw new ThrownError(
    new Error('A function that writes its output runs alone in its slot: use concurrency 1.'),
  );
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
