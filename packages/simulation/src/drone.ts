/**
 * A simulated Drone: the real Agent in a process that can be frozen, cut off or killed, with simulated slots and a link
 * for each of its Queens. It mirrors runtime.ts of packages/drone, and decides as little as that does.
 */
import { Agent, type AgentEffect, type AgentEvent, type LeaseOrder } from '@hive/drone';
import { type PeerId, type SessionNumber, sessionNumber } from '@hive/shared';
import { DroneLink, type LinkHost } from './drone-link.ts';
import { TaskSession } from './nested/task-session.ts';
import type { Wire } from './network.ts';
import type { JobPlan } from './plan.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import { SharedSlots, type SlotAuditor } from './shared/shared-slots.ts';
import { SimSlot, type SlotHost } from './slots.ts';
import type { Timer } from './virtual-time.ts';
import type { World } from './world.ts';

export interface DroneOptions {
  readonly name: string;
  readonly slots: number;
  readonly kinds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export class SimDrone implements SlotHost, LinkHost {
  readonly options: DroneOptions;
  readonly process: Process;
  readonly random: Random;
  readonly peer: PeerId;
  readonly slots: SimSlot[] = [];
  readonly auditor: SlotAuditor;
  readonly capabilities: readonly string[];
  readonly #world: World;
  readonly #agent: Agent;
  readonly #links: readonly DroneLink[];
  /** Whose each job is. */
  readonly #worldOf = new Map<string, World>();
  /** Sessions of tasks that submit work. */
  readonly #tasks = new Set<TaskSession>();
  readonly #bySession = new Map<SessionNumber, DroneLink>();
  #sessionsMade = 0;
  #timer: Timer | null = null;
  readonly #inbox: AgentEvent[] = [];
  #isStepping = false;

  /** @param worlds one for each Queen that it works for */
  constructor(worlds: readonly [World, ...World[]], options: DroneOptions) {
    const [world] = worlds;
    this.#world = world;
    this.options = options;
    this.random = world.random.fork();
    this.peer = this.random.hex(32) as PeerId;
    this.process = new Process(options.name, world.time);
    this.capabilities = worlds.length > 1 ? ['turns'] : [];
    this.auditor =
      worlds.length > 1 ? new SharedSlots(options.slots, (job) => this.#auditorOf(job)) : world.auditor;
    this.#links = worlds.map((each, n) => new DroneLink(n + 1, each, this));
    for (const each of worlds) each.auditor.processStarted(this.process, options.slots);
    this.process.onReading = (isReading) => {
      for (const link of this.#links) link.read(isReading);
      for (const task of this.#tasks) task.read(isReading);
    };
    this.#agent = new Agent({ slots: options.slots, kinds: options.kinds });
    for (let n = 0; n < options.slots; n++) this.slots.push(new SimSlot(n, this));
    for (const link of this.#links) link.dial();
  }

  /** The way to the Queen of a task that submits work. */
  sessionOf(order: LeaseOrder, index: number): TaskSession {
    const world = this.#worldOf.get(order.job) ?? this.#world;
    const name = `task of ${world.nameOf(order.job)} ${index}`;
    const session = new TaskSession(world, this.process, this.random, order, name);
    this.#tasks.add(session);
    return session;
  }
  sessionOver(session: TaskSession): void {
    this.#tasks.delete(session);
  }

  planOf(job: string): JobPlan {
    return (this.#worldOf.get(job) ?? this.#world).planOf(job);
  }
  #auditorOf(job: string) {
    return (this.#worldOf.get(job) ?? this.#world).auditor;
  }

  /** Nothing runs, and there is a session with every Queen. */
  get isIdle(): boolean {
    return this.#links.every(({ session }) => session !== null) && this.slots.every((slot) => slot.isIdle);
  }

  /** What it is connected by now, with the first of its Queens. */
  get wire(): Wire | null {
    return this.#links[0]!.wire;
  }

  /** The process is killed: the kernel closes its sockets, and nothing of it is left. */
  kill(): void {
    if (!this.process.isAlive) return;
    for (const task of this.#tasks) task.vanish();
    for (const slot of this.slots) slot.vanish();
    this.process.kill();
    this.#world.time.cancel(this.#timer);
    for (const link of this.#links) link.destroy();
    this.#noteKilled();
  }
  #noteKilled(): void {
    for (const { world } of this.#links) world.auditor.processKilled(this.process);
  }
  /** It is told to finish what runs and go. */
  drain(): void {
    this.process.run(() => this.say({ type: 'drainRequested' }));
  }

  newSession(link: DroneLink): SessionNumber {
    const session = sessionNumber(++this.#sessionsMade);
    this.#bySession.set(session, link);
    return session;
  }
  jobGiven(job: string, { world }: DroneLink): void {
    this.#worldOf.set(job, world);
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
        this.#linkOf(effect.session)?.send(effect.message);
        break;
      case 'close':
        this.#linkOf(effect.session)?.close(effect.code, effect.message);
        break;
      case 'report':
        break;
      case 'drained':
        this.#drained();
        break;
      case 'openSlot':
        this.slots.push(new SimSlot(this.slots.length, this));
        if (effect.slot !== this.slots.length - 1)
          this.auditor.fail(`${this.options.name} opens slot ${effect.slot}`);
        break;
      // The slots of the simulation have no outputs over 1 MiB.
      case 'serveOutput':
      case 'dropOutputs':
        break;
      default:
        this.slots[effect.slot]!.obey(effect);
    }
  }

  #linkOf(session: SessionNumber): DroneLink | null {
    const link = this.#bySession.get(session);
    return link?.session === session ? link : null;
  }

  #drained(): void {
    this.#world.trace.add(this.options.name, 'has drained and goes');
    for (const link of this.#links) link.leave();
    for (const slot of this.slots) slot.vanish();
    this.#noteKilled();
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
}
