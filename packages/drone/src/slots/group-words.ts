/**
 * The words of the control block through which the main thread ends what a slot's thread has started as a process: the
 * thread blocks until that process has ended, so no message reaches it.
 *
 * The thread says that a process is about to be started (`pid` -1), then looks whether its end is wanted; the main thread
 * says that its end is wanted, then looks at `pid`. Both are sequentially consistent, so at least one sees the other's
 * word: a process that is not wanted is ended, however close the two come.
 */
import type { ControlBlock } from './control-block.ts';
import { WORD } from './control-block.ts';

/** Why a command is ended by the main thread. `limit`: by its own time limit, and its result is wanted. `disk`: by its sandbox. */
export type Verdict = { readonly why: 'cancelled' | 'timedOut' | 'limit' | 'disk'; readonly message: string };

const REASONS = ['cancelled', 'timedOut', 'limit', 'disk'] as const;
/** A process is about to be started. */
const STARTING = -1;
/** The end of any task is wanted. */
const ANY = -1;

export class GroupWords {
  readonly #words: Int32Array;
  readonly #text: Uint8Array;

  constructor({ words, reason }: ControlBlock) {
    this.#words = words;
    this.#text = reason;
  }

  // The thread's side

  /** @param isBox it is a sandbox, of which only what runs inside is asked to end */
  starting(isBox = false): void {
    this.#words[WORD.isBox] = isBox ? 1 : 0;
    Atomics.store(this.#words, WORD.pid, STARTING);
  }
  started(pid: number): void {
    Atomics.store(this.#words, WORD.pid, pid);
  }
  /** Nobody is left. */
  ended(): void {
    Atomics.store(this.#words, WORD.pid, 0);
  }
  /** Why this task is not to go on; null when it may. */
  verdict(position: number): Verdict | null {
    const words = this.#words;
    const wanted = Atomics.load(words, WORD.endTask);
    if (wanted !== ANY && wanted !== position + 1) return null;
    const message = new TextDecoder().decode(this.#text.slice(0, words[WORD.endTextBytes]!));
    return { why: REASONS[words[WORD.endWhy]!]!, message };
  }

  /** Whether a user's function folds now, here or in its process. */
  set isFolding(is: boolean) {
    Atomics.store(this.#words, WORD.isFolding, is ? 1 : 0);
  }

  // The main thread's side

  /** A new lease begins; the thread is at rest. */
  reset(): void {
    this.#words[WORD.endTask] = 0;
    this.#words[WORD.pid] = 0;
  }
  /** The end of a task is wanted; null: of whatever runs or comes. */
  want(position: number | null, { why, message }: Verdict): void {
    const words = this.#words;
    const { written } = new TextEncoder().encodeInto(message, this.#text);
    words[WORD.endTextBytes] = written;
    words[WORD.endWhy] = REASONS.indexOf(why);
    Atomics.store(words, WORD.endTask, position === null ? ANY : position + 1);
  }
  /** Whether a process runs, or is about to. */
  get isBusy(): boolean {
    return Atomics.load(this.#words, WORD.pid) !== 0;
  }
  get isBox(): boolean {
    return this.#words[WORD.isBox] === 1;
  }
  /** The process that runs, which leads its group; null: there is none. */
  get group(): number | null {
    const pid = Atomics.load(this.#words, WORD.pid);
    return pid > 0 ? pid : null;
  }
}
