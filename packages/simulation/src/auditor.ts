/**
 * Watches a simulation from outside and throws at the first broken promise. It shares no code with the scheduler: it knows
 * the plans of all jobs, sees what is recorded, sent, run and read, and keeps its own books.
 *
 * Each part of it keeps one kind of book: what runs (G3), what is recorded (G2, G4), what is read (G2), what is durable
 * when it is said, and whether the scheduler's state makes sense (every step) and is empty in the end (G5, G7, G9).
 */
import type { LeaseOrder } from '@hive/drone';
import type { Effects, SchedulerEvent, Send, State, StoreRecord } from '@hive/queen';
import type { Message, Millis } from '@hive/shared';
import { CommitAudit } from './audit/commits.ts';
import { DrainAudit } from './audit/drains.ts';
import { ReaderAudit } from './audit/readers.ts';
import { RecordAudit } from './audit/records.ts';
import { restProblem } from './audit/rest.ts';
import { RunningAudit } from './audit/running.ts';
import { stateProblem } from './audit/state.ts';
import type { JobPlan } from './plan.ts';
import type { Process } from './process.ts';

/** A promise was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
export type Fail = (text: string) => never;

/** Codes of a Goodbye that blame nobody. */
const BLAMELESS: ReadonlySet<string> = new Set(['silent', 'replaced', 'stopping']);

export class Auditor {
  readonly #running: RunningAudit;
  readonly #records: RecordAudit;
  readonly #readers: ReaderAudit;
  readonly #commits: CommitAudit;
  readonly #drains: DrainAudit;
  /** Steps between two looks at the whole state; 1 looks after every step. */
  readonly #stateEvery: number;
  steps = 0;
  /** The last fault is so long ago that nobody has a reason to be silent. */
  isCalm = false;

  constructor(planOf: (job: string) => JobPlan, stateEvery: number) {
    const fail: Fail = (text) => this.fail(text);
    this.#stateEvery = stateEvery;
    this.#running = new RunningAudit(fail);
    this.#records = new RecordAudit(fail, planOf);
    this.#readers = new ReaderAudit(fail, this.#records);
    this.#commits = new CommitAudit(fail);
    this.#drains = new DrainAudit(fail);
  }

  fail(text: string): never {
    throw new Violation(text);
  }

  // The Queen

  stepped(event: SchedulerEvent, effects: Effects, state: State): void {
    this.steps++;
    this.#commits.stepped(effects);
    this.#records.stepped(event, effects, state.now);
    this.#drains.stepped(effects, state);
    if (this.steps % this.#stateEvery === 0) {
      const problem = stateProblem(state);
      if (problem !== null) this.fail(`after ${event.type}: ${problem}`);
    }
    if (event.type !== 'settled') return;
    this.#records.settled(state);
    const problem = restProblem(state);
    if (problem !== null) this.fail(`G5: ${problem}`);
  }
  /** The Queen was killed, and another has opened her store. */
  recovered(durable: readonly StoreRecord[], effects: Effects, state: State): void {
    this.#commits.recovered(durable.length, effects);
    this.#records.recovered(durable, state);
    this.#drains.recovered(durable, state);
    this.#records.stepped(null, effects, state.now);
    const problem = stateProblem(state);
    if (problem !== null) this.fail(`after recovery: ${problem}`);
  }
  afterCommit(sends: readonly Send[], durable: number): void {
    this.#commits.delivered(sends, durable);
  }
  /** The Queen closes a session. Nobody here breaks the protocol, so nobody may be blamed. */
  closed(name: string, { code, message }: Message<'Goodbye'>): void {
    if (this.isCalm && code === 'silent')
      this.fail(`${name} was taken for lost without a reason: ${message}`);
    // The session of a task ends with its lease.
    if (code === 'notPermitted' && name.startsWith('task of')) return;
    if (!BLAMELESS.has(code ?? '')) this.fail(`the Queen blames ${name}: ${code} ${message}`);
  }

  // Drones

  processStarted(process: Process, slots: number): void {
    this.#running.processStarted(process, slots);
  }
  processKilled(process: Process): void {
    this.#running.processKilled(process);
  }
  assigned(process: Process, message: Message<'TaskAssign'>): void {
    this.#running.assigned(process, message);
  }
  cancelledOn(process: Process, message: Message<'CancelTask'>): void {
    this.#running.cancelled(process, message);
  }
  droneSaid(process: Process, message: Message): void {
    if (message.type === 'Retracted') this.#running.retracted(process, message);
  }
  /** Returns how often this task has been started in the whole cluster, this time included. */
  taskStarted(process: Process, order: LeaseOrder, position: number, index: number): number {
    return this.#running.taskStarted(process, order, position, index);
  }
  taskStopped(process: Process, order: LeaseOrder, index: number, isResting = false): void {
    this.#running.taskStopped(process, order, index, isResting);
  }
  /** A task waits for what it has submitted, or runs on. */
  taskRests(process: Process, order: LeaseOrder): void {
    this.#running.taskRests(process, order);
  }
  taskGoesOn(process: Process, order: LeaseOrder): void {
    this.#running.taskGoesOn(process, order);
  }

  /** A fold has gone wrong, by itself. */
  foldFailed(plan: JobPlan): void {
    this.#records.foldFailed(plan);
  }
  /** What a task of a graph job is given. */
  inputGiven(process: Process, plan: JobPlan, index: number, input: Uint8Array): void {
    this.#records.inputGiven(plan, process.name, index, input);
  }

  // Clients

  accepted(plan: JobPlan, count: number, sealed: boolean): void {
    this.#records.accepted(plan, count, sealed);
  }
  cancelled(job: string, indices: readonly number[] | null): void {
    this.#records.cancelAsked(job, indices);
  }
  clientKilled(jobs: readonly { readonly order: { readonly plan: JobPlan } }[]): void {
    for (const { order } of jobs) this.#records.clientKilled(order.plan);
  }
  resultsRead(reader: object, plan: JobPlan, order: 'seq' | 'index', message: Message<'Results'>): void {
    this.#readers.read(reader, plan, order, message);
  }
  readerDone(reader: object, plan: JobPlan): void {
    this.#readers.done(reader, plan);
  }
  jobDone(plan: JobPlan, message: Message<'JobDone'>): void {
    this.#records.jobDone(plan, message);
  }

  /** Nobody will submit this job. */
  gaveUp(plan: JobPlan): void {
    this.#records.gaveUp(plan);
  }

  // What is known, for those who draw what happens next

  willNeverBe(plan: JobPlan): boolean {
    return this.#records.willNeverBe(plan);
  }
  comesAfterUnknown(plan: JobPlan): boolean {
    return this.#records.comesAfterUnknown(plan);
  }
  mayBeRetried(plan: JobPlan): boolean {
    return this.#records.mayBeRetried(plan);
  }
  isSubmitted(plan: JobPlan): boolean {
    return this.#records.bookOf(plan).lives > 0;
  }
  isRemoved(plan: JobPlan): boolean {
    return this.#records.bookOf(plan).isRemoved;
  }

  // The end

  /** Every job has ended, and in the right way. */
  finish(now: Millis): void {
    this.#records.finish(now);
    this.#running.finish();
  }
  /** The name of a job that was submitted and has not ended, or null. */
  get openJob(): string | null {
    return this.#records.openJob;
  }
  get recorded(): number {
    return this.#records.recorded;
  }
}
