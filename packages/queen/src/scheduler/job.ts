/**
 * A job's state. Its tasks are interval sets: `recorded` (an outcome is stored), `returned` (must run again, now) and
 * the fresh rest [nextFresh, appended); whatever is in none of them is leased or waits for a retry.
 *
 * States: `waiting` (submitted, nothing was leased yet), `running`, and three ends: `succeeded`, `failed`, `cancelled`.
 * Only `apply.ts` writes the fields marked durable.
 */
import {
  type Counts,
  type FoldFailure,
  IntervalSet,
  type JobId,
  type JobState,
  type LeaseNumber,
  LIMITS,
  type Millis,
  type PeerId,
  type SessionNumber,
  type Spec,
} from '@hive/shared';
import type { Deadline } from './deadlines.ts';
import type { DroneState } from './drone.ts';
import { Folds } from './folds.ts';
import { TaskGraph } from './graph.ts';
import type { HeapEntry } from './heap.ts';
import { InputDirectory } from './input-directory.ts';
import type { Lease } from './lease.ts';
import { ResultDirectory } from './result-directory.ts';
import type { PeerSession } from './state.ts';

/** What is known of a task that has failed and not yet ended. */
export interface FailedTask {
  failures: number;
  crashes: number;
  /** When it may run again; null once it is in `returned` or leased. */
  retryAt: Millis | null;
  /** The Drone on which it failed last; null when that is not known any more. */
  lastDrone: PeerId | null;
  /** When it was due to run again. */
  dueAt?: Millis;
  /** Processes that were lost with it; it runs alone if there were any. */
  losses: number;
}

/** A range of tasks that were, or may have been, running on processes that were lost. */
export interface Suspect {
  readonly first: number;
  readonly end: number;
  /** How many processes were lost with it. */
  readonly losses: number;
}

/** How fast one Drone runs this job, learned from its reports. */
export interface Rate {
  /** Milliseconds of one slot per task. */
  millisPerTask: number;
  /** The longest lease that has been tried; doubled as long as leases end early. */
  lengthCap: number;
}

/** A client that reads this job's results. */
export interface Subscription {
  readonly session: SessionNumber;
  order: 'seq' | 'index';
  /** The last seq sent, or the next index to send. */
  cursor: number;
  /** Bytes that may be sent; any positive credit admits one page. */
  credit: number;
  /** The cursor stands at the start of a page, so that the next one is found by its first index. */
  isAligned: boolean;
  /** When it was opened first, or sent a page last. */
  movedAt: Millis;
  /** `last` was sent. */
  isDone: boolean;
}

/** Shared by all jobs that have none. */
const NOTHING: readonly never[] = [];
const NO_LABELS: Readonly<Record<string, string>> = {};

export class Job implements HeapEntry {
  readonly id: JobId;
  readonly spec: Spec;
  /** The lease of the task that has submitted it; null for a client's, and after a restart of the Queen. */
  submittedUnder: LeaseNumber | null = null;
  readonly kind: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly priority: number;
  readonly weight: number;
  /** Jobs with the same requirement fit the same Drones. */
  readonly requirement: string;
  /** Order of submission. */
  readonly order: number;
  readonly submittedAt: Millis;
  readonly isAttached: boolean;
  readonly isHidden: boolean;
  /** Its tasks have nothing to do with one another. */
  readonly isOfCalls: boolean;
  readonly owner: PeerId;

  // Durable, written by apply.ts alone.
  state: JobState = 'waiting';
  appended = 0;
  isSealed = false;
  readonly recorded = new IntervalSet();
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  /** Sequence number of the newest result page. */
  seq = 0;
  endedAt: Millis | null = null;
  /** When it was last retried; its time limits count from then. */
  reopenedAt: Millis | null = null;
  message: string | null = null;
  /** Its values could not be folded: what came of that. */
  failure: FoldFailure | null = null;
  /** Tasks below this may have been leased before a restart. */
  mark = 0;
  /**
   * Tasks from `first` on, up to the next entry, wait since `at`. There is an entry for 0. Null without a queue time limit,
   * and once the job has ended.
   */
  queuedSince: readonly { readonly first: number; readonly at: Millis }[] | null;
  /** The result page with its value: what its results were folded into, or what a task has ended it with. */
  valueSeq: number | null = null;
  /** What is left to fold, in a reduced job. */
  readonly folds: Folds | null;
  /** What depends on what, in a graph job. */
  readonly graph: TaskGraph | null;
  readonly inputs = new InputDirectory();
  readonly results = new ResultDirectory();

