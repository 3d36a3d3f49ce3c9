/**
 * Thousands of Drones' sessions in one process: each dials, secures, greets, asks for work, sends its heartbeats, and dials
 * again by the rule of real Drones when its session ends. They run nothing; what is measured is the Queen.
 */
import type { ProcessesAccess } from '@hive/local';
import { helloOf, LIMITS, type Message, redialDelay, Session } from '@hive/shared';
import { type Access, accessOf, Connection, openLine, parseAddress, randomPeerId } from '@hive/shared/node';

const TICK_MILLIS = 100;

export class Swarm {
  readonly #queen: ProcessesAccess;
  readonly #access: () => Access;
  readonly #drones: SwarmDrone[] = [];
  readonly #timer: NodeJS.Timeout;
  #joined = 0;
  #whenAll: (() => void) | null = null;
  /** Dials that came to nothing. */
  failures = 0;

  constructor({ queen, ...options }: ProcessesAccess) {
    this.#queen = { queen, ...options };
    this.#access = accessOf(options, 'drone');
    this.#timer = setInterval(() => this.#tick(), TICK_MILLIS);
  }

  get joined(): number {
    return this.#joined;
  }

  /** Starts so many; `all` tells when they have joined. */
  grow(count: number): void {
    for (let i = 0; i < count; i++) {
      const drone = new SwarmDrone(this.#queen.queen, this.#access, `swarm-${this.#drones.length}`, {
        joined: () => {
          if (++this.#joined === this.#drones.length) this.#whenAll?.();
        },
        left: () => this.#joined--,
        failed: () => this.failures++,
      });
      this.#drones.push(drone);
      void drone.dial();
    }
  }

  /** Resolves when every one of them has a session. */
  all(): Promise<void> {
    if (this.#joined === this.#drones.length) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenAll = resolve;
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const drone of this.#drones) drone.close();
  }

  #tick(): void {
    const now = performance.now();
    for (const drone of this.#drones) drone.tick(now);
  }
}

interface Watcher {
  joined(): void;
  left(): void;
  failed(): void;
}

class SwarmDrone {
  readonly #queen: string;
  readonly #access: () => Access;
  readonly #name: string;
  readonly #watcher: Watcher;
  readonly #peer = randomPeerId();
  #connection: Connection | null = null;
  #isOpen = false;
  #isClosed = false;
  #attempt = 0;
  #heartbeatMillis: number = LIMITS.heartbeatMillis;
  #redial: NodeJS.Timeout | null = null;

  constructor(queen: string, access: () => Access, name: string, watcher: Watcher) {
    this.#queen = queen;
    this.#access = access;
    this.#name = name;
    this.#watcher = watcher;
  }

  async dial(): Promise<void> {
    try {
      const { socket, verify } = await openLine(
        parseAddress(this.#queen),
        this.#access,
        LIMITS.handshakeMillis,
      );
      if (this.#isClosed) {
        socket.destroy();
        return;
      }
      const session = new Session('queen', verify);
      const connection = new Connection(socket, session, {
        message: (message) => this.#received(session, message),
        closed: () => this.#lost(),
      });
      this.#connection = connection;
      const what = { slots: 1, kinds: ['echo'] };
      connection.send(helloOf({ role: 'drone', peer: this.#peer, name: this.#name, ...what }));
    } catch {
      this.#watcher.failed();
      this.#again();
    }
  }

  tick(now: number): void {
    const connection = this.#connection;
    if (this.#isOpen && connection !== null && now - connection.saidAt >= this.#heartbeatMillis)
      connection.send({ type: 'Heartbeat' });
  }

  close(): void {
    this.#isClosed = true;
    if (this.#redial !== null) clearTimeout(this.#redial);
    this.#connection?.destroy();
  }

  #received(session: Session, message: Message): void {
    if (message.type === 'Heartbeat') this.#heartbeatMillis = message.everyMillis ?? this.#heartbeatMillis;
    if (message.type !== 'Welcome') return;
    session.open();
    this.#isOpen = true;
    this.#attempt = 0;
    this.#heartbeatMillis = message.heartbeatMillis;
    this.#connection!.send({ type: 'Holdings', leases: [] });
    this.#connection!.send({ type: 'TaskRequest', slots: 1 });
    this.#watcher.joined();
  }

  #lost(): void {
    if (this.#isOpen) this.#watcher.left();
    else this.#watcher.failed();
    this.#isOpen = false;
    this.#connection = null;
    this.#again();
  }

  #again(): void {
    if (this.#isClosed) return;
    this.#redial = setTimeout(() => void this.dial(), redialDelay(this.#attempt++, Math.random()));
  }
}
