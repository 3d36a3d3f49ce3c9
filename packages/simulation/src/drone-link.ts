/**
 * A simulated Drone's connection with one Queen: it dials again when it is gone. It mirrors link.ts of packages/drone.
 *
 * States: `resting` (waits before it dials), `greeting` (Hello is said), `open`, and none once its process was killed.
 */
import type { AgentEvent } from '@hive/drone';
import {
  helloOf,
  LIMITS,
  type Message,
  type PeerId,
  redialDelay,
  Session,
  type SessionNumber,
} from '@hive/shared';
import { Connection } from './connection.ts';
import type { DroneOptions } from './drone.ts';
import type { Wire } from './network.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { describe } from './trace.ts';
import type { World } from './world.ts';

export interface LinkHost {
  readonly options: DroneOptions;
  readonly process: Process;
  readonly random: Random;
  readonly peer: PeerId;
  /** What it can do beyond the first version. */
  readonly capabilities: readonly string[];
  newSession(link: DroneLink): SessionNumber;
  say(event: AgentEvent): void;
  /** A job of this link's Queen is known from now on. */
  jobGiven(job: string, link: DroneLink): void;
}

export class DroneLink {
  readonly number: number;
  readonly world: World;
  readonly #host: LinkHost;
  #connection: Connection | null = null;
  session: SessionNumber | null = null;
  #attempts = 0;

  constructor(number: number, world: World, host: LinkHost) {
    this.number = number;
    this.world = world;
    this.#host = host;
  }

  get wire(): Wire | null {
    return this.#connection?.end.wire ?? null;
  }
  read(isReading: boolean): void {
    this.#connection?.end.read(isReading);
  }
  /** The kernel closes its socket. */
  destroy(): void {
    this.#connection?.end.destroy();
  }

  send(message: Message): void {
    if (this.#connection === null) return;
    const { process, options } = this.#host;
    this.world.auditor.droneSaid(process, message);
    this.world.trace.add(options.name, () => `> ${describe(message, this.world.nameOf)}`);
    this.#connection.send(message);
  }

  close(code: Message<'Goodbye'>['code'] & string, message: string): void {
    if (this.#connection === null) return;
    const { auditor, trace } = this.world;
    const { name } = this.#host.options;
    trace.add(name, `closes: ${message}`);
    if (code === 'protocolError') auditor.fail(`${name} blames the Queen: ${message}`);
    if (code === 'silent' && auditor.isCalm)
      auditor.fail(`${name} takes the Queen for lost without a reason`);
    if (code === 'silent') this.#connection.destroy(null);
    else this.#connection.farewell({ type: 'Goodbye', code, message });
  }

  /** It has drained. */
  leave(): void {
    this.#connection?.farewell({ type: 'Goodbye', message: 'drained' });
    this.#connection = null;
  }

  dial(): void {
    const { process, options, peer, capabilities } = this.#host;
    const end = this.world.network.dial();
    if (end === null) {
      this.#rest();
      return;
    }
    end.isReading = !process.isFrozen;
    const connection: Connection = new Connection(end, new Session('queen'), {
      message: (message) => process.run(() => this.#receive(connection, message)),
      heard: () => process.run(() => this.#heard(connection)),
      closed: () => process.run(() => this.#closed(connection)),
    });
    this.#connection = connection;
    const { name, slots, kinds, labels } = options;
    connection.send(helloOf({ role: 'drone', peer, name, slots, kinds, labels, capabilities }));
    process.after(LIMITS.handshakeMillis, () => {
      if (connection.session.state === 'greeting') connection.destroy(null);
    });
  }

  #rest(): void {
    const { process, random } = this.#host;
    process.after(redialDelay(this.#attempts++, random.next()), () => this.dial());
  }

  #receive(connection: Connection, message: Message): void {
    if (connection !== this.#connection) return;
    const { process } = this.#host;
    if (message.type === 'Welcome') {
      connection.session.open();
      const session = this.#host.newSession(this);
      this.session = session;
      this.#attempts = 0;
      this.#host.say({ type: 'sessionOpened', session, link: this.number, welcome: message });
    } else if (this.session !== null) {
      if (message.type === 'JobSpec') this.#host.jobGiven(message.job, this);
      if (message.type === 'TaskAssign') this.world.auditor.assigned(process, message);
      if (message.type === 'CancelTask') this.world.auditor.cancelledOn(process, message);
      this.#host.say({ type: 'messageReceived', session: this.session, message });
    }
  }

  #heard(connection: Connection): void {
    if (connection !== this.#connection || this.session === null) return;
    this.#host.say({ type: 'sessionHeard', session: this.session });
  }

  #closed(connection: Connection): void {
    if (connection !== this.#connection) return;
    const { session } = this;
    this.#connection = null;
    this.session = null;
    if (session !== null) this.#host.say({ type: 'sessionClosed', session });
    this.#rest();
  }
}
