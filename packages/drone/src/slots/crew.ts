/**
 * Several tasks of one lease at once in one thread, for functions that wait for I/O. They start in order and end as they
 * like; what they give is put in order, so what the main thread sees finished is a prefix as ever.
 *
 * Bounded: at most `limit` run, and at most `AHEAD` times as many were started beyond the first that has not ended.
 */
import { TaskFailure } from '../kinds/failure.ts';
import type { Several, Task } from '../kinds/kind.ts';
import { type ControlBlock, clock, TIME, WORD } from './control-block.ts';
import type { ThreadTask } from './thread-task.ts';

const AHEAD = 8;

type Put = (task: Task) => void;

export interface CrewGuard {
  /** Whether the task at this position must not be started. */
  isMarked(position: number): boolean;
  /** Whether the thread may begin nothing more. */
  isSpent(): boolean;
  /** How an error fails a task. */
  failed(error: unknown, isAborted: boolean): void;
  /** Time has passed that was work. */
  worked(): void;
}

interface Member {
  readonly startedAt: number;
  readonly controller: AbortController | null;
}

export class Crew {
  readonly #block: ControlBlock;
  readonly #task: ThreadTask;
  readonly #several: Several;
  readonly #guard: CrewGuard;
  readonly #ended: () => void;
  /** Started, and not put yet. */
  readonly #members = new Map<number, Member>();
  /** Ended, and not put yet. */
  readonly #outcomes = new Map<number, Put>();
  #head = 0;
  #running = 0;

  constructor(block: ControlBlock, task: ThreadTask, several: Several, guard: CrewGuard, ended: () => void) {
    this.#block = block;
    this.#task = task;
    this.#several = several;
    this.#guard = guard;
    this.#ended = ended;
  }

  start(): void {
    this.#head = this.#block.words[WORD.next]!;
    this.#goOn();
  }

  /** Null: all of them. */
  abort(position: number | null, reason: string): void {
    for (const [at, { controller }] of this.#members) {
      if (position === null || position === at) controller?.abort(new TaskFailure('cancelled', reason));
    }
  }

  #goOn(): void {
    while (this.#mayClaim()) {
      const position = this.#claim();
      if (position === null) break;
      this.#begin(position);
    }
    if (this.#members.size === 0) this.#ended();
  }

  #mayClaim(): boolean {
    const { limit } = this.#several;
    return this.#running < limit && this.#members.size < limit * AHEAD && !this.#guard.isSpent();
  }

  /** See control-block.ts. */
  #claim(): number | null {
    const { words } = this.#block;
    const position = words[WORD.next]!;
    Atomics.store(words, WORD.next, position + 1);
    if (position < Atomics.load(words, WORD.end)) return position;
    Atomics.store(words, WORD.next, position);
    return null;
  }

  #begin(position: number): void {
    const task = this.#task;
    task.load(position);
    const startedAt = clock();
    if (this.#guard.isMarked(position)) {
      this.#members.set(position, { startedAt, controller: null });
      this.#outcomes.set(position, neverStarted);
      queueMicrotask(() => this.#moved());
      return;
    }
    this.#running++;
    const pending = this.#several.start(task);
    this.#members.set(position, { startedAt, controller: task.detach() });
    if (position === this.#head) this.#noteHead();
    pending.then(
      (put) => this.#settled(position, put),
      (error: unknown) =>
        this.#settled(position, () => {
          throw error;
        }),
    );
  }

  #settled(position: number, put: Put): void {
    this.#running--;
    this.#outcomes.set(position, put);
    this.#moved();
  }

  #moved(): void {
    this.#guard.worked();
    for (let put = this.#outcomes.get(this.#head); put !== undefined; put = this.#outcomes.get(this.#head)) {
      this.#put(this.#head, put);
      this.#head++;
    }
    this.#noteHead();
    this.#goOn();
  }

  #put(position: number, put: Put): void {
    const task = this.#task;
    const isAborted = this.#members.get(position)?.controller?.signal.aborted === true;
    this.#members.delete(position);
    this.#outcomes.delete(position);
    task.standOn(position);
    try {
      put(task);
      task.succeeded();
    } catch (error) {
      this.#guard.failed(error, isAborted);
    }
  }

  /** Since when the task that all others wait for runs: what its limit of time is counted from. */
  #noteHead(): void {
    const head = this.#members.get(this.#head);
    if (head === undefined) return;
    const { words, times } = this.#block;
    times[TIME.startedAt] = head.startedAt;
    Atomics.store(words, WORD.startedPosition, this.#head);
  }
}

function neverStarted(): never {
  throw new TaskFailure('cancelled', 'The task was cancelled before it started.', false, 'cancelled');
}