  // Not durable.
  nextFresh = 0;
  readonly returned = new IntervalSet();
  /** Tasks that wait to run again in leases of their own, because their Drone's process was lost. */
  suspects: readonly Suspect[] = NOTHING;
  suspectTasks = 0;
  /** More than one live lease may cover a task (after an adoption); makes giving back cost a look at all leases. */
  hasOverlaps = false;
  /** Virtual time: slot time used so far over weight. */
  virtualTime = 0;
  heapPosition = -1;
  ownerSession: SessionNumber | null = null;
  /** Who has submitted it and left it to itself, until it ends. */
  leftBy: PeerSession | null = null;
  /** Input credit that the owner has left, and what it will be told of at the end of the turn, in bytes. */
  inputCredit = 0;
  creditDue = 0;
  isCountDue = false;
  /** Result bytes recorded that its owner has not been sent. */
  unreadBytes = 0;
  abandonDeadline: Deadline | null = null;
  retryDeadline: Deadline | null = null;
  /** When a fold that failed is tried again. */
  foldDeadline: Deadline | null = null;
  /** Of the whole job, and of the tasks that wait in its queue. */
  deadline: Deadline | null = null;
  queueDeadline: Deadline | null = null;
  /** Tasks that wait again, by the time at which that began, the earliest first; kept only for a queue time limit. */
  queuedAgain: { readonly at: Millis; readonly tasks: IntervalSet }[] | null = null;
  /** When the last of the jobs that come first had ended, as far as that is known after a restart. */
  runnableAt: Millis = 0;
  firstLeaseAt: Millis | null = null;
  /** Tasks in live leases. */
  running = 0;
  /** The Drone whose slots are kept for this wide job as they fall free. */
  reservedOn: DroneState | null = null;
  /** The Drone that is kept until it is empty, for a suspect that must run alone. */
  keptOn: DroneState | null = null;

  // Made when they are first needed: a hundred thousand jobs that wait cost no more than they must.
  #failedTasks: Map<number, FailedTask> | null = null;
  #failedIndices: IntervalSet | null = null;
  #cancelledIndices: IntervalSet | null = null;
  #streams: Map<number, number> | null = null;
  #held: IntervalSet | null = null;
  #leases: Set<Lease> | null = null;
  #lost: Set<Lease> | null = null;
  #rates: Map<PeerId, Rate> | null = null;
  #knownBy: Set<DroneState> | null = null;
  #subscriptions: Map<SessionNumber, Subscription> | null = null;
  /** How often its ownership has changed hands: whoever takes it over one day writes a higher one, and a lower one is void. */
  nodeEpoch = 1;
  #waitsFor: Map<JobId, 'success' | 'end'> | null = null;
  #dependents: Set<Job> | null = null;

  constructor(id: JobId, spec: Spec, owner: PeerId, order: number, at: Millis) {
    this.id = id;
    this.spec = spec;
    this.kind = spec.kind;
    this.labels = spec.labels ?? NO_LABELS;
    this.slots = spec.slots ?? 1;
    this.priority = spec.priority ?? 0;
    this.weight = spec.weight ?? 1;
    this.requirement = requirementOf(spec);
    this.order = order;
    this.submittedAt = at;
    this.isAttached = spec.attached !== false;
    this.isOfCalls = spec.hidden === true;
    this.isHidden = this.isOfCalls || spec.parent !== undefined;
    this.owner = owner;
    this.queuedSince = spec.queueTimeoutMillis === undefined ? null : [{ first: 0, at }];
    this.folds = spec.reduce === undefined ? null : new Folds();
    this.graph = spec.graph === undefined ? null : new TaskGraph();
  }

