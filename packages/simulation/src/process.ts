/**
 * A simulated operating-system process: its timers die with it, and wait while it is frozen (SIGSTOP, a long swap).
 *
 * States: running; frozen (entered by `freeze`, nothing of it happens, all of it happens at `thaw`); dead (for ever).
 */
import type { Millis } from '@hive/shared';
import type { Timer, VirtualTime } from './virtual-time.ts';

export class Process {
  readonly name: string;
  readonly time: VirtualTime;
  isAlive = true;
  isFrozen = false;
  #waiting: (() => void)[] = [];
  /** Called when it freezes (false) or thaws (true): whether its sockets are read. */
  onReading: (isReading: boolean) => void = () => {};

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.time = time;
  }

  after(millis: Millis, action: () => void): Timer {
    const timer: Timer = this.time.after(millis, () => this.run(action));
    return timer;
  }

  /** Does something now, or when the process runs again, or never. */
  run(action: () => void): void {
    if (!this.isAlive) return;
    if (this.isFrozen) this.#waiting.push(action);
    else action();
  }

  freeze(): void {
    if (!this.isAlive || this.isFrozen) return;
    this.isFrozen = true;
    this.onReading(false);
  }
  thaw(): void {
    if (!this.isAlive || !this.isFrozen) return;
    this.isFrozen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) this.run(action);
    if (!this.isFrozen) this.onReading(true);
  }
  kill(): void {
    this.isAlive = false;
    this.#waiting = [];
  }
}
