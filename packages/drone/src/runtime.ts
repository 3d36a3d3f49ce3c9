/**
 * The Drone's process: feeds the agent with what sockets and slots say, carries out its effects, and owns its one timer.
 * It decides nothing about work. The main thread never runs a task.
 */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import {
  helloOf,
  type LeaseNumber,
  LIMITS,
  type Message,
  type PeerId,
  type QueenId,
  type SessionNumber,
  sessionNumber,
  UsageError,
} from '@hive/shared';
import {
  type Access,
  type Address,
  describeMessage,
  formatAddress,
  formatKey,
  PeerKey,
  type PortRange,
  wholeValue,
} from '@hive/shared/node';
import debug from 'debug';
import { Accepted } from './accepted.ts';
import { Agent } from './agent/agent.ts';
import type { AgentEffect, AgentEvent, DroneCounters } from './agent/events.ts';
import type { Display } from './agent/journal.ts';
import { BlobCache } from './blobs/cache.ts';
import { BlobPuller } from './blobs/puller.ts';
import { Guardian } from './commands/guardian.ts';
import { type DroneConfig, type DroneOptions, readOptions } from './config.ts';
import { DialBacks } from './dial-backs.ts';
import type { DroneEnd, DroneEvent } from './events.ts';
import { isSameAddress, Link, type LinkHost } from './link.ts';
import { OutputServer } from './output-server.ts';
import { LastWill } from './sandbox/last-will.ts';
import { displayValue } from './slots/display.ts';
import { defaultMemory } from './slots/memory.ts';
import { OutputFiles } from './slots/output-files.ts';
import type { QueenWay } from './slots/pass.ts';
import { Slot } from './slots/slot.ts';
import { describeEvent, describeOrder } from './slots/trace.ts';

const log = debug('hive:drone:runtime');
const logMessage = debug('hive:drone:message');
const logSlot = debug('hive:drone:slot');
const wholeOf: Display = ({ encoding }, value) => wholeValue(encoding, value);
/** A timer for longer would fire at once. */
const TIMER_MILLIS_MAX = 2 ** 31 - 1;
/** Bytes that may wait for a Queen before she is told no more of what commands print. */
const PRINTED_BYTES_MAX = LIMITS.sendBufferSoft / 4;

/** A running Drone. */
export interface Drone {
  /** The identity of this process, as Queens know it. */
  readonly peer: PeerId;
  readonly name: string;
  readonly slots: number;
  readonly counters: DroneCounters;
  /** Slots that run something now. */
  readonly busySlots: number;
  /** Resolves when it has ended and holds no thread, timer or socket any more; never rejects. */
  readonly closed: Promise<DroneEnd>;
  /** More Queens may be listed now: dials those that it does not know yet. */
  lookAgain(): void;
  /**
   * Ends it. With `drain`, what runs is finished and its results are acknowledged first; a second call without it ends
   * that. Resolves like `closed`.
   */
  stop(options: { readonly drain: boolean }): Promise<DroneEnd>;
}

/**
 * Starts a Drone: dials the Queens and works for them until it is stopped.
 * @throws UsageError when the options make no sense
 */
export function startDrone(options: DroneOptions): Drone {
  return new DroneRuntime(readOptions(options));
}

class DroneRuntime implements Drone, LinkHost {
  readonly peer: PeerId;
  readonly closed: Promise<DroneEnd>;
  readonly #config: DroneConfig;
  readonly #agent: Agent;
  readonly #slots: Slot[] = [];
  readonly #openSlot: (number: number) => void;
  readonly #outputs = new OutputFiles();
  readonly #outputServer = new OutputServer(this.#outputs);
  readonly #blobs: BlobPuller;
  readonly #queenOf = new Map<SessionNumber, QueenId>();
  readonly #guardian: Guardian;
  /** Ends what sandboxes hold if this process is killed. */
  readonly #lastWill: LastWill | null;
  readonly #links = new Set<Link>();
  readonly #accepted: Accepted;
  readonly #dialBacks = new DialBacks((queen, lease) => this.#sendTo(queen, { type: 'DialBack', lease }));
  #linksMade = 0;
  #sessionsMade = 0;
  readonly #bySession = new Map<SessionNumber, Link>();
  /** Events that came while another was being stepped. */
  readonly #inbox: AgentEvent[] = [];
  #isStepping = false;
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #orphanTimer: NodeJS.Timeout | null = null;
  #isEnding = false;
  #isLingerDue = false;
  /** Whether anybody listens; asked once. */
  readonly #tracesMessages = logMessage.enabled;
  readonly #tracesSlots = logSlot.enabled;
  #resolve: (end: DroneEnd) => void = () => {};

