/**
 * The slots of a simulated Drone, as the agent sees those of packages/drone: a thread claims one task after the other,
 * results are taken as prefixes, an end can be lowered, a thread can be paused, killed, or die by itself.
 *
 * A thread claims in one time step and tells the main thread later that it has stopped, so orders cross with its news.
 */
import {
  type AgentEvent,
  foldTaken,
  type LeaseOrder,
  type RunningTask,
  type SlotEffect,
  type SlotFailure,
  takenOneByOne,
} from '@hive/drone';
import { decodeMsgpack, encodeMsgpack, foldedInput, PageBuilder, readU32 } from '@hive/shared';
import { childOf } from './nested/nested-plan.ts';
import type { TaskSession } from './nested/task-session.ts';
import { type Attempt, attemptOf, foldAttemptOf, type JobPlan, transform } from './plan.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { folderOf } from './reduce-plan.ts';
import type { SlotAuditor } from './shared/shared-slots.ts';
import type { Timer } from './virtual-time.ts';

export interface SlotHost {
  readonly process: Process;
  readonly random: Random;
  readonly auditor: SlotAuditor;
  planOf(job: string): JobPlan;
  /** The way to the Queen of a task that submits work, and its end. */
  sessionOf(order: LeaseOrder, index: number): TaskSession;
  sessionOver(session: TaskSession): void;
  /** Something that the agent must hear. */
  say(event: AgentEvent): void;
}
type OrderOf<T extends SlotEffect['type']> = Extract<SlotEffect, { type: T }>;

/** Tasks without any duration that a thread does in one time step. */
const BURST = 200;
/** Results at which the thread asks for a look. */
const REPORT_BYTES = 4_096;

interface Run {
  readonly order: LeaseOrder;
  readonly plan: JobPlan;
  /** Byte offset of each input. */
  readonly offsets: readonly number[];
  next: number;
  end: number;
  completed: number;
  taken: number;
  results: PageBuilder;
  failures: SlotFailure[];
  /** The first task that ended its job and was not reported. */
  finish: number | null;
  busyMillis: number;
  isPaused: boolean;
  /** The thread has found nothing to claim and has said so. */
  isParked: boolean;
  readonly aborted: Map<number, string>;
  running: RunningAttempt | null;
}
interface RunningAttempt {
  readonly position: number;
  readonly startedAt: number;
  readonly attempt: Attempt;
  timer: Timer;
  /** Of a task that submits work; null before it does. */
  session: TaskSession | null;
  /** How often it has submitted some. */
  steps: number;
  /** It waits for that. */
  isResting: boolean;
  /** What it had submitted has come to nothing. */
  isBroken: boolean;
}

export class SimSlot {
  readonly number: number;
  readonly #host: SlotHost;
  #run: Run | null = null;
  #isReady = false;

  constructor(number: number, host: SlotHost) {
    this.number = number;
    this.#host = host;
    this.#start();
  }

  get isIdle(): boolean {
    return this.#run === null;
  }

  obey(effect: SlotEffect): void {
    if (effect.type === 'startLease') {
      this.#startLease(effect);
      return;
    }
    const run = this.#run;
    if (run === null || run.order.run !== effect.run) return;
    this.#orders[effect.type](run, effect as never);
  }

