/**
 * A slot's thread folds what its tasks have given, as it goes: not task by task, but what stands in the ring every now and
 * then, so that the loop over the tasks is the same as ever. What is folded stays in the ring until the main thread has the
 * folded value: a thread that dies loses nothing, and the task that killed it is known.
 *
 * A user's function is called task by task, while the task is still at work (folds/fold-runs.ts).
 */
import { type Encoding, LIMITS, type Reduce } from '@hive/shared';
import { BoxRuns } from '../folds/box-runs.ts';
import { FoldRuns } from '../folds/fold-runs.ts';
import { type Folding, foldTaken, type Taken, takenOneByOne } from '../folds/fold-taken.ts';
import { folderOf } from '../folds/folder.ts';
import type { ThreadReducer } from '../folds/reducer.ts';
import {
  type ControlBlock,
  clock,
  type FromThread,
  RING_BYTES,
  type SharedMemory,
  type ThreadJob,
  WORD,
} from './control-block.ts';
import { ResultReader } from './results.ts';

type OnValue = (position: number, value: Uint8Array) => void;

/** What a thread tells of a run: its tasks from `at` on, folded. */
export interface ThreadFolding extends Folding {
  readonly run: number;
}

export class ThreadFolder {
  readonly #block: ControlBlock;
  readonly #reader: ResultReader;
  readonly #input: () => ArrayBufferLike;
  readonly #tell: (folding: FromThread) => void;
  /** Of a lease whose tasks run, and are folded by a user's function, in a process of their own. */
  boxRuns: BoxRuns | null = null;
  /** Null: this lease is not folded. */
  #fold: ((taken: Taken) => Folding) | null = null;
  #run = 0;
  #foldedAt = 0;

  constructor(
    block: ControlBlock,
    { sizes, ring }: SharedMemory,
    input: () => ArrayBufferLike,
    tell: (folding: FromThread) => void,
  ) {
    this.#block = block;
    this.#reader = new ResultReader(block, sizes, ring, false);
    this.#input = input;
    this.#tell = tell;
  }

  /**
   * A lease begins.
   * @param reducer the user's function, if that is to be called in this thread
   * @returns what is to be called with each value before its task counts
   */
  begin(
    { reduce, encoding, params, isFold }: ThreadJob,
    run: number,
    reducer: ThreadReducer | null,
  ): OnValue | null {
    this.#fold = null;
    this.boxRuns = null;
    if (reduce === null || isFold) return null;
    this.#run = run;
    this.#reader.restart();
    this.#foldedAt = clock();
    const ranges = [...new Float64Array(this.#input(), 0, this.#block.words[WORD.ranges]! * 2)];
    if (reducer !== null) {
      const runs = new FoldRuns(reducer, encoding, ranges);
      this.#fold = (taken) => runs.take(taken);
      return (position, value) => reducer.printing(position, () => runs.add(position, value));
    }
    if (reduce.op !== 'function') this.#fold = foldWith(reduce, encoding, ranges);
    else if (reduce.module !== params['module']) this.#fold = takenOneByOne;
    else {
      const leaseEnd = () => Atomics.load(this.#block.words, WORD.end);
      const runs = new BoxRuns(encoding, ranges, leaseEnd, clock);
      this.boxRuns = runs;
      this.#fold = (taken) => runs.take(taken);
      return (position) => runs.add(position);
    }
    return null;
  }

  /** Called now and then between two tasks. */
  maybeFold(now: number, unreadBytes: number): void {
    if (this.#fold === null) return;
    const isFull = unreadBytes > RING_BYTES / 2;
    const millis = now - this.#foldedAt;
    if (!isFull && millis < LIMITS.foldMillis) return;
    // The value comes with the next call, if that comes soon.
    const isSoon = !isFull && millis < 2 * LIMITS.foldMillis;
    if (this.boxRuns?.isOpen && isSoon) this.boxRuns.want();
    else this.fold();
  }

  /** Folds all that has finished and tells the main thread. */
  fold(): void {
    if (this.#fold === null) return;
    this.#foldedAt = clock();
    const taken = this.#reader.take();
    if (taken.count === 0) return;
    this.#tell({ ...this.#fold(taken), run: this.#run });
  }
}

/** Null where it cannot be: its tasks fail with that, each by itself. */
function foldWith(reduce: Reduce, encoding: Encoding, ranges: readonly number[]) {
  try {
    const operator = folderOf(reduce);
    return (taken: Taken) => foldTaken(operator, encoding, ranges, taken);
  } catch {
    return null;
  }
}
