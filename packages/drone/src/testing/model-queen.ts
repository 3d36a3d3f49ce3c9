/**
 * A Queen for property tests, as simple as the protocol allows: gives leases for credit and behind other leases, takes
 * them back, and checks every word of the Drone. What is on its way is on its way: messages are delivered one by one.
 */
import { type Message, type SessionNumber, sessionNumber } from '@hive/shared';
import { JOB } from './agent-driver.ts';

interface ModelLease {
  readonly number: number;
  readonly count: number;
  next: ModelLease | null;
  previous: ModelLease | null;
}
export class ModelQueen {
  credit = 0;
  session: SessionNumber = sessionNumber(0);
  isOpen = false;
  /** Its Holdings were heard in this session. */
  #hasReported = false;
  readonly leases = new Map<number, ModelLease>();
  readonly toDrone: Message[] = [];
  readonly fromDrone: Message[] = [];
  /** What was said of a position, for ever. */
  readonly #reported = new Map<string, string>();
  readonly #ended = new Set<number>();
  /** Tasks of each lease that were reported. */
  readonly #done = new Map<number, number>();
  #count = 0;

  open(): SessionNumber {
    this.session = sessionNumber(this.session + 1);
    this.isOpen = true;
    this.credit = 0;
    this.#hasReported = false;
    this.toDrone.length = 0;
    this.fromDrone.length = 0;
    this.toDrone.push({ type: 'JobSpec', job: JOB, spec: { kind: 'echo', encoding: 'raw' } });
    return this.session;
  }
  close(): void {
    this.isOpen = false;
    this.toDrone.length = 0;
    this.fromDrone.length = 0;
  }

  /** A lease for the credit there is, or behind one that runs; nothing when there is neither. */
  assign(count: number, isBehind: boolean): void {
    if (!this.isOpen || !this.#hasReported) return;
    const ahead = isBehind ? [...this.leases.values()].find(mayBeFollowed) : undefined;
    if (ahead === undefined && this.credit < 1) return;
    const lease: ModelLease = { number: ++this.#count, count, next: null, previous: ahead ?? null };
    this.leases.set(lease.number, lease);
    if (ahead === undefined) this.credit--;
    else ahead.next = lease;
    const ranges = [lease.number * 1_000, count];
    const behind = ahead === undefined ? {} : { behind: ahead.number as never };
    const data = new Uint8Array(count);
    this.toDrone.push({
      type: 'TaskAssign',
      lease: lease.number as never,
      job: JOB,
      ranges,
      sizes: 1,
      data,
      ...behind,
    });
  }

  retract(nth: number, end: number): void {
    const lease = this.#nth(nth);
    if (lease !== undefined) this.toDrone.push({ type: 'Retract', lease: lease.number as never, end });
  }
  cancel(nth: number, index: number | undefined): void {
    const lease = this.#nth(nth);
    if (lease === undefined) return;
    const task = index === undefined ? {} : { index: lease.number * 1_000 + index };
    this.toDrone.push({ type: 'CancelTask', lease: lease.number as never, reason: 'test', ...task });
  }

  /** One message of the Drone arrives. */
  hear(): void {
    const message = this.fromDrone.shift();
    if (message?.type === 'TaskRequest') this.credit += message.slots;
    else if (message?.type === 'TaskComplete') this.#completed(message);
    else if (message?.type === 'Retracted' && message.end === 0) this.#remove(message.lease, false);
    else if (message?.type === 'Holdings') this.#held(message);
  }

  #completed(message: Message<'TaskComplete'>): void {
    const { lease, at, count, data, ended, request = false } = message;
    const done = this.#done.get(lease) ?? 0;
    if (at > done) throw new Error(`lease ${lease} leaves out positions ${done} to ${at}`);
    this.#done.set(lease, Math.max(done, at + count));
    for (let i = 0; i < count; i++) {
      const said =
        Buffer.from(data.subarray(i * 4, i * 4 + 4)).toString('hex') + JSON.stringify(message.failures ?? []);
      const key = `${lease}:${at + i}`;
      if ((this.#reported.get(key) ?? said) !== said)
        throw new Error(`${key} was reported twice, differently`);
      this.#reported.set(key, said);
    }
    if (count > 0) this.toDrone.push({ type: 'ResultAck', leases: [lease, at + count] });
    if (ended) this.#remove(lease, request);
  }

  #remove(number: number, asksForMore: boolean): void {
    const lease = this.leases.get(number);
    if (lease === undefined) return;
    if (this.#ended.has(number)) throw new Error(`lease ${number} ended twice`);
    this.#ended.add(number);
    this.leases.delete(number);
    if (lease.previous !== null) lease.previous.next = lease.next;
    if (lease.next !== null) lease.next.previous = lease.previous;
    else if (asksForMore) this.credit++;
  }

  /** What the Drone does not hold any more has ended there; the rest goes on. */
  #held({ leases }: Message<'Holdings'>): void {
    this.#hasReported = true;
    const held = new Set<number>(leases.map(({ lease }) => lease));
    for (const lease of this.leases.values()) {
      lease.next = null;
      lease.previous = null;
      if (!held.has(lease.number)) this.leases.delete(lease.number);
    }
  }

  #nth(nth: number): ModelLease | undefined {
    if (!this.isOpen || this.leases.size === 0) return undefined;
    return [...this.leases.values()][nth % this.leases.size];
  }
}

const mayBeFollowed = (lease: ModelLease): boolean => lease.next === null && lease.previous === null;
