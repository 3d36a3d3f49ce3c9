/**
 * A scheduler alone on a stage: no sockets, no store, time is the test's. Peers say what the test tells them to; what was
 * said to them is looked at. A restart replays the records of before.
 */
import {
  type ClientToQueen,
  type DroneToQueen,
  type JobId,
  type KeyIdentity,
  LIMITS,
  type Message,
  type MessageType,
  type PeerId,
  peerId,
  type Role,
  type SessionNumber,
  type Spec,
  sessionNumber,
} from '@hive/shared';
import { type Job, Scheduler, type SchedulerEvent, type Send, type StoreRecord } from '../scheduler/index.ts';

export class Stage {
  scheduler: Scheduler;
  now = 0;
  readonly log: StoreRecord[] = [];
  /** What was said and not taken yet. */
  readonly said: Send[] = [];
  readonly #sessions = new Set<SessionNumber>();
  #epoch = 1;
  #next = 1;

  constructor() {
    this.scheduler = this.#open();
  }

  #open(): Scheduler {
    const scheduler = new Scheduler({
      queen: 'a'.repeat(32),
      incarnation: String(this.#epoch).padStart(16, '0'),
      epoch: this.#epoch,
      name: 'queen',
      store: 'sqlite',
      isDurable: true,
      startedAt: this.now,
      formatTime: (at) => new Date(at).toISOString(),
      chance: () => 0.5,
    });
    this.log.push(...scheduler.recover([...this.log], this.now).append);
    return scheduler;
  }

  /** The Queen is killed and starts again after so many milliseconds. */
  restart(afterMillis = 0): void {
    this.now += afterMillis;
    this.#epoch++;
    this.#sessions.clear();
    this.said.length = 0;
    this.scheduler = this.#open();
  }

  get state(): Scheduler['state'] {
    return this.scheduler.state;
  }
  job(id: JobId): Job {
    return this.state.jobs.get(id)!;
  }

  step(event: SchedulerEvent): void {
    for (const each of [event, { type: 'settled' } as const]) {
      const { append, now, afterCommit, close } = this.scheduler.step(each, this.now);
      this.log.push(...append);
      this.said.push(...now, ...afterCommit);
      for (const { session } of close) this.#sessions.delete(session);
    }
  }

  /** Time passes, deadline by deadline; connected peers are heard all the while. */
  advance(millis: number): void {
    const until = this.now + millis;
    for (let next = this.scheduler.nextDeadline(); next !== null && next <= until; ) {
      this.now = Math.max(this.now, next);
      this.step({ type: 'bytesHeard', sessions: [...this.#sessions] });
      this.step({ type: 'timePassed' });
      next = this.scheduler.nextDeadline();
    }
    this.now = until;
  }

  /** @param task of a task that submits work */
  client(peer: PeerId = peerId('c'.repeat(32)), task?: Message<'Hello'>['task']): SessionNumber {
    return this.join('client', peer, task === undefined ? {} : { task });
  }
  /** A Drone that has said what it holds and asks for work, unless it is told not to. */
  drone({
    slots = 1,
    name = 'd',
    leases = [] as Message<'Holdings'>['leases'],
    asks = true,
    kinds = ['echo'],
    predecessor = null as Message<'Holdings'>['predecessor'] | null,
  } = {}) {
    const session = this.join('drone', peerId(name.repeat(32)), { slots, kinds });
    this.say(session, { type: 'Holdings', leases, ...(predecessor ? { predecessor } : {}) });
    if (asks) this.say(session, { type: 'TaskRequest', slots });
    return session;
  }
  /** Another node, which asks and watches. */
  node(peer: PeerId = peerId('e'.repeat(32))): SessionNumber {
    return this.join('node', peer, {});
  }
  join(role: Role, peer: PeerId, more: Partial<Message<'Hello'>>, key?: KeyIdentity): SessionNumber {
    const session = sessionNumber(this.#next++);
    this.#sessions.add(session);
    const hello: Message<'Hello'> = {
      type: 'Hello',
      magic: 'hive',
      protocolMin: 1,
      protocolMax: 1,
      role,
      peer,
      name: peer.slice(0, 1),
      capabilities: [],
      ...more,
    };
    this.step({
      type: 'peerJoined',
      session,
      hello,
      address: 'here',
      sessionId: '0'.repeat(32),
      ...(key === undefined ? {} : { key }),
    });
    return session;
  }
  /** Its socket closes without a word; `isSilent`: nothing is heard from it any more, and then it is closed. */
  lose(session: SessionNumber): void {
    this.#sessions.delete(session);
    this.step({ type: 'sessionClosed', session, reason: 'it was lost' });
  }

  say(session: SessionNumber, message: ClientToQueen | DroneToQueen): void {
    this.step({ type: 'messageReceived', session, message });
  }
  submit(client: SessionNumber, job: JobId, spec: Partial<Spec> = {}): void {
    const whole: Spec = { kind: 'echo', encoding: 'msgpack', attached: false, retries: 0, ...spec };
    this.say(client, { type: 'Submit', job, spec: whole });
  }
  /** Inputs of a byte each. */
  append(client: SessionNumber, job: JobId, count: number, parents?: readonly number[]): void {
    const first = this.job(job).appended;
    const data = new Uint8Array(count);
    this.say(client, {
      type: 'Append',
      job,
      first,
      count,
      sizes: 1,
      data,
      ...(parents === undefined ? {} : { parents }),
    });
  }
  /** Reports the whole lease, each task with a byte, or as failed; asks for more unless told not to. */
  complete(
    session: SessionNumber,
    { lease, ranges }: Message<'TaskAssign'>,
    { fails = false, request = true } = {},
  ): void {
    let at = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const [first, count] = [ranges[i]!, ranges[i + 1]!];
      const failures = Array.from({ length: fails ? count : 0 }, (_, k) => ({
        index: first + k,
        outcome: 'failed' as const,
        message: 'no',
      }));
      const isLast = i + 2 === ranges.length;
      this.say(session, {
        type: 'TaskComplete',
        lease,
        at,
        first,
        count,
        ...(fails
          ? { sizes: 0, data: new Uint8Array(0), failures }
          : { sizes: 1, data: new Uint8Array(count) }),
        busyMicros: 100,
        ...(isLast ? { ended: true, ...(request ? { request } : {}) } : {}),
      });
      at += count;
    }
  }

  /** The next message of a type that was not taken yet, if there is one. */
  take<T extends MessageType>(type: T): Message<T> | undefined {
    const at = this.said.findIndex(({ message }) => message.type === type);
    return at < 0 ? undefined : (this.said.splice(at, 1)[0]!.message as Message<T>);
  }

  /** For every recorded task, how it ended: `succeeded`, or the outcome with its code. */
  outcomes(job: JobId): string[] {
    const outcomes: string[] = [];
    for (const record of this.log) {
      if (record.type !== 'resultsRecorded' || record.job !== job) continue;
      const { first, count } = record.page;
      for (let index = first; index < first + count; index++) {
        const failure = record.failures.find((one) => one.index === index);
        outcomes[index] =
          failure === undefined ? 'succeeded' : `${failure.outcome} ${failure.code ?? ''}`.trim();
      }
    }
    return outcomes;
  }
}

/** How long Drones of before a restart are awaited, in milliseconds. */
export const GRACE = LIMITS.rejoinMillis;
