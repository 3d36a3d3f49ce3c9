/**
 * Clients and Drones that talk to a scheduler without sockets, as chance has it, over any store. Time is the driver's. For
 * tests of the store: it looks into the scheduler's state to say things that make sense, where a real peer remembers.
 */
import {
  type ClientToQueen,
  type DroneToQueen,
  type Failure,
  jobId,
  type Outcome,
  PageBuilder,
  peerId,
  type SessionNumber,
  type Spec,
  sessionNumber,
} from '@hive/shared';
import { type Lease, Scheduler, type SchedulerEvent, type Send } from '../scheduler/index.ts';
import type { Store } from '../store/store.ts';
import { type Projection, projection } from './projection.ts';

export interface DriverOptions {
  readonly store: Store;
  readonly epoch: number;
  readonly startedAt: number;
  /** A number in [0, 1). */
  readonly chance: () => number;
}
/** How many client and Drone identities there are. */
const PEERS = 3;

export class Driver {
  readonly scheduler: Scheduler;
  readonly store: Store;
  readonly #chance: () => number;
  readonly #sessions = new Map<SessionNumber, { readonly isDrone: boolean; readonly peer: number }>();
  #next = 1;
  now: number;
  /** What was said after the last commit, and what waits for the next one. */
  readonly said: Send[] = [];
  #waiting: Send[] = [];
  /** The durable projection as of the last commit. */
  committed: Projection;

  constructor({ store, epoch, startedAt, chance }: DriverOptions) {
    this.store = store;
    this.#chance = chance;
    this.now = startedAt;
    this.scheduler = new Scheduler({
      queen: 'a'.repeat(32),
      incarnation: String(epoch).padStart(16, '0'),
      epoch,
      name: 'queen',
      store: 'sqlite',
      isDurable: true,
      startedAt,
      formatTime: (at) => new Date(at).toISOString(),
      chance,
    });
    const { append } = this.scheduler.recover(store.recover(), this.now);
    this.committed = projection(this.scheduler.state);
    store.keep(append);
  }

  /** Does one thing, chosen by chance. */
  act(): void {
    const act = this.#pick(ACTS)!;
    act(this);
    this.step({ type: 'settled' });
  }

  step(event: SchedulerEvent): void {
    const { append, afterCommit, now, close } = this.scheduler.step(event, this.now);
    this.store.keep(append);
    this.#waiting.push(...afterCommit);
    // The bytes of an assignment are read when it is made.
    for (const { inputs } of now) if (inputs !== undefined) this.store.readInputs(inputs);
    for (const { session } of close) this.#sessions.delete(session);
  }

