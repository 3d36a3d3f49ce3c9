/**
 * Ctrl-C and SIGTERM: the first asks to stop and waits, the second leaves at once. One key press can arrive twice (from
 * the terminal and from a package manager that passes it on), so signals close together count as one.
 */
import { constants } from 'node:os';

const SAME_PRESS_MILLIS = 300;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type Signal = (typeof SIGNALS)[number];

/** What a shell expects of a process that a signal ended. */
export function exitCodeOf(signal: Signal): number {
  return 128 + constants.signals[signal];
}

/**
 * Ends this process as the signal would have, at once. `process.exit` would wait for the thread that opens a FIFO which
 * nobody writes to.
 */
export function leaveBy(signal: Signal): never {
  process.removeAllListeners(signal);
  // A signal does not wait for those who tidy up.
  process.emit('exit', exitCodeOf(signal));
  process.kill(process.pid, signal);
  process.exit(exitCodeOf(signal));
}

/** Counts what a person has pressed: how many times, with this one. */
class Presses {
  #firstAt: number | null = null;

  press(): 1 | 2 {
    const now = performance.now();
    this.#firstAt ??= now;
    return now - this.#firstAt > SAME_PRESS_MILLIS ? 2 : 1;
  }
}

/** Another way on which the signals of this process come, each perhaps beside the process's own. */
export type Passing = (onSignal: (signal: Signal) => void) => void;

/** Calls `stop` at the first signal. Disposing it gives the signals back to Node. */
export function onInterrupt(stop: (signal: Signal) => void, passing?: Passing): Disposable {
  let pressed = 0;
  const heed = (presses: Presses) => (signal: Signal) => {
    const count = presses.press();
    // One press may come both ways, long after each other.
    if (count <= pressed) return;
    pressed = count;
    if (count === 1) stop(signal);
    else leaveBy(signal);
  };
  const handle = heed(new Presses());
  for (const signal of SIGNALS) process.on(signal, handle);
  passing?.(heed(new Presses()));
  return {
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, handle);
    },
  };
}

/** Resolves with the first signal. */
export function interrupted(passing?: Passing): Promise<Signal> {
  return new Promise((resolve) => {
    onInterrupt(resolve, passing);
  });
}
