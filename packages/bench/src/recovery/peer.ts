/**
 * A peer that speaks the wire itself: it dials without the waiting times of a real one, and a Drone of this kind can do
 * what no real one does. What is measured is the Queen, and not how patient her peers are.
 */
import type { ProcessesAccess } from '@hive/local';
import {
  type ClientToQueen,
  type DroneToQueen,
  helloOf,
  type Message,
  type MessageType,
  Session,
} from '@hive/shared';
import { accessOf, Connection, type Line, openLine, parseAddress, randomPeerId } from '@hive/shared/node';

const REDIAL_MILLIS = 2;
const DIAL_MILLIS = 10_000;
/** A job whose tasks take so long has had its share with its second one, so all others come first. */
const SLOW_MICROS = 1e9;
const HEARTBEAT_MILLIS = 1_000;

export class Peer {
  readonly #connection: Connection;
  readonly #waiting = new Map<MessageType, (message: Message) => void>();
  #heartbeats: NodeJS.Timeout | null = null;
  /** Sees every message that nobody waits for. */
  onMessage: (message: Message) => void = () => {};

  private constructor({ socket, verify }: Line) {
    const session = new Session('queen', verify);
    this.#connection = new Connection(socket, session, {
      message: (message) => {
        if (message.type === 'Welcome') session.open();
        const waiting = this.#waiting.get(message.type);
        this.#waiting.delete(message.type);
        if (waiting === undefined) this.onMessage(message);
        else waiting(message);
      },
      closed: () => {},
    });
  }

  /** A session as a client. Dials until somebody answers. */
  static async client(queen: ProcessesAccess): Promise<Peer> {
    return Peer.#open(queen, { role: 'client' });
  }
  /** A session as a Drone that holds nothing and has not asked for work yet. */
  static async drone(queen: ProcessesAccess, slots: number, kinds: readonly string[]): Promise<Peer> {
    const peer = await Peer.#open(queen, { role: 'drone', slots, kinds });
    peer.send({ type: 'Holdings', leases: [] });
    peer.#heartbeats = setInterval(() => peer.send({ type: 'Heartbeat' }), HEARTBEAT_MILLIS);
    return peer;
  }

  static async #open(
    queen: ProcessesAccess,
    more: Partial<Message<'Hello'>> & { role: 'client' | 'drone' },
  ): Promise<Peer> {
    while (true) {
      const peer = await Peer.#dial(queen, more.role);
      if (peer === null) {
        await new Promise((resolve) => setTimeout(resolve, REDIAL_MILLIS));
        continue;
      }
      const welcome = peer.next('Welcome');
      peer.send(helloOf({ peer: randomPeerId(), name: `bench ${more.role}`, ...more }));
      await welcome;
      return peer;
    }
  }

  static async #dial({ queen, ...options }: ProcessesAccess, role: 'client' | 'drone'): Promise<Peer | null> {
    try {
      return new Peer(await openLine(parseAddress(queen), accessOf(options, role), DIAL_MILLIS));
    } catch {
      return null;
    }
  }

  send(message: DroneToQueen | ClientToQueen | Message<'Hello'>): void {
    this.#connection.send(message);
  }
  next<T extends MessageType>(type: T): Promise<Message<T>> {
    return new Promise((resolve) => this.#waiting.set(type, resolve as (message: Message) => void));
  }
  close(): void {
    if (this.#heartbeats !== null) clearInterval(this.#heartbeats);
    this.#connection.end({ type: 'Goodbye', message: 'measured' });
  }
}

/** A Drone on which the first tasks of every job fail once, and which runs nothing else. */
export class FailingDrone {
  readonly #peer: Peer;
  readonly #failuresPerJob: number;
  readonly #failed = new Map<string, number>();
  #enough = () => {};
  /** Resolves when every job has its failures. */
  readonly isDone = new Promise<void>((resolve) => {
    this.#enough = resolve;
  });
  readonly #wanted: number;
  failures = 0;
  /** Leases that brought tasks of jobs which have failed often enough; a few are no harm. */
  #idle = 0;

  constructor(peer: Peer, failuresPerJob: number, jobs: number) {
    this.#peer = peer;
    this.#failuresPerJob = failuresPerJob;
    this.#wanted = failuresPerJob * jobs;
    peer.onMessage = (message) => {
      if (message.type === 'TaskAssign') this.#fail(message);
    };
  }

  #fail({ lease, job, ranges }: Message<'TaskAssign'>): void {
    const failed = this.#failed.get(job) ?? 0;
    const isIdle = failed === this.#failuresPerJob;
    const first = ranges[0]!;
    if (!isIdle) {
      this.#failed.set(job, failed + 1);
      this.failures++;
    } else this.#idle++;
    this.#peer.send({
      type: 'TaskComplete',
      lease,
      at: 0,
      first,
      count: isIdle ? 0 : 1,
      sizes: 0,
      data: new Uint8Array(0),
      ...(isIdle ? {} : { failures: [{ index: first, outcome: 'failed', message: 'on purpose' }] }),
      busyMicros: SLOW_MICROS,
      ended: true,
      // Asks for more work until it has what it wants, or is only given what it does not want.
      request: this.failures < this.#wanted && this.#idle < this.#wanted,
    });
    if (this.failures === this.#wanted || this.#idle === this.#wanted) this.#enough();
  }
}
