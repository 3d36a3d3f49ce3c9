/**
 * Connections whose handshake is not done: nobody knows yet who they are, so they get little. So many at once, beyond
 * which the oldest gives way; and an address that fails again and again is not listened to for a while.
 *
 * This machine itself is counted apart and more generously: its own Drones may all come at once, and whoever is on it has
 * cheaper ways of disturbing. No I/O and no clock in here: time is an argument.
 */
import { LIMITS } from '@hive/shared';
import { isLoopback } from '@hive/shared/node';

interface Failures {
  count: number;
  /** When the first of them was counted. */
  since: number;
  refusedUntil: number;
}

/** One connection, until it is known or gone. Ends once, however often it is told. */
export class Stranger {
  readonly host: string;
  readonly #strangers: Strangers;
  readonly drop: () => void;

  constructor(strangers: Strangers, host: string, drop: () => void) {
    this.#strangers = strangers;
    this.host = host;
    this.drop = drop;
  }

  /** The handshake is done. */
  known(): void {
    this.#strangers.forget(this);
  }
  /** The handshake has failed, or did not end in time. */
  failed(now: number): void {
    if (this.#strangers.forget(this)) this.#strangers.count(this.host, now);
  }
}

export class Strangers {
  /** The oldest first. */
  readonly #open = new Set<Stranger>();
  readonly #local = new Set<Stranger>();
  /** By address (of IPv6 the network), the one that failed longest ago first. */
  readonly #failures = new Map<string, Failures>();

  /** Connections that were not listened to, and such that gave way to others. */
  refused = 0;
  dropped = 0;

  get size(): number {
    return this.#open.size + this.#local.size;
  }

  /** A new connection; `drop` closes it. Null when its address has failed too often: then it is to be closed at once. */
  admit(host: string, drop: () => void, now: number): Stranger | null {
    const failures = this.#failures.get(networkOf(host));
    if (failures !== undefined && now < failures.refusedUntil) {
      this.refused++;
      return null;
    }
    const [open, most] = this.#groupOf(host);
    if (open.size >= most) {
      const [oldest] = open;
      open.delete(oldest!);
      this.dropped++;
      oldest!.drop();
    }
    const stranger = new Stranger(this, host, drop);
    open.add(stranger);
    return stranger;
  }

  /** False when it was forgotten already. */
  forget(stranger: Stranger): boolean {
    return this.#groupOf(stranger.host)[0].delete(stranger);
  }

  count(host: string, now: number): void {
    const network = networkOf(host);
    let failures = this.#failures.get(network);
    this.#failures.delete(network);
    if (failures === undefined || now - failures.since > LIMITS.strangerFailureMillis)
      failures = { count: 0, since: now, refusedUntil: 0 };
    failures.count++;
    const most = isLoopback(host) ? LIMITS.strangerFailuresLocalMax : LIMITS.strangerFailuresMax;
    if (failures.count >= most) {
      failures.count = 0;
      failures.since = now;
      failures.refusedUntil = now + LIMITS.strangerFailureMillis;
    }
    this.#failures.set(network, failures);
    if (this.#failures.size <= LIMITS.strangerAddressesMax) return;
    const [longestAgo] = this.#failures.keys();
    this.#failures.delete(longestAgo!);
  }

  #groupOf(host: string): [Set<Stranger>, number] {
    return isLoopback(host) ? [this.#local, LIMITS.strangersLocalMax] : [this.#open, LIMITS.strangersMax];
  }
}

/** One machine has as many IPv6 addresses as it likes, but one network of 64 bits. */
function networkOf(host: string): string {
  if (!host.includes(':') || host.startsWith('::ffff:')) return host;
  const [head = '', tail] = host.replace(/%.*$/, '').split('::');
  const groups = head.split(':').filter((group) => group !== '');
  if (tail !== undefined) {
    const rest = tail.split(':').filter((group) => group !== '');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return groups.slice(0, 4).join(':');
}
