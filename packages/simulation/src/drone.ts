/**
 * A simulated Drone: the real Agent in a process that can be frozen, cut off or killed, with simulated slots and a link
 * that dials again. It mirrors runtime.ts and link.ts of packages/drone, and decides as little as they do.
 *
 * States of its link: `resting` (waits before it dials), `greeting` (Hello is said), `open`, and none once it was killed.
 */
import { Agent, type AgentEffect, type AgentEvent } from '@hive/drone';
import {
  helloOf,
  LIMITS,
  type Message,
  type PeerId,
  redialDelay,
  Session,
  type SessionNumber,
  sessionNumber,
} from '@hive/shared';
import { Connection } from './connection.ts';
import type { Wire } from './network.ts';
import type { JobPlan } from './plan.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import { SimSlot, type SlotHost } from './slots.ts';
import { describe } from './trace.ts';
import type { Timer } from './virtual-time.ts';
import type { World } from './world.ts';

export interface DroneOptions {
  readonly name: string;
  readonly slots: number;
  readonly kinds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export class SimDrone implements SlotHost {
  readonly options: DroneOptions;
  readonly process: Process;
  readonly random: Random;
  readonly peer: PeerId;
  readonly slots: SimSlot[] = [];
  readonly #world: World;
  readonly #agent: Agent;
  #connection: Connection | null = null;
  #session: SessionNumber | null = null;
  #sessionsMade = 0;
  #attempts = 0;
  #timer: Timer | null = null;
  readonly #inbox: AgentEvent[] = [];
  #isStepping = false;

  constructor(world: World, options: DroneOptions) {
    this.#world = world;
    this.options = options;
    this.random = world.random.fork();
    this.peer = this.random.hex(32) as PeerId;
    this.process = new Process(options.name, world.time);
    world.auditor.processStarted(this.process, options.slots);
    this.process.onReading = (isReading) => this.#connection?.end.read(isReading);
    this.#agent = new Agent({ slots: options.slots, kinds: options.kinds });
    for (let n = 0; n < options.slots; n++) this.slots.push(new SimSlot(n, this));
    this.#dial();
  }

  get auditor() {
    return this.#world.auditor;
  }
  planOf(job: string): JobPlan {
    return this.#world.planOf(job);
  }

  /** Nothing runs, and there is a session. */
  get isIdle(): boolean {
    return this.#session !== null && this.slots.every((slot) => slot.isIdle);
  }

  /** What it is connected by now. */
  get wire(): Wire | null {
    return this.#connection?.end.wire ?? null;
  }

  /** The process is killed: the kernel closes its socket, and nothing of it is left. */
  kill(): void {
    if (!this.process.isAlive) return;
    for (const slot of this.slots) slot.vanish();
    this.process.kill();
    this.#world.time.cancel(this.#timer);
    this.#connection?.end.destroy();
    this.#world.auditor.processKilled(this.process);
  }
  /** It is told to finish what runs and go. */
  drain(): void {
    this.process.run(() => this.say({ type: 'drainRequested' }));
  }

  /** The way into the agent, for slots and sessions alike. */
  say(event: AgentEvent): void {
    if (!this.process.isAlive) return;
    this.#inbox.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      for (const effect of this.#agent.step(next, this.#world.time.now)) this.#perform(effect);
    }
    this.#isStepping = false;
    this.#arm();
  }

  #perform(effect: AgentEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.session, effect.message);
        break;
      case 'close':
        this.#close(effect.session, effect.code, effect.message);
        break;
      case 'report':
        break;
      case 'drained':
        this.#drained();
        break;
      // The slots of the simulation have no outputs over 1 MiB.
      case 'serveOutput':
      case 'dropOutputs':
        break;
      default:
        this.slots[effect.slot]!.obey(effect);
    }
  }

  #send(session: SessionNumber, message: Message): void {
    if (session !== this.#session || this.#connection === null) return;
    this.#world.auditor.droneSaid(this.process, message);
    this.#world.trace.add(this.options.name, `> ${describe(message, this.#world.nameOf)}`);
    this.#connection.send(message);
  }

  #close(session: SessionNumber, code: Message<'Goodbye'>['code'] & string, message: string): void {
    if (session !== this.#session || this.#connection === null) return;
    this.#world.trace.add(this.options.name, `closes: ${message}`);
    if (code === 'protocolError')
      this.#world.auditor.fail(`${this.options.name} blames the Queen: ${message}`);
    if (code === 'silent' && this.#world.auditor.isCalm)
      this.#world.auditor.fail(`${this.options.name} takes the Queen for lost without a reason`);
    if (code === 'silent') this.#connection.destroy(null);
    else this.#connection.farewell({ type: 'Goodbye', code, message });
  }

  #drained(): void {
    this.#world.trace.add(this.options.name, 'has drained and goes');
    this.#connection?.farewell({ type: 'Goodbye', message: 'drained' });
    this.#connection = null;
    for (const slot of this.slots) slot.vanish();
    this.#world.auditor.processKilled(this.process);
    this.process.kill();
  }

  #arm(): void {
    this.#world.time.cancel(this.#timer);
    const at = this.#agent.nextDeadline();
    this.#timer =
      at === null
        ? null
        : this.process.after(Math.max(0, at - this.#world.time.now), () => this.say({ type: 'tick' }));
  }

  // The link

  #rest(): void {
    this.process.after(redialDelay(this.#attempts++, this.random.next()), () => this.#dial());
  }

  #dial(): void {
    const end = this.#world.network.dial();
    if (end === null) {
      this.#rest();
      return;
    }
    end.isReading = !this.process.isFrozen;
    const connection: Connection = new Connection(end, new Session('queen'), {
      message: (message) => this.process.run(() => this.#receive(connection, message)),
      heard: () => this.process.run(() => this.#heard(connection)),
      closed: () => this.process.run(() => this.#closed(connection)),
    });
    this.#connection = connection;
    const { name, slots, kinds, labels } = this.options;
    connection.send(helloOf({ role: 'drone', peer: this.peer, name, slots, kinds, labels }));
    this.process.after(LIMITS.handshakeMillis, () => {
      if (connection.session.state === 'greeting') connection.destroy(null);
    });
  }

  #receive(connection: Connection, message: Message): void {
    if (connection !== this.#connection) return;
    if (message.type === 'Welcome') {
      connection.session.open();
      const session = sessionNumber(++this.#sessionsMade);
      this.#session = session;
      this.#attempts = 0;
      this.say({ type: 'sessionOpened', session, link: 1, welcome: message });
    } else if (this.#session !== null) {
      if (message.type === 'TaskAssign') this.#world.auditor.assigned(this.process, message);
      if (message.type === 'CancelTask') this.#world.auditor.cancelledOn(this.process, message);
      this.say({ type: 'messageReceived', session: this.#session, message });
    }
  }

  #heard(connection: Connection): void {
    if (connection !== this.#connection || this.#session === null) return;
    this.say({ type: 'sessionHeard', session: this.#session });
  }

  #closed(connection: Connection): void {
    if (connection !== this.#connection) return;
    const session = this.#session;
    this.#connection = null;
    this.#session = null;
    if (session !== null) this.say({ type: 'sessionClosed', session });
    this.#rest();
  }
}
