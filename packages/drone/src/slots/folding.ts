/**
 * A slot's thread folds what its tasks have given, as it goes: not task by task, but what stands in the ring every now and
 * then, so that the loop over the tasks is the same as ever. What is folded stays in the ring until the main thread has the
 * folded value: a thread that dies loses nothing, and the task that killed it is known.
 */
import { LIMITS, type Operator } from '@hive/shared';
import { type Folding, foldTaken } from '../folds/fold-taken.ts';
import { folderOf } from '../folds/folder.ts';
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

/** What a thread tells of a run: its tasks from `at` on, folded. */
export interface ThreadFolding extends Folding {
  readonly run: number;
}

export class ThreadFolder {
  readonly #block: ControlBlock;
  readonly #reader: ResultReader;
  readonly #input: () => ArrayBufferLike;
  readonly #tell: (folding: FromThread) => void;
  #operator: Operator | null = null;
  #encoding: ThreadJob['encoding'] = 'msgpack';
  #run = 0;
  #ranges: readonly number[] = [];
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

  /** A lease begins. */
  begin({ reduce, encoding, isFold }: ThreadJob, run: number): void {
    this.#operator = null;
    if (reduce === null || isFold) return;
    try {
      this.#operator = folderOf(reduce);
    } catch {
      // Its tasks fail with that, each by itself.
      return;
    }
    this.#encoding = encoding;
    this.#run = run;
    this.#ranges = [...new Float64Array(this.#input(), 0, this.#block.words[WORD.ranges]! * 2)];
    this.#reader.restart();
    this.#foldedAt = clock();
  }

  /** Called now and then between two tasks. */
  maybeFold(now: number, unreadBytes: number): void {
    if (this.#operator === null) return;
    if (now - this.#foldedAt >= LIMITS.foldMillis || unreadBytes > RING_BYTES / 2) this.fold();
  }

  /** Folds all that has finished and tells the main thread. */
  fold(): void {
    if (this.#operator === null) return;
    this.#foldedAt = clock();
    const taken = this.#reader.take();
    if (taken.count === 0) return;
    const folding = foldTaken(this.#operator, this.#encoding, this.#ranges, taken);
    this.#tell({ ...folding, run: this.#run });
  }
}
