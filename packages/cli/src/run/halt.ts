/**
 * When to stop early, and with which exit code: GNU parallel's rules for --halt, and for what a run without it ends with.
 *
 * Source: its manual under --halt-on-error and EXIT STATUS, and what it does.
 */
import type { HaltReason } from './command-task.ts';
import type { Halt } from './options/quantities.ts';

/** More than this many failures are not told apart. */
const FAILED_MAX = 101;
const SIGNAL_BASE = 128;

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: number | null;
}

export function hasFailed({ exitCode, signal }: Ended): boolean {
  return exitCode !== 0 || signal !== null;
}

export interface HaltVerdict {
  /** What counted, in words; null if it did not. */
  readonly said: 'failed' | 'succeeded' | 'finished' | null;
  readonly reason: HaltReason | null;
}

export class HaltRules {
  readonly #halt: Halt | null;
  readonly #total: () => number | null;
  /** Those that run; a command that is tried again is one. */
  readonly #running = new Set<number>();
  #started = 0;
  #completed = 0;
  #failed = 0;
  #exitCode: number | null = null;

  /** @param total how many commands there are; known if the rule is a percentage */
  constructor(halt: Halt | null, total: () => number | null) {
    this.#halt = halt;
    this.#total = total;
  }

  get needsTotal(): boolean {
    return this.#halt?.isPercent === true;
  }
  get completed(): number {
    return this.#completed;
  }
  get running(): number {
    return this.#running.size;
  }

  started(index: number): void {
    if (this.#running.has(index)) return;
    this.#running.add(index);
    this.#started++;
  }

  ended(index: number, end: Ended): HaltVerdict {
    this.#running.delete(index);
    this.#completed++;
    const isFailure = hasFailed(end);
    if (isFailure) this.#failed++;
    const halt = this.#halt;
    if (halt === null) return { said: null, reason: null };
    const counted = {
      fail: isFailure ? this.#failed : null,
      success: isFailure ? null : this.#completed - this.#failed,
      done: this.#completed,
    }[halt.on];
    if (counted === null) return { said: null, reason: null };
    const said = { fail: 'failed', success: 'succeeded', done: 'finished' }[halt.on] as HaltVerdict['said'];
    if (counted < this.#limit(halt)) return { said, reason: null };
    this.#exitCode ??= halt.on === 'success' ? 0 : this.#exitCodeAtHalt(halt, end);
    return { said, reason: halt.when };
  }

  #limit({ count, isPercent }: Halt): number {
    return isPercent ? ((this.#total() ?? 0) * count) / 100 : count;
  }

  #exitCodeAtHalt(halt: Halt, { exitCode, signal }: Ended): number {
    // The first one is the one: its own code, or what a shell makes of its signal.
    if (this.#limit(halt) === 1) return exitCode || (signal === null ? 0 : SIGNAL_BASE + signal);
    return this.#failures(halt, this.#total() ?? this.#started);
  }

  #failures({ isPercent }: Halt, of: number): number {
    if (isPercent) return Math.ceil((this.#failed / Math.max(1, of)) * 100);
    return Math.min(this.#failed, FAILED_MAX);
  }

  /** What the run ends with: how many failed, or what --halt says. */
  get exitCode(): number {
    if (this.#exitCode !== null) return this.#exitCode;
    if (this.#halt === null) return Math.min(this.#failed, FAILED_MAX);
    return this.#failures(this.#halt, this.#started);
  }
}