  constructor(config: DroneConfig) {
    this.#config = config;
    this.peer = config.peer;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const { slots, kinds, kindModules, slotHeapMiB: heapMiB, sandbox, tasks, tasksOnly } = config;
    this.#lastWill = sandbox === null ? null : new LastWill(sandbox);
    const whole = config.showValues ? { whole: wholeOf } : {};
    const before = config.predecessor === undefined ? {} : { predecessor: config.predecessor };
    this.#agent = new Agent({ slots, kinds, display: displayValue, ...whole, ...before });
    log('starts: peer %s, %d slots, kinds %s', this.peer, slots, kinds.join(' '));
    this.#guardian = new Guardian(this.#outputs.folder, slots * (LIMITS.nestedLevels + 1));
    const cache = new BlobCache(join(this.#outputs.folder, 'blobs'), config.blobBytesMax);
    this.#blobs = new BlobPuller(cache, (queen, get) => this.#sendTo(queen, get));
    const slotOptions = {
      kindModules,
      outputs: this.#outputs,
      guardian: this.#guardian,
      ...(sandbox === null ? {} : { sandbox: { ...sandbox, runs: this.#outputs.folder } }),
      mayTell: () => this.#mayTell(),
      blobs: this.#blobs,
      wayTo: (queen: QueenId, lease: LeaseNumber) => this.#wayTo(queen, lease),
      ...(tasks === null ? {} : { tasks }),
      tasksOnly,
      ...(heapMiB === undefined ? {} : { heapMiB }),
      memory: defaultMemory(slots),
    };
    this.#openSlot = (n) => {
      this.#slots[n] = new Slot(n, slotOptions, (event) => this.#feed(event));
    };
    for (let n = 0; n < slots; n++) this.#openSlot(n);
    this.#watchOrphan();
    const isForTask = (socket: Socket) => this.#dialBacks.take(socket);
    this.#accepted = new Accepted(this, () => ++this.#linksMade, isForTask);
    if (config.listen !== undefined) void this.#listen(config.listen);
    if (config.queens !== undefined) this.#addLink();
  }

  get name(): string {
    return this.#config.name;
  }
  get slots(): number {
    return this.#config.slots;
  }
  get busySlots(): number {
    let busy = 0;
    for (const slot of this.#slots) if (slot.isBusy) busy++;
    // Spare slots run what comes while others wait.
    return Math.min(busy, this.slots);
  }
  get counters(): DroneCounters {
    return this.#agent.counters;
  }

  stop({ drain }: { readonly drain: boolean }): Promise<DroneEnd> {
    if (!drain) this.#end({ how: 'stopped' });
    else if (!this.#isEnding) {
      this.tell({ type: 'draining' });
      this.#feed({ type: 'drainRequested' });
    }
    return this.closed;
  }

  lookAgain(): void {
    // Without a session it looks again anyway.
    if (this.#bySession.size === 0 || this.#isEnding) return;
    void this.#dialOthers().catch((error) => log('no Queens are listed: %s', (error as Error).message));
  }

  // What links say

  hello(): Message<'Hello'> {
    const { name, slots, kinds, labels } = this.#config;
    return helloOf({ role: 'drone', peer: this.peer, name, slots, kinds, labels, capabilities: ['turns'] });
  }

  access(): Access {
    return this.#config.access();
  }

  /** One link per Queen: a link whose address is not listed any more takes over one that has none. */
  async findAddress(link: Link): Promise<void> {
    const listed = (await this.#config.queens?.()) ?? [];
    if (this.#isEnding) return;
    const isTaken = (address: Address) =>
      [...this.#links].some((other) => other !== link && isSameAddress(other.address, address));
    const spare = listed.filter((address) => !isTaken(address));
    const own = spare.find((address) => isSameAddress(link.address, address)) ?? spare[0] ?? null;
    if (own === null && listed.length > 0 && this.#links.size > 1) {
      this.#removeLink(link);
      return;
    }
    // A link that finds nothing listed goes on where it was: lists may be empty for a moment.
    link.address = own ?? link.address;
    for (const address of spare) if (address !== own && !isTaken(address)) this.#addLink(address);
  }

  newSession(): SessionNumber {
    return sessionNumber(++this.#sessionsMade);
  }

  opened(link: Link, session: SessionNumber, welcome: Message<'Welcome'>): void {
    this.#bySession.set(session, link);
    this.#watchOrphan();
    const number = link.isAccepted ? this.#accepted.opened(link, session, welcome.queen) : link.number;
    this.#queenOf.set(session, welcome.queen);
    this.#feed({ type: 'sessionOpened', session, link: number, welcome });
    // After the Holdings: what the Queen is to give, she gives to who runs her leases.
    this.#blobs.opened(welcome.queen);
    this.lookAgain();
  }

  received(session: SessionNumber, message: Message): void {
    if (this.#tracesMessages) logMessage('session %d -> %s', session, describeMessage(message));
    const queen = this.#queenOf.get(session);
    if (message.type === 'BlobChunk' && queen !== undefined) {
      this.#feed({ type: 'sessionHeard', session });
      this.#blobs.arrived(queen, message);
    } else this.#feed({ type: 'messageReceived', session, message });
  }

  drained(session: SessionNumber): void {
    this.#outputServer.drained(session);
  }

  ended(session: SessionNumber, isElsewhere: boolean): void {
    this.#bySession.delete(session);
    this.#queenOf.delete(session);
    this.#outputServer.ended(session);
    this.#watchOrphan();
    this.#feed({ type: 'sessionClosed', session });
    // Which Queen a dormant link would reach is not known, so any end that is not its own wakes it.
    if (!isElsewhere) for (const link of this.#links) link.wake();
  }

  left(link: Link): void {
    this.#accepted.left(link);
  }

  rejected(link: Link, { code, message }: Message<'Reject'>): void {
    if (link.isAccepted) return;
    if (code !== 'badVersion' && code !== 'badRole' && code !== 'badMagic') return;
    const where = link.address === null ? 'the Queen' : `the Queen at ${formatAddress(link.address)}`;
    if (this.#links.size > 1) {
      this.#removeLink(link);
      return;
    }
    const error = new UsageError(`This Drone was refused by ${where}: ${message}`, code);
    this.#end({ how: 'rejected', error });
  }

  tell(event: DroneEvent): void {
    this.#config.onEvent?.(event);
  }

  // The agent

  #feed(event: AgentEvent): void {
    if (this.#isEnding) return;
    this.#inbox.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) this.#step(next);
    } finally {
      this.#isStepping = false;
    }
    this.#setTimer();
  }

  #step(event: AgentEvent): void {
    if (event.type === 'slotReady') this.tell(event);
    if (this.#tracesSlots && 'slot' in event) logSlot('%d: %s', event.slot, describeEvent(event));
    for (const effect of this.#agent.step(event, performance.now())) this.#perform(effect);
  }

  #perform(effect: AgentEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.session, effect.message);
        break;
      case 'close':
        log('session %d is closed: %s', effect.session, effect.message);
        this.#bySession.get(effect.session)?.closeSession(effect.code, effect.message);
        break;
      case 'report':
        this.tell(effect.event);
        break;
      case 'drained':
        this.#end({ how: 'drained' });
        break;
      case 'serveOutput': {
        const link = this.#bySession.get(effect.session);
        if (link !== undefined) this.#outputServer.serve(link, effect);
        break;
      }
      case 'openSlot':
        this.#openSlot(effect.slot);
        break;
      case 'dropOutputs':
        for (const file of effect.files) this.#outputs.drop(file);
        break;
      default:
        if (this.#tracesSlots) logSlot('%d is told: %s', effect.slot, describeOrder(effect));
        this.#slots[effect.slot]?.obey(effect);
        if (effect.type === 'startLease' && effect.end === 1) this.#lingerSoon(effect.slot);
    }
  }

  #send(session: SessionNumber, message: Message): void {
    if (this.#tracesMessages) logMessage('session %d <- %s', session, describeMessage(message));
    this.#bySession.get(session)?.send(message);
  }

  /** False: there is no session with her. */
  #sendTo(queen: QueenId, message: Message): boolean {
    let isSent = false;
    for (const [session, other] of this.#queenOf) {
      if (other !== queen) continue;
      this.#send(session, message);
      isSent = true;
    }
    return isSent;
  }

  /** For a task that submits work. Its thread gets a Drone's key, never the secret itself. Rejects with an Error. */
  async #wayTo(queen: QueenId, lease: LeaseNumber): Promise<QueenWay> {
    for (const [session, other] of this.#queenOf) {
      const link = this.#bySession.get(session);
      if (other !== queen || link?.address == null) continue;
      const address = link.isAccepted
        ? await this.#dialBacks.doorFor(queen, lease, link.address.host)
        : formatAddress(link.address);
      const access = this.#config.access();
      if (access.kind === 'insecure') return { queen: address, key: null, isForced: access.isForced };
      const { key } = access;
      const own = key.secret === null ? key : PeerKey.from(key.secret, 'drone', key.keyId);
      return { queen: address, key: formatKey(own), isForced: false };
    }
    throw new Error('There is no session with the Queen at this moment.');
  }

  /** After what came in with this task has been dealt with: if it is all there is to do, its end is worth waiting for. */
  #lingerSoon(slot: number): void {
    if (this.#isLingerDue) return;
    this.#isLingerDue = true;
    setImmediate(() => {
      this.#isLingerDue = false;
      if (!this.#slots.some((other) => other.isBusy && other.number !== slot)) this.#slots[slot]?.linger();
    });
  }

  /** What commands print goes out only while there is room: results and heartbeats come first. */
  #mayTell(): boolean {
    for (const link of this.#links) if (link.bufferedBytes > PRINTED_BYTES_MAX) return false;
    return true;
  }

  /** A timer that fires too early costs nothing, so it is moved only to an earlier time. */
  #setTimer(): void {
    const next = this.#agent.nextDeadline();
    if (next === null || this.#isEnding || next >= this.#timerAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerAt = next;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.ceil(next - performance.now())));
  }

  #tick(): void {
    const firedAt = this.#timerAt;
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    for (const [session, link] of this.#bySession) {
      // The agent hears whole messages; a long one that is still coming in is no silence.
      if (firedAt - link.heardAt < LIMITS.heartbeatMillis) this.#feed({ type: 'sessionHeard', session });
    }
    this.#feed({ type: 'tick' });
  }

  // Links and the end

  async #dialOthers(): Promise<void> {
    const listed = (await this.#config.queens?.()) ?? [];
    for (const address of listed) {
      if (this.#isEnding) return;
      if (![...this.#links].some((link) => isSameAddress(link.address, address))) this.#addLink(address);
    }
  }

  #addLink(address: Address | null = null): void {
    const link = new Link(++this.#linksMade, this);
    link.address = address;
    this.#links.add(link);
    void link.start();
  }

  async #listen(range: PortRange): Promise<void> {
    try {
      this.tell({ type: 'listening', address: await this.#accepted.listen(range) });
    } catch (error) {
      this.#end({ how: 'deaf', error: error as Error });
    }
  }

  #removeLink(link: Link): void {
    this.#links.delete(link);
    void link.end(null);
    this.#feed({ type: 'linkRemoved', link: link.number });
  }

  /** Starts the clock of being without a Queen, or stops it. */
  #watchOrphan(): void {
    const { orphanTimeoutMillis } = this.#config;
    if (orphanTimeoutMillis === undefined) return;
    if (this.#bySession.size > 0 || this.#isEnding) {
      if (this.#orphanTimer !== null) clearTimeout(this.#orphanTimer);
      this.#orphanTimer = null;
      return;
    }
    this.#orphanTimer ??= setTimeout(
      () => {
        const error = new UsageError(`No Queen answered for ${orphanTimeoutMillis} ms.`, 'orphaned');
        this.#end({ how: 'orphaned', error });
      },
      Math.min(orphanTimeoutMillis, TIMER_MILLIS_MAX),
    );
  }

  #end(end: DroneEnd): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#orphanTimer !== null) clearTimeout(this.#orphanTimer);
    this.#blobs.close();
    const links = [...this.#links].map((link) => link.end(null));
    const slots = this.#slots.map((slot) => slot.close());
    void Promise.all([...links, ...slots, this.#accepted.close(), this.#dialBacks.close()])
      .then(() => this.#guardian.close())
      .then(() => this.#lastWill?.close())
      .then(() => this.#outputs.close())
      .then(() => {
        this.tell({ type: 'stopped', end });
        this.#resolve(end);
      });
  }
}