  async commit(): Promise<void> {
    const sends = this.#waiting;
    this.#waiting = [];
    const after = projection(this.scheduler.state);
    await this.store.commit();
    this.committed = after;
    for (const send of sends) {
      const { results } = send;
      if (results !== undefined) this.store.readResults(results.job, results.seq);
      this.said.push(send);
    }
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.#chance() * end);
  }
  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)];
  }

  pass(): void {
    this.now += this.below(20) === 0 ? 70_000 * this.#chance() : 2_500 * this.#chance();
    this.step({ type: 'timePassed' });
    // Those that are connected are alive.
    this.step({ type: 'bytesHeard', sessions: [...this.#sessions.keys()] });
  }

  join(isDrone: boolean): void {
    const peer = this.below(PEERS);
    const session = sessionNumber(this.#next++);
    const id = peerId((isDrone ? 'd' : 'c').repeat(31) + peer);
    for (const [old, known] of this.#sessions)
      if (known.isDrone === isDrone && known.peer === peer) this.#sessions.delete(old);
    this.#sessions.set(session, { isDrone, peer });
    this.step({
      type: 'peerJoined',
      session,
      hello: {
        type: 'Hello',
        magic: 'hive',
        protocolMin: 1,
        protocolMax: 1,
        role: isDrone ? 'drone' : 'client',
        peer: id,
        name: `${isDrone ? 'drone' : 'client'} ${peer}`,
        capabilities: [],
        ...(isDrone ? { slots: 2, kinds: ['echo'] } : {}),
      },
      address: 'here',
      sessionId: '0'.repeat(32),
      key: { generation: 1, role: isDrone ? 'drone' : 'node', keyId: `${isDrone ? 'd' : 'c'}${peer}` },
    });
    if (!isDrone) return;
    this.#say(session, { type: 'Holdings', leases: [] });
    this.#say(session, { type: 'TaskRequest', slots: 2 });
  }

  leave(): void {
    const session = this.#pick([...this.#sessions.keys()]);
    if (session === undefined) return;
    this.#sessions.delete(session);
    this.step({ type: 'sessionClosed', session, reason: 'it left' });
  }

  submit(): void {
    const session = this.#client();
    if (session === undefined) return;
    const kept: Spec = {
      kind: 'echo',
      encoding: 'msgpack',
      attached: this.below(2) === 0,
      backoffMillis: 900,
    };
    const isRange = this.below(4) === 0;
    const spec: Spec = {
      ...kept,
      ...(isRange ? { range: { start: 0, step: 1, count: this.below(40) } } : {}),
      ...(this.below(3) === 0
        ? { params: { bytes: new Uint8Array([1, 2, this.below(256)]), text: 'ä\u0000' } }
        : {}),
      ...(this.below(6) === 0 ? { hidden: true } : {}),
      ...(this.below(4) === 0 ? { queueTimeoutMillis: this.below(2) === 0 ? 90 : 60_000 } : {}),
      ...(this.below(8) === 0 ? { haltOn: { failures: 3 } } : {}),
      ...(this.below(4) === 0 ? { graph: this.below(2) === 0 ? 'failChildren' : 'runChildren' } : {}),
    };
    const { graph, ...foldable } = spec;
    if (graph === undefined && this.below(3) === 0) {
      this.#submit(session, { ...foldable, reduce: { op: 'count' } });
      return;
    }
    this.#submit(session, spec);
  }

  #submit(session: SessionNumber, spec: Spec): void {
    const digits = this.below(2 ** 40)
      .toString(16)
      .padStart(12, '0');
    this.#say(session, { type: 'Submit', job: jobId(`01890000-0000-7000-8000-${digits}`), spec });
  }

  append(): void {
    const job = this.#pick(this.#open());
    if (job === undefined) return;
    const count = 1 + this.below(6);
    const page = this.#values(job.appended, count);
    const streams = this.below(6) === 0 ? [{ index: page.first, bytes: 2_000_000 }] : [];
    this.#say(job.ownerSession!, {
      type: 'Append',
      job: job.id,
      ...page,
      ...(streams.length === 0 ? {} : { streams }),
      ...(job.graph === null ? {} : { parents: this.#parents(page.first, count) }),
    });
    if (this.below(3) === 0) this.#say(job.ownerSession!, { type: 'Seal', job: job.id, count: job.appended });
  }

  /** A Drone reports the next few tasks of a lease. */
  report(): void {
    const lease = this.#pick([...this.scheduler.state.leases.values()].filter(({ open }) => open > 0));
    if (lease === undefined) return;
    if (lease.job.folds !== null) {
      this.#reportFolded(lease);
      return;
    }
    const run = Math.min(lease.runAt(lease.done), lease.open);
    const count = 1 + this.below(run);
    const first = lease.indexAt(lease.done);
    const failures = this.#failures(first, count);
    const ended = lease.done + count === lease.end || this.below(4) === 0;
    this.#say(lease.drone.session, {
      type: 'TaskComplete',
      lease: lease.number,
      at: lease.done,
      ...this.#values(first, count, new Set(failures.map(({ index }) => index))),
      ...(failures.length === 0 ? {} : { failures }),
      busyMicros: 100,
      ...(ended ? { ended: true, ...(requests(lease) ? { request: true } : {}) } : {}),
    });
  }

  /** Of a reduced job: a fold, one value for some tasks, or failures only. */
  #reportFolded(lease: Lease): void {
    const count = lease.fold === null ? 1 + this.below(Math.min(lease.runAt(lease.done), lease.open)) : 1;
    const first = lease.indexAt(lease.done);
    const isFailed = this.below(6) === 0;
    const failures = Array.from({ length: isFailed ? count : 0 }, (_, i) => ({
      index: first + i,
      outcome: 'failed' as const,
      message: 'no',
    }));
    const data = new Uint8Array(isFailed ? 0 : 1 + this.below(5));
    const isFinish = !isFailed && lease.fold === null && count === 1 && this.below(20) === 0;
    const reduced = !isFailed && lease.fold === null && !isFinish;
    const ended = lease.done + count === lease.end || this.below(4) === 0;
    this.#say(lease.drone.session, {
      type: 'TaskComplete',
      lease: lease.number,
      at: lease.done,
      first,
      count,
      sizes: data.length,
      data,
      ...(isFailed ? { failures } : {}),
      ...(reduced ? { reduced } : {}),
      ...(isFinish ? { finish: true } : {}),
      busyMicros: 100,
      ...(ended ? { ended: true, ...(requests(lease) ? { request: true } : {}) } : {}),
    });
  }

  read(): void {
    const job = this.#pick(this.#known().filter(({ ownerSession }) => ownerSession !== null));
    if (job === undefined) return;
    const isFirst = !job.subscriptions.has(job.ownerSession!);
    const order = this.below(2) === 0 ? ('seq' as const) : ('index' as const);
    const received = job.subscriptions.get(job.ownerSession!)?.cursor;
    this.#say(job.ownerSession!, {
      type: 'ResultCredit',
      job: job.id,
      bytes: this.below(2_000),
      ...(isFirst ? { order, after: 0 } : {}),
      ...(isFirst || received === undefined
        ? {}
        : { received: this.below(2) === 0 ? received : this.below(received + 1) }),
    });
  }

  manage(): void {
    const session = this.#client();
    const job = this.#pick(this.#known());
    if (session === undefined || job === undefined) return;
    const request = this.#next++;
    if (job.isActive) {
      const indices = this.below(3) === 0 ? {} : { indices: [this.below(job.appended + 1)] };
      this.#say(session, { type: 'Cancel', request, job: job.id, ...indices });
      return;
    }
    const action = this.below(3) === 0 ? ('gc' as const) : ('retry' as const);
    this.#say(session, { type: 'Manage', request, action, job: job.id });
  }

  /** Now and then, the key of one of them; it comes back with another. */
  revoke(): void {
    const session = this.#client();
    if (session === undefined || this.below(4) > 0) return;
    const key = this.below(2) === 0 ? `d${this.below(PEERS)}` : `x${this.below(100)}`;
    this.#say(session, { type: 'Manage', request: this.#next++, action: 'revokeKey', key });
  }

  #failures(first: number, count: number): Failure[] {
    const outcomes: readonly Outcome[] = ['failed', 'failed', 'timedOut', 'crashed', 'cancelled'];
    const failures: Failure[] = [];
    for (let index = first; index < first + count; index++) {
      if (this.below(4) > 0) continue;
      const more = this.below(2) === 0 ? { code: 'bad' } : { retryable: false };
      failures.push({ index, outcome: this.#pick(outcomes)!, message: `no ${this.#next++}`, ...more });
    }
    return failures;
  }

  /** Of every task: how many parents it has, then these. */
  #parents(first: number, count: number): number[] {
    const lists: number[] = [];
    for (let task = first; task < first + count; task++) {
      const parents = new Set<number>();
      for (let k = this.below(4); k > 0 && task > 0; k--) parents.add(this.below(task));
      lists.push(parents.size, ...parents);
    }
    return lists;
  }

  #values(first: number, count: number, empty: ReadonlySet<number> = new Set()) {
    const builder = new PageBuilder(first);
    const size = this.below(5);
    for (let i = first; i < first + count; i++)
      builder.push(new Uint8Array(empty.has(i) ? 0 : this.below(3) === 0 ? this.below(9) : size).fill(i));
    return builder.take();
  }

  #known() {
    return [...this.scheduler.state.jobs.values()];
  }
  #open() {
    return this.#known().filter((job) => job.ownerSession !== null && job.isActive && !job.isSealed);
  }
  #client(): SessionNumber | undefined {
    return this.#pick([...this.#sessions].filter(([, { isDrone }]) => !isDrone).map(([session]) => session));
  }
  #say(session: SessionNumber, message: ClientToQueen | DroneToQueen): void {
    this.step({ type: 'messageReceived', session, message });
  }
}

/** Its place is free again, unless another lease waits for it. */
const requests = (lease: Lease): boolean => lease.state === 'running' && lease.next === null;

/** What may happen, the frequent more often. */
const ACTS: readonly ((driver: Driver) => unknown)[] = [
  (driver) => driver.join(driver.below(2) === 0),
  (driver) => driver.below(3) === 0 && driver.leave(),
  (driver) => driver.submit(),
  (driver) => driver.submit(),
  (driver) => driver.append(),
  (driver) => driver.append(),
  (driver) => driver.append(),
  (driver) => driver.report(),
  (driver) => driver.report(),
  (driver) => driver.report(),
  (driver) => driver.report(),
  (driver) => driver.read(),
  (driver) => driver.read(),
  (driver) => driver.read(),
  (driver) => driver.report(),
  (driver) => driver.manage(),
  (driver) => driver.revoke(),
  (driver) => driver.pass(),
];
