/** A slot without a thread, for property tests: does what the agent orders, and finishes or dies when it is told to. */
import type { AgentEvent, LeaseOrder, SlotEffect } from '../agent/events.ts';

interface Run {
  readonly order: LeaseOrder;
  end: number;
  completed: number;
  reported: number;
  isStarted: boolean;
  isPaused: boolean;
}

export class SimulatedSlot {
  readonly number: number;
  readonly #say: (event: AgentEvent) => void;
  #isReady = false;
  run: Run | null = null;

  constructor(number: number, say: (event: AgentEvent) => void) {
    this.number = number;
    this.#say = say;
  }

  get isReady(): boolean {
    return this.#isReady;
  }
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#say({ type: 'slotReady', slot: this.number });
  }

  obey(effect: SlotEffect): void {
    if (effect.type === 'startLease') {
      if (this.run !== null || !this.#isReady)
        throw new Error(`slot ${this.number} cannot start a lease now`);
      this.run = {
        order: effect,
        end: effect.end,
        completed: 0,
        reported: 0,
        isStarted: false,
        isPaused: false,
      };
      return;
    }
    const { run } = this;
    if (run === null || run.order.run !== effect.run) return;
    if (effect.type === 'retractLease') this.#retract(run, effect.end);
    else if (effect.type === 'sampleSlot') this.#sample(run);
    else if (effect.type === 'pauseSlot') run.isPaused = true;
    else if (effect.type === 'resumeSlot') run.isPaused = false;
    else if (effect.type === 'killSlot') this.die();
  }

  /** Finishes up to `count` tasks; reports when nothing is left, or when `isReporting`. */
  work(count: number, isReporting: boolean): void {
    const { run } = this;
    if (run === null) return;
    if (!run.isPaused) run.completed = Math.min(run.end, run.completed + count);
    run.isStarted = !run.isPaused && run.completed < run.end;
    if (run.completed >= run.end) this.#report(run, true);
    else if (isReporting) this.#report(run, false);
  }

  die(): void {
    const { run } = this;
    if (!this.#isReady) return;
    if (run !== null) this.#report(run, false);
    this.run = null;
    this.#isReady = false;
    const position = run?.isStarted === true ? run.completed : null;
    this.#say({
      type: 'slotDied',
      slot: this.number,
      run: run?.order.run ?? null,
      position,
      message: 'died',
    });
  }

  #retract(run: Run, end: number): void {
    const started = run.completed + (run.isStarted && run.completed < run.end ? 1 : 0);
    run.end = Math.max(Math.min(end, run.end), started);
    this.#say({ type: 'slotRetracted', slot: this.number, run: run.order.run, end: run.end, task: null });
  }

  #sample(run: Run): void {
    this.#report(run, false);
    const task = run.isStarted ? { position: run.completed, runningMillis: 0 } : null;
    this.#say({ type: 'slotProgressed', slot: this.number, run: run.order.run, task });
  }

  /** A value names its run and position, so no two runs of a task look alike. */
  #report(run: Run, ended: boolean): void {
    const at = run.reported;
    const count = run.completed - at;
    if (count === 0 && !ended) return;
    run.reported = run.completed;
    if (ended) this.run = null;
    const values = new Uint16Array(count * 2);
    for (let i = 0; i < count; i++) values.set([run.order.run, at + i], i * 2);
    this.#say({
      type: 'slotReported',
      slot: this.number,
      run: run.order.run,
      at,
      count,
      sizes: 4,
      data: new Uint8Array(values.buffer),
      failures: [],
      busyMicros: 1,
      ended,
    });
  }
}
