/**
 * Starts a process, and again when it is lost, until it ends as it should: what stands above every Drone that a task must not
 * take away for good. A node has one for its Drone, and `hive drone` is one.
 *
 * States: `running` (there is a process), `resting` (it was lost; the next one is started when the time is over), `over` (it
 * is not started again). Whoever waits for a slot's crash to be blamed on its task waits for this, so a process that had begun
 * to work is started again within a second, however often; one that cannot even start is given more time at each attempt.
 *
 * It imports nothing of ours: a supervisor is a process that holds no more memory than Node itself.
 */

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One process, from its start to its end. */
export interface Supervised {
  readonly exited: Promise<Exit>;
  /** It had begun to work. */
  readonly hasStarted: boolean;
}
export interface SupervisorOptions<P extends Supervised> {
  /** Starts the next one; `lost` is the one before it, unless this is the first. */
  readonly start: (lost: { readonly process: P; readonly exit: Exit } | null) => P;
  /** Whether it has ended as it should, and none is to follow. `failures`: how many in a row had not begun to work, with it. */
  readonly isEnd: (exit: Exit, process: P, failures: number) => boolean;
  /** It is lost, and is started again after so many milliseconds. */
  readonly onLost: (exit: Exit, retryMillis: number) => void;
}

/** One that ran for so long owes nothing to those before it. */
const STEADY_MILLIS = 10_000;
const FIRST_MILLIS = 100;
const STARTED_MILLIS_MAX = 1_000;
const FAILED_MILLIS_MAX = 5_000;

/**
 * Equal-jitter exponential back-off, in milliseconds: half of it certain, half by chance.
 * @param losses processes lost in quick succession, without this one
 * @param chance in [0, 1)
 */
export function restartDelay(losses: number, hadStarted: boolean, chance: number): number {
  const most = hadStarted ? STARTED_MILLIS_MAX : FAILED_MILLIS_MAX;
  const cap = Math.min(most, FIRST_MILLIS * 2 ** Math.min(losses, 16));
  return cap / 2 + (cap / 2) * chance;
}

/** In words, for people: `SIGSEGV`, `exit code 1`. */
export const exitText = ({ code, signal }: Exit): string => signal ?? `exit code ${code}`;

export class Supervisor<P extends Supervised> {
  readonly #options: SupervisorOptions<P>;
  /** The last one's; resolves when no other follows. */
  readonly over: Promise<Exit>;
  #resolve: (exit: Exit) => void = () => {};
  #process: P | null = null;
  #last: Exit = { code: 0, signal: null };
  #timer: NodeJS.Timeout | null = null;
  #losses = 0;
  #failures = 0;
  #isStopping = false;

  constructor(options: SupervisorOptions<P>) {
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Null while there is none. */
  get process(): P | null {
    return this.#process;
  }
  get isResting(): boolean {
    return this.#timer !== null;
  }

  /** Does nothing if it was started or stopped before. */
  start(): void {
    if (this.#process === null && this.#timer === null && !this.#isStopping) this.#start(null);
  }

  /** From now on none is started. What runs goes on; ending it is the caller's business. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#process === null) this.#resolve(this.#last);
  }

  #start(lost: { readonly process: P; readonly exit: Exit } | null): void {
    this.#timer = null;
    const startedAt = performance.now();
    const started = this.#options.start(lost);
    this.#process = started;
    void started.exited.then((exit) => this.#ended(started, exit, performance.now() - startedAt));
  }

  #ended(ended: P, exit: Exit, millis: number): void {
    this.#process = null;
    this.#last = exit;
    if (millis >= STEADY_MILLIS) this.#losses = 0;
    this.#failures = ended.hasStarted ? 0 : this.#failures + 1;
    if (this.#isStopping || this.#options.isEnd(exit, ended, this.#failures)) {
      this.#isStopping = true;
      this.#resolve(exit);
      return;
    }
    const delay = restartDelay(this.#losses++, ended.hasStarted, Math.random());
    this.#timer = setTimeout(() => this.#start({ process: ended, exit }), delay);
    this.#options.onLost(exit, delay);
  }
}
