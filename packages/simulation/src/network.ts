/**
 * The network: byte streams between two ends, as TCP gives them. Bytes come in order, or not at all; never with a hole.
 * They are cut and joined anywhere on the way. A stream may stall (and go on), go dead (nothing ever comes again, and
 * nobody is told), or be cut (what is under way is lost; each end learns of it in its own time, or never).
 *
 * Whoever does not read has his bytes kept at the sender, which is what back-pressure is made from.
 */
import type { Millis } from '@hive/shared';
import type { Random } from './random.ts';
import type { Timer, VirtualTime } from './virtual-time.ts';

export interface EndHandlers {
  data(chunk: Uint8Array): void;
  /** Once. `isClean` is false after a cut. */
  closed(isClean: boolean): void;
  /** What was waiting to be sent has left. */
  drained(): void;
}

/** How the network is now; the faults change it. */
export interface Conditions {
  /** Milliseconds that bytes take at least, and how much of that is left to chance. */
  latencyMillis: number;
  jitterMillis: number;
  /** Bytes that one delivery carries at most. */
  chunkBytesMax: number;
  /** Probability that a delivery is cut somewhere. */
  cutShare: number;
  /** Probability that a connection cannot be made. */
  refusedShare: number;
}

/** After `end`, how long the other end has to close too. */
const LINGER_MILLIS = 1_000;

/** Bytes from one end to the other. */
class Direction {
  readonly #wire: Wire;
  readonly #to: WireEnd;
  readonly #from: WireEnd;
  #queue: Uint8Array[] = [];
  bytes = 0;
  isDead = false;
  #isFinished = false;
  #stalledUntil: Millis = 0;
  #timer: Timer | null = null;

  constructor(wire: Wire, from: WireEnd, to: WireEnd) {
    this.#wire = wire;
    this.#from = from;
    this.#to = to;
  }