  get failedTasks(): Map<number, FailedTask> {
    this.#failedTasks ??= new Map();
    return this.#failedTasks;
  }
  /** Tasks whose outcome is a failure (not: cancelled). */
  get failedIndices(): IntervalSet {
    this.#failedIndices ??= new IntervalSet();
    return this.#failedIndices;
  }
  /** Tasks that were cancelled one by one. */
  get cancelledIndices(): IntervalSet {
    this.#cancelledIndices ??= new IntervalSet();
    return this.#cancelledIndices;
  }
  /** Inputs larger than a page holds, by index, in bytes. */
  get streams(): Map<number, number> {
    this.#streams ??= new Map();
    return this.#streams;
  }
  /** After a restart: tasks that may be running on Drones that have not come back yet. */
  get held(): IntervalSet {
    this.#held ??= new IntervalSet();
    return this.#held;
  }
  get leases(): Set<Lease> {
    this.#leases ??= new Set();
    return this.#leases;
  }
  /** Leases of lost Drones whose successes still count. */
  get lost(): Set<Lease> {
    this.#lost ??= new Set();
    return this.#lost;
  }
  get rates(): Map<PeerId, Rate> {
    this.#rates ??= new Map();
    return this.#rates;
  }
  get knownBy(): Set<DroneState> {
    this.#knownBy ??= new Set();
    return this.#knownBy;
  }
  get subscriptions(): Map<SessionNumber, Subscription> {
    this.#subscriptions ??= new Map();
    return this.#subscriptions;
  }
  /** Jobs that must end first, and those that wait for this one. */
  get waitsFor(): Map<JobId, 'success' | 'end'> {
    this.#waitsFor ??= new Map();
    return this.#waitsFor;
  }
  get dependents(): Set<Job> {
    this.#dependents ??= new Set();
    return this.#dependents;
  }
  /** Nothing of this job is with a Drone: empty lists go, to be made again when they are needed. */
  rest(): void {
    if (this.#leases?.size === 0) this.#leases = null;
    if (this.#lost?.size === 0) this.#lost = null;
    if (this.#knownBy?.size === 0) this.#knownBy = null;
    if (this.#subscriptions?.size === 0) this.#subscriptions = null;
    if (this.#waitsFor?.size === 0) this.#waitsFor = null;
    if (this.#dependents?.size === 0) this.#dependents = null;
  }
  /** It has ended: what only a job that runs needs goes. Ten thousand that have ended cost no more than they must, either. */
  endRun(): void {
    this.#rates = null;
    this.#held = null;
    this.#lost = null;
    this.#waitsFor = null;
    if (this.leftBy !== null) this.leftBy.jobsLeft--;
    this.leftBy = null;
    this.returned.clear();
  }
  /** None of its tasks is known to have failed before. */
  forgetFailedTasks(): void {
    this.#failedTasks = null;
  }
  /** What is known of a Drone's speed. */
  rateOf(drone: PeerId): Rate | undefined {
    return this.#rates?.get(drone);
  }
  /** Its lost leases, and the jobs that it waits for or that wait for it, without making the lists. */
  get lostLeases(): Iterable<Lease> {
    return this.#lost ?? NOTHING;
  }
  get firstJobs(): Iterable<JobId> {
    return this.#waitsFor?.keys() ?? NOTHING;
  }
  get hasDependents(): boolean {
    return this.#dependents !== null && this.#dependents.size > 0;
  }
  /** Whether there is any of these, without making them. */
  get isHeld(): boolean {
    return this.#held !== null && !this.#held.isEmpty;
  }
  get isWaitingForOthers(): boolean {
    return this.#waitsFor !== null && this.#waitsFor.size > 0;
  }
  get hasStreams(): boolean {
    return this.#streams !== null && this.#streams.size > 0;
  }
  get hasReaders(): boolean {
    return this.#subscriptions !== null && this.#subscriptions.size > 0;
  }
  get failedCount(): number {
    return this.#failedTasks?.size ?? 0;
  }

  get isActive(): boolean {
    return this.state === 'waiting' || this.state === 'running';
  }
  /** Tasks that could be leased now. */
  get readyTasks(): number {
    return this.returned.size + this.suspectTasks + this.appended - this.nextFresh;
  }
  /** Unread results hold an attached job back; so do too many tasks waiting for a retry. */
  get isHeldBack(): boolean {
    return this.isAttached && this.unreadBytes > LIMITS.resultBytesHeldMax;
  }
  get isReady(): boolean {
    if (!this.isActive || this.isWaitingForOthers) return false;
    return (this.folds !== null && this.folds.ready > 0) || this.hasReadyTasks;
  }
  get hasReadyTasks(): boolean {
    if (this.readyTasks === 0) return false;
    if (this.isHeldBack) return this.lowestIsReady;
    return this.returned.size + this.suspectTasks > 0 || this.failedCount < LIMITS.retryingTasksMax;
  }
  /** The lowest task without an outcome; an ordered reader needs it next. */
  get lowestUnrecorded(): number {
    return this.recorded.has(0) ? this.recorded.stretchEnd(0, this.appended) : 0;
  }
  get lowestIsReady(): boolean {
    const lowest = this.lowestUnrecorded;
    if (this.returned.has(lowest) || (lowest >= this.nextFresh && lowest < this.appended)) return true;
    return this.suspects.some(({ first, end }) => lowest >= first && lowest < end);
  }
  /** Fresh tasks that have an outcome already (cancelled one by one, or adopted) are passed over. */
  skipRecorded(): void {
    while (this.nextFresh < this.appended && this.recorded.has(this.nextFresh)) {
      this.nextFresh = this.recorded.stretchEnd(this.nextFresh, this.appended);
    }
  }
  get counts(): Counts {
    return {
      appended: this.appended,
      succeeded: this.succeeded,
      failed: this.failed,
      cancelled: this.cancelled,
      running: this.running,
    };
  }
  get label(): string {
    return this.spec.name ?? this.kind;
  }
}

const requirements = new WeakMap<Spec, string>();
function requirementOf(spec: Spec): string {
  let requirement = requirements.get(spec);
  if (requirement === undefined) {
    requirement = JSON.stringify([spec.kind, spec.slots ?? 1, Object.entries(spec.labels ?? {}).sort()]);
    requirements.set(spec, requirement);
  }
  return requirement;
}

/** A spec with its keys sorted, as text; bytes as their numbers. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Uint8Array) return { bytes: [...inner] };
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
