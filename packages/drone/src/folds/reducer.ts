/**
 * A user's function that folds: `reducer((left, right) => …)`, in the slot's thread. Whatever goes wrong in it ends as a
 * failure that says so, with the line of the user's file; the same values would fail again, so nothing is tried twice.
 */
import type { FoldFunction, Reduce } from '@hive/shared';
import { loadReducer } from '../functions/modules.ts';
import type { CodeSource } from '../functions/params.ts';
import { Printed, printFor } from '../functions/printer.ts';
import { thrownBy, userStack } from '../functions/thrown.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot } from '../kinds/kind.ts';

/** Lines of a stack that are told. */
const FRAMES_MAX = 8;

/** What a reducer gave that is no folded value. The same words in functions/box-child.ts. */
export type Misfold = 'promise' | 'nothing' | 'large';

export class ThreadReducer {
  readonly #source: CodeSource;
  readonly #slot: KindSlot;
  #run: FoldFunction | null = null;
  #loading: Promise<FoldFunction> | null = null;

  constructor(source: CodeSource, slot: KindSlot) {
    this.#source = source;
    this.#slot = slot;
  }

  get isLoaded(): boolean {
    return this.#run !== null;
  }
  /** How people call it. */
  get name(): string {
    return nameOf(this.#source);
  }

  /** Rejects with a TaskFailure. */
  async load(): Promise<void> {
    if (this.#run !== null) return;
    this.#loading ??= loadReducer(this.#source, this.#slot).finally(() => {
      this.#loading = null;
    });
    this.#run = await this.#loading;
  }

  /** Whatever it prints in the course of `run` is of the task at this position, after what that has printed itself. */
  printing<T>(position: number, run: () => T): T {
    const printed = new Printed(this.#slot, position);
    printFor(printed);
    try {
      return run();
    } finally {
      printed.end();
      printFor(null);
    }
  }

  /** @throws TaskFailure */
  readonly fold: FoldFunction = (left, right) => {
    const { group } = this.#slot;
    group.isFolding = true;
    let result: unknown;
    try {
      result = this.#run!(left, right);
    } catch (error) {
      throw reducerFailure(this.#source, error);
    } finally {
      group.isFolding = false;
    }
    const problem = misfoldOf(left, right, result);
    if (problem === null) return result;
    // Nobody waits for it.
    if (problem === 'promise') Promise.resolve(result).catch(() => {});
    throw misfolded(this.#source, problem);
  };
}

/** Where the reducer of a job is. */
export const reducerSource = ({ module, name, export: own, file }: Reduce): CodeSource => ({
  module: module ?? null,
  name: name ?? null,
  export: own ?? null,
  file: file ?? name ?? 'The module',
});

function misfoldOf(left: unknown, right: unknown, result: unknown): Misfold | null {
  if (result === undefined) return left === undefined || right === undefined ? null : 'nothing';
  if (typeof result !== 'object' || result === null) return null;
  return typeof (result as { then?: unknown }).then === 'function' ? 'promise' : null;
}

export function misfolded(source: CodeSource, problem: Misfold): TaskFailure {
  const name = nameOf(source);
  return new TaskFailure(problem === 'large' ? 'tooLarge' : 'badReducer', name + MISFOLDS[problem]);
}

const MISFOLDS: Readonly<Record<Misfold, string>> = {
  promise:
    ' returned a promise. A reducer gives its value at once: write reducer((left, right) => …) without async, and wait for things in the task.',
  nothing: ' returned nothing. End it with the folded value: return left.',
  large:
    ' returned more than 1 MiB. Fold into less (the largest only, counts by group), or read the results themselves instead.',
};

/** What a reducer threw: its own error, with a sentence that names it and the line. */
export function reducerFailure(source: CodeSource, thrown: unknown): TaskFailure {
  if (thrown instanceof TaskFailure) return thrown;
  const { code, message, error } = thrownBy(thrown);
  return new ReducerFailure(code, `${nameOf(source)} threw: ${message}${placeOf(thrown)}`, error);
}

class ReducerFailure extends TaskFailure {
  override readonly error: string | null;
  constructor(code: string, message: string, error: string | null) {
    super(code, message);
    this.error = error;
  }
}

const nameOf = ({ export: own, file }: CodeSource): string =>
  own === null || own === 'default' ? `The reducer of ${file}` : `The reducer "${own}" of ${file}`;

/** The lines of the user's own code: where it threw, and how it came there. */
function placeOf(thrown: unknown): string {
  const stack = (thrown as { stack?: unknown } | null | undefined)?.stack;
  if (typeof stack !== 'string') return '';
  const frames = userStack(stack)
    .split('\n')
    .filter((line) => /^\s+at /.test(line));
  const [, place] = /\(?((?:file:|[A-Za-z]:|\/)[^()]*:\d+:\d+)\)?$/.exec(frames[0] ?? '') ?? [];
  if (place === undefined) return '';
  const rest = frames.length < 2 ? '' : `\n${frames.slice(0, FRAMES_MAX).join('\n')}`;
  return ` (at ${place.replace(/^.*[/\\]/, '')})${rest}`;
}