  push(bytes: Uint8Array): void {
    if (this.#isFinished || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.bytes += bytes.length;
    this.schedule();
  }
  /** Nothing follows what was pushed. */
  finish(): void {
    this.#isFinished = true;
    this.schedule();
  }
  stall(millis: Millis): void {
    this.#stalledUntil = this.#wire.time.now + millis;
    this.#wire.time.cancel(this.#timer);
    this.#timer = null;
    this.schedule();
  }
  /** What is under way is lost. */
  drop(): void {
    this.#wire.time.cancel(this.#timer);
    this.#timer = null;
    this.#queue = [];
    this.bytes = 0;
    this.isDead = true;
  }

  schedule(): void {
    if (this.#timer !== null || this.isDead || !this.#to.isReading) return;
    if (this.bytes === 0 && !this.#isFinished) return;
    const { time, conditions, random } = this.#wire;
    const stall = Math.max(0, this.#stalledUntil - time.now);
    const delay = conditions.latencyMillis + random.between(0, conditions.jitterMillis);
    this.#timer = time.after(stall + delay, () => this.#deliver());
  }

  #deliver(): void {
    this.#timer = null;
    if (this.isDead || !this.#to.isReading) return;
    if (this.bytes === 0) {
      this.#to.finished();
      return;
    }
    const chunk = this.#take();
    this.#to.handlers.data(chunk);
    if (this.bytes === 0) this.#from.handlers.drained();
    this.schedule();
  }

  /** The next bytes, cut and joined by chance. */
  #take(): Uint8Array {
    const { conditions, random } = this.#wire;
    let count = Math.min(this.bytes, conditions.chunkBytesMax);
    if (random.chance(conditions.cutShare)) count = random.int(1, count);
    if (this.#queue[0]!.length === count) {
      this.bytes -= count;
      return this.#queue.shift()!;
    }
    const chunk = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      const head = this.#queue[0]!;
      const part = Math.min(head.length, count - at);
      chunk.set(head.subarray(0, part), at);
      at += part;
      if (part === head.length) this.#queue.shift();
      else this.#queue[0] = head.subarray(part);
    }
    this.bytes -= count;
    return chunk;
  }
}

/** One end of a connection: a socket. */
export class WireEnd {
  readonly wire: Wire;
  handlers: EndHandlers = { data: () => {}, closed: () => {}, drained: () => {} };
  isReading = true;
  isClosed = false;
  /** Assigned by the wire. */
  out!: Direction;
  in!: Direction;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  get bufferedBytes(): number {
    return this.isClosed ? 0 : this.out.bytes;
  }
  write(bytes: Uint8Array): void {
    if (!this.isClosed) this.out.push(bytes);
  }
  /** Closes after what was written; the other end answers by closing, or is not waited for. */
  end(): void {
    if (this.isClosed) return;
    this.out.finish();
    this.wire.time.after(LINGER_MILLIS, () => this.close(true));
  }
  /** Closes at once; the other end is told, unless the way there is dead. */
  destroy(): void {
    if (this.isClosed) return;
    const { in: incoming, out } = this;
    const isDead = out.isDead;
    incoming.drop();
    out.drop();
    const other = this.wire.other(this);
    if (!isDead) this.wire.time.after(this.wire.conditions.latencyMillis, () => other.close(false));
    this.close(false);
  }
  /** The other end has sent all it had. */
  finished(): void {
    if (this.isClosed) return;
    this.out.finish();
    this.close(true);
  }
  close(isClean: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handlers.closed(isClean);
  }
  read(isReading: boolean): void {
    this.isReading = isReading;
    if (isReading) this.in.schedule();
  }
}

/** A connection. `a` has dialled, `b` was dialled. */
export class Wire {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly conditions: Conditions;
  readonly a: WireEnd;
  readonly b: WireEnd;

  constructor(time: VirtualTime, random: Random, conditions: Conditions) {
    this.time = time;
    this.random = random;
    this.conditions = conditions;
    this.a = new WireEnd(this);
    this.b = new WireEnd(this);
    this.a.out = new Direction(this, this.a, this.b);
    this.b.out = new Direction(this, this.b, this.a);
    this.a.in = this.b.out;
    this.b.in = this.a.out;
  }

  get isOpen(): boolean {
    return !this.a.isClosed || !this.b.isClosed;
  }
  other(end: WireEnd): WireEnd {
    return end === this.a ? this.b : this.a;
  }

  /** Both ends, or only one of them, learn that the connection is gone; what is under way is lost. */
  cut(tells: 'both' | 'a' | 'b'): void {
    this.goDead('both');
    if (tells !== 'b') this.time.after(this.random.between(0, 50), () => this.a.close(false));
    if (tells !== 'a') this.time.after(this.random.between(0, 50), () => this.b.close(false));
  }
  /** From now on nothing comes through, and nobody is told. */
  goDead(which: 'both' | 'a' | 'b'): void {
    if (which !== 'b') this.a.out.drop();
    if (which !== 'a') this.b.out.drop();
  }
  stall(millis: Millis): void {
    this.a.out.stall(millis);
    this.b.out.stall(millis);
  }
}

export class Network {
  readonly conditions: Conditions;
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** Where connections arrive; null while nobody listens. */
  accept: ((end: WireEnd) => void) | null = null;
  #wires = new Set<Wire>();

  constructor(time: VirtualTime, random: Random, conditions: Conditions) {
    this.#time = time;
    this.#random = random;
    this.conditions = conditions;
  }

  /** Connections that at least one end believes in. */
  get wires(): readonly Wire[] {
    for (const wire of this.#wires) if (!wire.isOpen) this.#wires.delete(wire);
    return [...this.#wires];
  }

  /** A connection to the Queen, or null when there is none to be had now. */
  dial(): WireEnd | null {
    if (this.accept === null || this.#random.chance(this.conditions.refusedShare)) return null;
    const wire = new Wire(this.#time, this.#random, this.conditions);
    this.#wires.add(wire);
    this.accept(wire.b);
    return wire.a;
  }
}