  readonly #orders: {
    readonly [T in Exclude<SlotEffect['type'], 'startLease'>]: (run: Run, effect: OrderOf<T>) => void;
  } = {
    retractLease: (run, { end }) => this.#retract(run, end),
    sampleSlot: (run) => this.#sample(run),
    pauseSlot: (run) => {
      run.isPaused = true;
    },
    resumeSlot: (run) => {
      run.isPaused = false;
      this.#unpark(run);
    },
    abortTask: (run, { position, reason }) => this.#abort(run, position, reason),
    deliverChunk: () => {},
    watchSlot: () => {},
    goOn: (run, { problem }) => this.#goOn(run, problem),
    killSlot: () => this.die('the thread was ended'),
  };

  /** The thread ends; another is started. */
  die(message: string): void {
    const run = this.#run;
    const wasReady = this.#isReady;
    this.#isReady = false;
    this.#run = null;
    if (run !== null) this.#take(run, false, true);
    const position = run?.running?.position ?? null;
    if (run !== null && run.running !== null) this.#stopTask(run);
    const { number: slot } = this;
    if (wasReady) this.#host.say({ type: 'slotDied', slot, run: run?.order.run ?? null, position, message });
    if (wasReady) this.#start();
  }

  /** The whole process is gone: nothing runs any more, and nobody is told. */
  vanish(): void {
    if (this.#run !== null && this.#run.running !== null) this.#stopTask(this.#run);
    this.#run = null;
  }

  #start(): void {
    const { process, random } = this.#host;
    process.after(random.between(1, 80), () => {
      this.#isReady = true;
      this.#host.say({ type: 'slotReady', slot: this.number });
    });
  }

  #startLease(order: LeaseOrder): void {
    if (!this.#isReady || this.#run !== null) {
      this.#host.auditor.fail(`slot ${this.number} of ${this.#host.process.name} was given two leases`);
    }
    this.#run = {
      order,
      plan: this.#host.planOf(order.job),
      offsets: offsetsOf(order),
      next: 0,
      end: order.end,
      completed: 0,
      taken: 0,
      results: new PageBuilder(),
      failures: [],
      finish: null,
      busyMillis: 0,
      isPaused: false,
      isParked: true,
      aborted: new Map(),
      running: null,
    };
    this.#unpark(this.#run);
  }

  /** Wakes a thread that has found nothing to do. */
  #unpark(run: Run): void {
    if (!run.isParked) return;
    run.isParked = false;
    this.#host.process.after(0.02, () => this.#claim(run));
  }

  /** The thread: takes the next task, or says that there is none. */
  #claim(run: Run): void {
    for (let burst = 0; this.#run === run && run.running === null; burst++) {
      if (run.next >= run.end || run.isPaused) {
        run.isParked = true;
        this.#host.process.after(0.03, () => this.#stopped(run));
        return;
      }
      if (burst === BURST) {
        this.#host.process.after(0.01, () => this.#claim(run));
        return;
      }
      this.#startTask(run, run.next++);
    }
  }

  #startTask(run: Run, position: number): void {
    const { process, auditor } = this.#host;
    const reason = run.aborted.get(position);
    if (reason !== undefined) {
      this.#finish(run, { position, outcome: 'cancelled', message: reason });
      return;
    }
    const index = auditedIndex(run.order, position);
    const n = auditor.taskStarted(process, run.order, position, index);
    if (run.plan.graph !== undefined && !run.order.isFold)
      auditor.inputGiven(process, run.plan, index, inputAt(run, position));
    const attempt = run.order.isFold ? foldAttemptOf(run.plan, -index, n) : attemptOf(run.plan, index, n);
    if (run.order.isFold && attempt.ends !== 'succeeds') auditor.foldFailed(run.plan);
    const isNested = run.plan.nested !== undefined && !run.order.isFold;
    if (attempt.millis === 0 && attempt.ends !== 'crashes' && !isNested) {
      auditor.taskStopped(process, run.order, index);
      this.#complete(run, position, attempt);
      return;
    }
    const timer = process.after(attempt.millis, () => this.#taskOver(run, position, attempt));
    const fresh = { session: null, steps: 0, isResting: false, isBroken: false };
    run.running = { position, startedAt: process.time.now, attempt, timer, ...fresh };
  }

  /** It submits a job and waits for its end, until which its slots are for others. */
  #rest(run: Run, running: RunningAttempt): void {
    const { order, plan } = run;
    const { process, auditor } = this.#host;
    const index = indexAt(order.ranges, running.position);
    running.session ??= this.#host.sessionOf(order, index);
    running.isResting = true;
    auditor.taskRests(process, order);
    const child = childOf(plan, index, order.pass!.lease, ++running.steps);
    const { number: slot } = this;
    running.session.submit(child, (isDone) => {
      if (this.#run !== run || run.running !== running) return;
      running.isBroken = !isDone;
      this.#host.say({ type: 'slotWaits', slot, run: order.run, waits: false });
    });
    this.#host.say({ type: 'slotWaits', slot, run: order.run, waits: true });
  }

  /** Its slots are its own again. */
  #goOn(run: Run, problem: string | null): void {
    const { running } = run;
    if (running === null || !running.isResting) return;
    const { process, auditor } = this.#host;
    running.isResting = false;
    auditor.taskGoesOn(process, run.order);
    const { position, attempt } = running;
    if (problem === null && !running.isBroken) {
      running.timer = process.after(attempt.millis / 2, () => this.#taskOver(run, position, attempt));
      return;
    }
    this.#stopTask(run);
    this.#finish(run, { position, outcome: 'failed', message: problem ?? 'what it had submitted is lost' });
    this.#claim(run);
  }

  #taskOver(run: Run, position: number, attempt: Attempt): void {
    if (this.#run !== run) return;
    const running = run.running!;
    const steps = run.order.isFold ? 0 : (run.plan.nested?.steps ?? 0);
    if (attempt.ends === 'succeeds' && running.steps < steps) {
      this.#rest(run, running);
      return;
    }
    if (attempt.ends === 'crashes') {
      this.die('the task killed its thread');
      return;
    }
    this.#stopTask(run);
    this.#complete(run, position, attempt);
    this.#claim(run);
  }

  #stopTask(run: Run): void {
    const { process, auditor } = this.#host;
    const { position, startedAt, timer, session, isResting } = run.running!;
    process.time.cancel(timer);
    run.running = null;
    run.busyMillis += process.time.now - startedAt;
    auditor.taskStopped(process, run.order, auditedIndex(run.order, position), isResting);
    if (session === null) return;
    session.end();
    this.#host.sessionOver(session);
  }

  #complete(run: Run, position: number, { ends }: Attempt): void {
    if (ends === 'succeeds' || ends === 'finishes') {
      if (ends === 'finishes') run.finish ??= position;
      run.results.push(outputOf(run, position));
      run.completed++;
    } else {
      const isFinal = ends === 'failsForGood' ? { retryable: false } : {};
      this.#finish(run, { position, outcome: 'failed', message: 'it was meant to fail', ...isFinal });
    }
    if (run.results.bytes > REPORT_BYTES) this.#host.process.after(0.05, () => this.#takeOf(run));
  }

  #finish(run: Run, failure: SlotFailure): void {
    run.failures.push(failure);
    run.results.push(new Uint8Array(0));
    run.completed++;
  }

  #takeOf(run: Run): void {
    if (this.#run === run) this.#take(run, false);
  }
  /** The main thread hears that the thread has stopped. */
  #stopped(run: Run): void {
    if (this.#run !== run || !run.isParked) return;
    if (run.completed >= run.end) this.#take(run, true);
    else if (!run.isPaused) this.#unpark(run);
  }

  /** @param isDead its thread is gone */
  #take(run: Run, ended: boolean, isDead = false): void {
    const { count, sizes, data } = run.results.take();
    if (count === 0 && !ended) return;
    const busyMicros = Math.round(run.busyMillis * 1000);
    const { failures, taken: at } = run;
    run.failures = [];
    run.busyMillis = 0;
    run.taken += count;
    if (ended) this.#run = null;
    const { number: slot } = this;
    const finish = run.finish === null ? {} : { finish: run.finish };
    run.finish = null;
    this.#host.say({
      type: 'slotReported',
      slot,
      run: run.order.run,
      ...folded(
        run.order,
        { at, count, sizes, data, failures, ...finish },
        isDead || run.plan.seed % 3 === 0,
      ),
      busyMicros,
      ended,
    });
  }

  #retract(run: Run, end: number): void {
    run.end = Math.min(run.end, Math.max(end, run.next));
    const task = this.#taskOf(run);
    this.#host.say({ type: 'slotRetracted', slot: this.number, run: run.order.run, end: run.end, task });
    if (run.isParked) this.#stopped(run);
  }

  #sample(run: Run): void {
    this.#take(run, false);
    this.#host.say({
      type: 'slotProgressed',
      slot: this.number,
      run: run.order.run,
      task: this.#taskOf(run),
    });
  }

  #taskOf({ running }: Run): RunningTask | null {
    if (running === null) return null;
    return { position: running.position, runningMillis: this.#host.process.time.now - running.startedAt };
  }

  #abort(run: Run, position: number | null, reason: string): void {
    if (position !== null) run.aborted.set(position, reason);
    const { running } = run;
    if (running === null || (position !== null && position !== running.position)) return;
    if (!running.attempt.isPolite) return;
    const { process, random } = this.#host;
    process.after(random.between(0, 10), () => {
      if (this.#run !== run || run.running !== running) return;
      this.#stopTask(run);
      this.#finish(run, { position: running.position, outcome: 'cancelled', message: reason });
      this.#claim(run);
    });
  }
}

