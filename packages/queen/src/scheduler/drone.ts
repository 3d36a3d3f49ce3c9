/**
 * What the scheduler knows of a connected Drone, and the profiles that make a cluster of thousands of like Drones cost
 * no more to search than one: Drones with the same kinds and labels share a profile.
 */
import type { JobId, LeaseNumber, Millis, PeerId, SessionNumber } from '@hive/shared';
import type { Deadline } from './deadlines.ts';
import type { Job } from './job.ts';
import type { Lease } from './lease.ts';
import type { Told } from './waiting-work.ts';

export class DroneState {
  readonly peer: PeerId;
  readonly session: SessionNumber;
  readonly name: string;
  readonly address: string;
  readonly slots: number;
  readonly profile: Profile;
  readonly joinedAt: Millis;
  /** It works for several Queens, and shares its slots by what they say of waiting work. */
  readonly takesTurns: boolean;
  /** Slots that the Drone has asked work for and that have no lease yet. */
  credit = 0;
  /** Its Holdings have arrived. */
  hasReported = false;
  /** It asked for no more work, or was told that it gets none. */
  isDraining = false;
  /** Its send buffer is full: it gets no more work. */
  isClogged = false;
  /** A suspect that runs alone here; nothing else is given out until it has ended. */
  solitary: Lease | null = null;
  /** A job whose suspects wait for this Drone to be empty. */
  keptFor: Job | null = null;
  /** Tasks that failed here in a row and succeeded elsewhere. */
  provenFailures = 0;
  isQuarantined = false;
  quarantine: Deadline | null = null;
  readonly leases = new Map<LeaseNumber, Lease>();
  /** Jobs whose spec it has been sent in this session. */
  readonly knownJobs = new Map<JobId, Job>();
  tasksDone = 0;
  /** Reports for leases that it does not hold; counted, never asserted. */
  staleReports = 0;
  /** Tasks done per second, averaged over about ten seconds. */
  readonly throughput = new Throughput();

  constructor(
    fields: Pick<
      DroneState,
      'peer' | 'session' | 'name' | 'address' | 'slots' | 'profile' | 'joinedAt' | 'takesTurns'
    >,
  ) {
    this.peer = fields.peer;
    this.session = fields.session;
    this.name = fields.name;
    this.address = fields.address;
    this.slots = fields.slots;
    this.profile = fields.profile;
    this.joinedAt = fields.joinedAt;
    this.takesTurns = fields.takesTurns;
  }

  get mayGetWork(): boolean {
    return (
      this.hasReported && !this.isDraining && !this.isClogged && !this.isQuarantined && this.solitary === null
    );
  }
  /** Keeps the profile's set of Drones with free places right; called after every change of credit or of the above. */
  update(): void {
    if (this.credit > 0 && this.mayGetWork) this.profile.free.add(this);
    else this.profile.free.delete(this);
  }
  /** Slots with a running lease, as far as the Queen knows. */
  get busySlots(): number {
    let busy = 0;
    for (const lease of this.leases.values()) if (lease.state !== 'waiting') busy += lease.job.slots;
    return Math.min(busy, this.slots);
  }
}

/** Drones with the same kinds, labels and number of slots. */
export class Profile {
  /** Slots of each Drone. */
  readonly slotsEach: number;
  readonly kinds: ReadonlySet<string>;
  readonly labels: Readonly<Record<string, string>>;
  /** Connected Drones of this profile, and the sum of their slots. */
  readonly drones = new Set<DroneState>();
  slots = 0;
  /** Drones with free places, the one that has waited longest first. */
  readonly free = new Set<DroneState>();
  /** Running leases that are expected to end soon and have none waiting behind them. */
  readonly short = new Set<Lease>();
  /** Drones that are to know whether work waits for them, and what they were told. */
  readonly sharing = new Set<DroneState>();
  told: Told = { slots: 0, at: Number.NEGATIVE_INFINITY };
  readonly #fits = new Map<string, boolean>();

  constructor(kinds: readonly string[], labels: Readonly<Record<string, string>>, slotsEach: number) {
    this.slotsEach = slotsEach;
    this.kinds = new Set(kinds);
    this.labels = labels;
  }

  static key(kinds: readonly string[], labels: Readonly<Record<string, string>>, slotsEach: number): string {
    return JSON.stringify([[...kinds].sort(), Object.entries(labels).sort(), slotsEach]);
  }

  /** Whether its Drones may run a job. */
  fits(job: Pick<Job, 'kind' | 'labels' | 'slots' | 'requirement'>): boolean {
    const known = this.#fits.get(job.requirement);
    if (known !== undefined) return known;
    const fits =
      this.kinds.has(job.kind) &&
      job.slots <= this.slotsEach &&
      Object.entries(job.labels).every(([label, value]) => this.labels[label] === value);
    if (this.#fits.size < 10_000) this.#fits.set(job.requirement, fits);
    return fits;
  }
}

const WINDOW_MILLIS = 10_000;
/** An exponentially weighted rate of events. */
export class Throughput {
  #perMilli = 0;
  #at: Millis = 0;

  add(count: number, now: Millis): void {
    this.#decay(now);
    this.#perMilli += count / WINDOW_MILLIS;
  }
  /** Events per second. */
  perSecond(now: Millis): number {
    this.#decay(now);
    return Math.round(this.#perMilli * 1000);
  }
  #decay(now: Millis): void {
    if (now <= this.#at) return;
    this.#perMilli *= Math.exp((this.#at - now) / WINDOW_MILLIS);
    this.#at = now;
  }
}
