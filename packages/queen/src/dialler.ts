/**
 * Looks for Drones that wait to be dialled, and dials them: for Drones that cannot reach the Queen while she can reach them.
 *
 * Each port is a target. States: `resting` (nobody was there, or the session ended; left when its time has come), `busy`
 * (dialled, greeting, or in a session; left when the connection is gone). It must never keep two sessions with one Drone:
 * a Drone that is reached by two ways would else end its own session for ever.
 */
import type { Socket } from 'node:net';
import { LIMITS, type Message, type PeerId, ProtocolError, redialDelay } from '@hive/shared';
import { type Address, addressesOf, dial, formatAddress, type PortRange } from '@hive/shared/node';
import debug from 'debug';
import type { Gate } from './handshake.ts';

const log = debug('hive:queen:dialler');
/** A session that stood as long as this was wanted; the next dial need not wait long. */
const STEADY_MILLIS = 1_000;
/** Who is reached by another way, or is no Drone, is left alone for so long. */
const STRANGE_MILLIS = 30_000;
/** All resting targets together are dialled no more often than once in this time. */
const PACE_MILLIS = 10;
/** More dials for tasks of one Drone that have not said Hello are not made: as many as a Drone awaits. */
const TASK_DIALS_MAX = 64;

interface Target {
  readonly address: Address;
  isBusy: boolean;
  attempt: number;
  dueAt: number;
  /** The Drone of its session. */
  peer: PeerId | null;
  /** Dials for tasks of it on which no task has said Hello yet. */
  taskDials: number;
}

export class DroneDialler {
  readonly #targets: readonly Target[];
  readonly #accept: (socket: Socket, gate: Gate) => void;
  readonly #abort = new AbortController();
  readonly #dials = new Set<Promise<void>>();
  /** For tasks that submit work: a Drone that does not answer these keeps no other from being dialled. */
  readonly #dialsBack = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;

  /** Begins at once. @param accept takes a connection on which a Drone will say Hello */
  constructor(ranges: readonly PortRange[], accept: (socket: Socket, gate: Gate) => void) {
    const at = { isBusy: false, attempt: 0, dueAt: 0, peer: null, taskDials: 0 };
    this.#targets = [...addressesOf(ranges)].map((address) => ({ address, ...at }));
    this.#accept = accept;
    this.#next();
  }

  /** Resolves when no dial is under way; sessions are their owner's. */
  async close(): Promise<void> {
    this.#abort.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.all([...this.#dials, ...this.#dialsBack]);
  }

  /**
   * Dials the Drone of a session once more, for a task of its that submits work. If that fails, or there are too many dials
   * under way, the task hears nothing, and is tried again.
   */
  dialBack(drone: PeerId): void {
    const target = this.#targets.find(({ peer }) => peer === drone);
    if (target === undefined || this.#dialsBack.size >= LIMITS.scanAttempts) return;
    if (target.taskDials >= TASK_DIALS_MAX) return;
    target.taskDials++;
    let isOver = false;
    const over = () => {
      if (!isOver) target.taskDials--;
      isOver = true;
    };
    const dialled = this.#dialForTask(target.address, over).catch((error) => {
      over();
      log('%s: %s', formatAddress(target.address), (error as Error).message);
    });
    this.#dialsBack.add(dialled);
    void dialled.finally(() => this.#dialsBack.delete(dialled));
  }

  /** @param over called when a task has said Hello, or nobody will */
  async #dialForTask(address: Address, over: () => void): Promise<void> {
    const { signal } = this.#abort;
    const socket = await dial(address, LIMITS.scanMillis, signal);
    if (signal.aborted) socket.destroy();
    else {
      const refusal = ({ task }: Message<'Hello'>) => {
        over();
        return task === undefined ? new ProtocolError('this connection is for a task', 'replaced') : null;
      };
      this.#accept(socket, { refusal, closed: over });
    }
  }

  /** Dials what is due, so many at once, and sleeps until the next is. */
  #next(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const target of this.#targets) {
      if (target.isBusy) continue;
      if (target.dueAt > now) next = Math.min(next, target.dueAt);
      else if (this.#dials.size < LIMITS.scanAttempts) this.#start(target);
    }
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#next(), Math.ceil(next - now));
    this.#timer.unref();
  }

  #start(target: Target): void {
    target.isBusy = true;
    const dialled = this.#dial(target).catch((error) => {
      log('%s: %s', formatAddress(target.address), (error as Error).message);
      this.#rest(target, 0);
    });
    this.#dials.add(dialled);
    void dialled.finally(() => {
      this.#dials.delete(dialled);
      this.#next();
    });
  }

  async #dial(target: Target): Promise<void> {
    const { signal } = this.#abort;
    const socket = await dial(target.address, LIMITS.scanMillis, signal);
    if (signal.aborted) {
      socket.destroy();
      return;
    }
    const since = performance.now();
    let leastMillis = 0;
    this.#accept(socket, {
      refusal: (hello) => {
        const refusal = this.#refusal(hello);
        if (refusal === null) target.peer = hello.peer;
        else leastMillis = STRANGE_MILLIS;
        return refusal;
      },
      closed: () => {
        if (target.peer !== null && performance.now() - since >= STEADY_MILLIS) target.attempt = 0;
        target.peer = null;
        this.#rest(target, leastMillis);
        this.#next();
      },
    });
  }

  #refusal({ role, peer }: Message<'Hello'>): ProtocolError | null {
    if (role !== 'drone') return new ProtocolError('this Queen dials Drones only', 'badRole');
    const isHere = this.#targets.some((target) => target.peer === peer);
    return isHere ? new ProtocolError('this Drone is reached by another way', 'replaced') : null;
  }

  #rest(target: Target, leastMillis: number): void {
    const resting = this.#targets.reduce((count, { isBusy }) => count + (isBusy ? 0 : 1), 1);
    const delay = Math.max(redialDelay(target.attempt++, Math.random()), leastMillis, resting * PACE_MILLIS);
    target.isBusy = false;
    target.dueAt = performance.now() + delay;
  }
}
