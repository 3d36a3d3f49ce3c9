/**
 * A thread's side of tasks that submit work: asks the main thread for the way to the Queen, and for leave to wait and run on.
 *
 * States: `here` (the slot is the thread's own), `away` (all tasks that it has under way wait: the main thread was told, and
 * gives the slot to others), `returning` (one of them would run on, or another begin: the main thread will say when). Several
 * tasks at once share their slot, so it is theirs again for all of them. It begins every lease `here`.
 */
import { Deferral } from '../functions/deferral.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { Nesting, Resting } from '../kinds/kind.ts';
import type { FromThread, PassAnswer, TaskLine } from './control-block.ts';

type Said = Extract<FromThread, { waits: boolean } | { wantsPass: true }>;

export class ThreadNesting implements Nesting {
  readonly #say: (message: Said) => void;
  /** Number of the lease's stay in the slot. */
  readonly #run: () => number;
  /** Those of this lease that have asked for the way to the Queen; every answer is good for one. */
  #asked: Deferral<TaskLine>[] = [];
  #state: 'here' | 'away' | 'returning' = 'here';
  /** Several at once that are under way; 0: there is at most one. */
  #tasks = 0;
  /** Those that wait, each with what tells it that it may not. */
  readonly #resting = new Set<Deferral<never>>();
  /** Settles at the end of `returning`. */
  #back = new Deferral<void>();

  constructor(say: (message: Said) => void, run: () => number) {
    this.#say = say;
    this.#run = run;
  }

  pass(): Promise<TaskLine> {
    const asked = new Deferral<TaskLine>();
    this.#asked.push(asked);
    this.#say({ run: this.#run(), wantsPass: true });
    return asked.promise;
  }

  answered({ run, pass, problem, isLasting }: PassAnswer): void {
    if (run !== this.#run()) return;
    const asked = this.#asked.shift();
    if (pass !== null) asked?.resolve(pass);
    else asked?.reject(new TaskFailure('cannotSubmit', problem, !isLasting));
  }

  get isAway(): boolean {
    return this.#state !== 'here';
  }

  /** Another lease has the thread. */
  beginLease(): void {
    this.#state = 'here';
    this.#tasks = 0;
    this.#resting.clear();
    this.#asked = [];
  }

  begin(): () => void {
    this.#tasks++;
    return () => {
      this.#tasks--;
      // Nothing else of it may run: those that are left wait.
      this.#maybeLeave();
    };
  }

  rest(): Resting {
    const refusal = new Deferral<never>();
    this.#resting.add(refusal);
    this.#maybeLeave();
    return {
      refused: refusal.promise,
      goOn: () => {
        this.#resting.delete(refusal);
        return this.comeBack();
      },
      end: () => this.#resting.delete(refusal),
    };
  }

  comeBack(): Promise<void> {
    if (this.#state === 'here') return Promise.resolve();
    if (this.#state === 'away') {
      this.#state = 'returning';
      this.#back = new Deferral();
      this.#say({ run: this.#run(), waits: false });
    }
    return this.#back.promise;
  }

  /** The slot is the thread's own again, or, with a problem, cannot be given away. */
  goOn(problem: string | null): void {
    if (this.#state === 'here') return;
    this.#state = 'here';
    this.#back.resolve();
    if (problem === null) this.#maybeLeave();
    else [...this.#resting].at(-1)?.reject(new TaskFailure('tooManyWait', problem, true));
  }

  #maybeLeave(): void {
    const { size } = this.#resting;
    if (this.#state !== 'here' || size === 0 || size < this.#tasks) return;
    this.#state = 'away';
    this.#say({ run: this.#run(), waits: true });
  }
}
