/**
 * The scheduler's whole state, and the one way to change durable facts: `commit(record)` applies a record and issues it
 * for the store, in that order, in the same breath. Nobody outside this folder holds a reference into it.
 */
import type {
  Failure,
  JobId,
  KeyIdentity,
  LeaseNumber,
  Message,
  Millis,
  PeerId,
  RefusalCode,
  SessionNumber,
  Spec,
} from '@hive/shared';
import { applyRecord } from './apply.ts';
import { type Deadline, Deadlines } from './deadlines.ts';
import { type DroneState, Profile, Throughput } from './drone.ts';
import { canonical, type Job } from './job.ts';
import { LastWords } from './last-words.ts';
import type { Lease } from './lease.ts';
import type { Children, TaskPass } from './nested.ts';
import { News } from './news.ts';
import type { HeardJob, KnownNode, NodeSelf } from './nodes.ts';
import { ReadyJobs } from './ready-jobs.ts';
import {
  type Effects,
  type InputRef,
  type Notice,
  noEffects,
  type ResultRef,
  type StoreRecord,
} from './types.ts';

/** What the runtime tells the scheduler about itself once; all of it is data, so that a replay is exact. */
export interface Identity {
  readonly queen: string;
  readonly incarnation: string;
  readonly epoch: number;
  readonly name: string;
  readonly store: string;
  /** Whether the store outlives the process, so that lease marks are worth keeping. */
  readonly isDurable: boolean;
  /** The scheduler's time at its start. */
  readonly startedAt: Millis;
  /** Turns the scheduler's time into RFC 3339 for people. */
  readonly formatTime: (at: Millis) => string;
  /** A seeded source of numbers in [0, 1). */
  readonly chance: () => number;
}

/** A session whose handshake is done. */
export interface PeerSession {
  readonly session: SessionNumber;
  readonly peer: PeerId;
  readonly role: Message<'Hello'>['role'];
  readonly name: string;
  readonly address: string;
  /** Null where there are no keys. */
  readonly key: KeyIdentity | null;
  heardAt: Millis;
  /** When a whole message was last heard; a long one takes its time on a slow line. */
  messageAt: Millis;
  /** The interval that it was told in Welcome, and by which it is judged. */
  /** The interval by which its silence is judged, and the one that it was told last. */
  heartbeatMillis: Millis;
  toldHeartbeatMillis: Millis;
  readonly silence: Deadline;
  /** The task that has opened it, to submit work; null for everybody else. */
  readonly task: TaskPass | null;
  /** Null for a client. */
  drone: DroneState | null;
  isClogged: boolean;
  /** Jobs that this client submitted or reads. */
  readonly jobs: Set<Job>;
  /** How many jobs that it submitted and does not follow have not ended. */
  jobsLeft: number;
  watch: { readonly everyMillis: number; readonly deadline: Deadline } | null;
  /** Jobs whose tasks' output this client watches. */
  readonly watchedJobs: Set<Job>;
}

/** Under which a session is known as that of a peer. */
export const idOf = ({ role, peer }: Pick<PeerSession, 'role' | 'peer'>): string => `${role} ${peer}`;

/** What happens at the deadlines that belong to the state as a whole. */
type Due = Record<
  'progress' | 'rebalance' | 'rejoin' | 'retention' | 'waiting' | 'nodes' | 'news',
  (now: Millis) => void
>;

/** So many specs are remembered, and only short ones. */
const SHARED_SPECS = 1_000;
const SHARED_SPEC_LENGTH = 4_096;

/** Lease numbers of one opening of the store. */
export const LEASES_PER_EPOCH = 2 ** 32;

export class State {
  readonly identity: Identity;
  readonly deadlines = new Deadlines();
  readonly sessions = new Map<SessionNumber, PeerSession>();
  /** By role and id of the peer: who knows the id of a Drone is not that Drone in another role. */
  readonly sessionOfPeer = new Map<string, PeerSession>();
  readonly profiles = new Map<string, Profile>();
  readonly jobs = new Map<JobId, Job>();
  readonly ready = new ReadyJobs();
  /** Every lease that is live or cancelled but not ended, and the lost ones whose successes still count. */
  readonly leases = new Map<LeaseNumber, Lease>();
  readonly lost = new Map<LeaseNumber, Lease>();
  /** How many of the lost ones there are when they are looked through next. */
  lostLookedAt = 0;
  /** Live leases that may have tasks which were not started: what rebalancing looks at. */
  readonly splittable = new Set<Lease>();
  /** Jobs that have ended, oldest first, until retention removes them. */
  readonly ended = new Set<Job>();
  endedBytes = 0;
  /** Slots that were kept for a wide task are free for others. */
  hasLiftedReservation = false;
  /** Jobs that have ended in this turn: those that wait for them are looked at when it is settled. */
  endedNow: Job[] = [];
  drones = 0;
  slots = 0;
  leaseCount = 0;
  jobCount = 0;
  isStoreLow = false;
  /** What was found to be damaged in the store, for people. */
  storeDamage: string | null = null;
  /** Drones that an operator has drained: they get no work however often they dial, until they are to go on. Durable. */
  readonly drained = new Set<PeerId>();
  /** Drones that are connected, or were when the Queen ended. */
  readonly knownDrones = new Set<PeerId>();
  /** Ids of keys that are not valid any more, and when they were revoked. */
  readonly revokedKeys = new Map<string, Millis>();
  /** This node, if this Queen is part of one; the others that are known; and the newest jobs that those own. */
  self: NodeSelf | null = null;
  readonly nodes = new Map<string, KnownNode>();
  readonly elsewhere = new Map<JobId, HeardJob>();
  /** When the next node that is not heard of is dropped. */
  readonly nodesDeadline: Deadline;
  /** Jobs that other nodes are to hear of. */
  readonly news: News;
  /** After a restart: Drones that are awaited before held tasks are given to others. */
  readonly missingDrones = new Set<PeerId>();
  /** Those among them that have said what they run; what they have finished follows. */
  readonly rejoiningDrones = new Set<PeerId>();
  readonly rejoinDeadline: Deadline;
  /** When the rejoin grace of this start is over. */
  rejoinEndsAt: Millis = 0;
  /** When the next ended job's retention is over. */
  readonly retentionDeadline: Deadline;
  now: Millis = 0;
  effects: Effects = noEffects();
  /** Jobs with something to tell their clients at the end of the turn. */
  readonly dirtyJobs = new Set<Job>();
  readonly dirtyProgress = new Set<Job>();
  readonly progressDeadline: Deadline;
  readonly rebalanceDeadline: Deadline;
  /** When Drones may be told again what waits for them. */
  readonly waitingDeadline: Deadline;
  /** Who watches what a job's tasks print. */
  readonly outputWatchers = new Map<Job, Set<SessionNumber>>();
  /** What running tasks have submitted, by lease. */
  readonly children = new Map<LeaseNumber, Children>();
  readonly acks = new Map<SessionNumber, number[]>();
  readonly throughput = new Throughput();
  /** How processes of Drones have ended that were lost. */
  readonly lastWords = new LastWords();
  /** Things that were counted instead of believed. */
  readonly dropped = { staleReports: 0, duplicateResults: 0 };
  readonly totals = { recorded: 0, leases: 0, retracted: 0, returned: 0, jobs: 0 };

