/** A thread's side of tasks that submit work: asks the main thread for the way to the Queen, and for leave to wait and run on. */
import { Deferral } from '../functions/deferral.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { Nesting } from '../kinds/kind.ts';
import type { FromThread, PassAnswer, TaskLine } from './control-block.ts';

type Said = Extract<FromThread, { waits: boolean } | { wantsPass: true }>;

interface Asked extends Deferral<TaskLine> {
  run?: number;
}

export class ThreadNesting implements Nesting {
  readonly #say: (message: Said) => void;
  /** Number of the lease's stay in the slot. */
  readonly #run: () => number;
  #asked: Asked | null = null;
  #back: Deferral<void> | null = null;
  #refused: Deferral<never> | null = null;

  constructor(say: (message: Said) => void, run: () => number) {
    this.#say = say;
    this.#run = run;
  }

  pass(): Promise<TaskLine> {
    const run = this.#run();
    if (this.#asked?.run !== run) {
      this.#asked = new Deferral();
      this.#asked.run = run;
      this.#say({ run, wantsPass: true });
    }
    return this.#asked.promise;
  }

  answered({ run, pass, problem, isLasting }: PassAnswer): void {
    const asked = this.#asked;
    if (asked?.run !== run) return;
    this.#asked = null;
    if (pass !== null) asked.resolve(pass);
    else asked.reject(new TaskFailure('cannotSubmit', problem, !isLasting));
  }

  wait(): Promise<never> {
    this.#refused = new Deferral();
    this.#say({ run: this.#run(), waits: true });
    return this.#refused.promise;
  }

  mayGoOn(): Promise<void> {
    this.#back = new Deferral();
    this.#say({ run: this.#run(), waits: false });
    return this.#back.promise;
  }

  goOn(problem: string | null): void {
    if (problem === null) this.#back?.resolve();
    else this.#refused?.reject(new TaskFailure('tooManyWait', problem, true));
  }
}