/**
 * As the agent wants it: of a reduced job, folded.
 * @param isOneByOne a user's function may not be called for them: its thread is gone, or it runs in a sandbox
 */
function folded({ spec, isFold, ranges }: LeaseOrder, taken: Taken, isOneByOne: boolean) {
  if (spec.reduce === undefined || isFold) return taken;
  const folding =
    spec.reduce.op === 'function' && isOneByOne
      ? takenOneByOne(taken)
      : foldTaken(folderOf(spec.reduce), 'msgpack', ranges, taken);
  return { ...folding, sizes: 0, data: new Uint8Array(0) };
}
type Taken = Parameters<typeof foldTaken>[3];

function outputOf(run: Run, position: number): Uint8Array {
  const { spec, isFold, data } = run.order;
  if (isFold) return foldedInput(folderOf(spec.reduce!), 'msgpack', decodeMsgpack(data));
  return transform(run.plan, inputAt(run, position));
}

/** A fold stands for no task: the auditor knows it by the first of those it folds, below 0. */
function auditedIndex({ ranges, isFold }: LeaseOrder, position: number): number {
  const index = indexAt(ranges, position);
  return isFold ? -1 - index : index;
}

function inputAt({ order, plan, offsets }: Run, position: number): Uint8Array {
  const { range } = plan.spec;
  if (range !== undefined) return encodeMsgpack(range.start + indexAt(order.ranges, position) * range.step);
  return order.data.subarray(offsets[position], offsets[position + 1]);
}

function offsetsOf({ ranges, sizes, data }: LeaseOrder): number[] {
  const offsets = [0];
  let count = 0;
  for (let i = 1; i < ranges.length; i += 2) count += ranges[i]!;
  if (data.length === 0) return new Array(count + 1).fill(0);
  for (let i = 0; i < count; i++)
    offsets.push(offsets[i]! + (typeof sizes === 'number' ? sizes : readU32(sizes, i * 4)));
  return offsets;
}

/** Index of the task at a position of a lease's ranges. */
export function indexAt(ranges: readonly number[], position: number): number {
  let left = position;
  for (let i = 0; i < ranges.length; i += 2) {
    if (left < ranges[i + 1]!) return ranges[i]! + left;
    left -= ranges[i + 1]!;
  }
  throw new Error(`no position ${position} in ${ranges.join(',')}`);
}