  /** Tasks of a graph job have outcomes. Given by the scheduler, because recording and graphs call each other. */
  readonly graphAdvanced: (job: Job, first: number, count: number, failures: readonly Failure[]) => void;

  constructor(identity: Identity, due: Due, graphAdvanced: State['graphAdvanced']) {
    this.identity = identity;
    this.graphAdvanced = graphAdvanced;
    // Numbers of leases never repeat in the life of a store, so one of an earlier opening is told apart by its number.
    this.leaseCount = (identity.epoch - 1) * LEASES_PER_EPOCH;
    this.rejoinDeadline = this.deadlines.create(due.rejoin);
    this.retentionDeadline = this.deadlines.create(due.retention);
    this.progressDeadline = this.deadlines.create(due.progress);
    this.rebalanceDeadline = this.deadlines.create(due.rebalance);
    this.nodesDeadline = this.deadlines.create(due.nodes);
    this.waitingDeadline = this.deadlines.create(due.waiting);
    this.news = new News(this.deadlines.create(due.news));
  }

  /** The session of a peer in a role, if it has one. */
  sessionOf(role: PeerSession['role'], peer: PeerId): PeerSession | undefined {
    return this.sessionOfPeer.get(idOf({ role, peer }));
  }

  /** The only door for durable facts: applied here and now, durable before any `afterCommit` send that follows. */
  commit(record: StoreRecord): void {
    applyRecord(this, record);
    this.effects.append.push(record);
  }

  send(session: SessionNumber, message: Message, inputs?: InputRef): void {
    this.effects.now.push(inputs === undefined ? { session, message } : { session, message, inputs });
  }
  sendAfterCommit(session: SessionNumber, message: Message, results?: ResultRef): void {
    this.effects.afterCommit.push(
      results === undefined ? { session, message } : { session, message, results },
    );
  }
  close(session: SessionNumber, code: Message<'Goodbye'>['code'] & string, message: string): void {
    this.effects.close.push({ session, goodbye: { type: 'Goodbye', code, message } });
  }
  /** Says no to a request; the session goes on. */
  refuse(
    session: SessionNumber,
    code: RefusalCode,
    message: string,
    about: { readonly job?: JobId; readonly request?: number },
  ): void {
    this.sendAfterCommit(session, { type: 'Refused', ...about, code, message });
  }
  serveBlob(session: SessionNumber, get: Message<'BlobGet'>): void {
    this.effects.blobs.push({ session, get });
  }
  notice(notice: Notice): void {
    this.effects.notices.push(notice);
  }

  profileFor(kinds: readonly string[], labels: Readonly<Record<string, string>>, slotsEach: number): Profile {
    const key = Profile.key(kinds, labels, slotsEach);
    let profile = this.profiles.get(key);
    if (profile === undefined) {
      profile = new Profile(kinds, labels, slotsEach);
      this.profiles.set(key, profile);
    }
    return profile;
  }

  readonly #fittingSlots = new Map<string, number>();
  /** Slots of all connected Drones that may run a job. */
  fittingSlots(job: Job): number {
    let slots = this.#fittingSlots.get(job.requirement);
    if (slots === undefined) {
      slots = 0;
      for (const profile of this.profiles.values()) if (profile.fits(job)) slots += profile.slots;
      this.#fittingSlots.set(job.requirement, slots);
    }
    return slots;
  }
  /** A Drone came or went. */
  dronesChanged(): void {
    this.#fittingSlots.clear();
  }

  readonly #specs = new Map<string, Spec>();
  /** Specs that say the same are one object: a hundred thousand jobs of one program differ only in their inputs. */
  sharedSpec(spec: Spec): Spec {
    const key = canonical(spec);
    const known = this.#specs.get(key);
    if (known !== undefined) return known;
    if (this.#specs.size >= SHARED_SPECS) this.#specs.clear();
    if (key.length <= SHARED_SPEC_LENGTH) this.#specs.set(key, spec);
    return spec;
  }

  /** The job has changed: it may have become ready or ceased to be, and its clients may have to hear of it. */
  touch(job: Job): void {
    this.ready.update(job);
    this.dirtyJobs.add(job);
  }
}
