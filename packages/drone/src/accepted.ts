/**
 * The links that Queens have dialled, and the numbers by which the agent knows them. The agent keeps a Queen's leases while
 * the place where she is reached may bring her back; who dials has no such place, so it is her identity that counts here:
 * a Queen who dials again has the number that she had. One who comes from the same host as one who is gone takes over
 * that one's number, as if she had been dialled there: a Queen who keeps nothing has a new identity at each start.
 */
import type { Socket } from 'node:net';
import type { QueenId, SessionNumber } from '@hive/shared';
import { LIMITS } from '@hive/shared';
import type { Address, PortRange } from '@hive/shared/node';
import type { LinkNumber } from './agent/events.ts';
import { Link, type LinkHost } from './link.ts';
import { DroneListener } from './listener.ts';

interface Caller {
  readonly number: LinkNumber;
  readonly host: string;
  session: SessionNumber | null;
}

export class Accepted {
  readonly #host: LinkHost;
  readonly #nextNumber: () => LinkNumber;
  readonly #listener: DroneListener;
  /** Those that were dialled for tasks, not for the Drone itself. */
  readonly #isTaken: (socket: Socket) => boolean;
  readonly #links = new Map<Link, () => void>();
  /** Oldest first. */
  readonly #callers = new Map<QueenId, Caller>();
  #isClosed = false;

  constructor(host: LinkHost, nextNumber: () => LinkNumber, isTaken: (socket: Socket) => boolean) {
    this.#host = host;
    this.#isTaken = isTaken;
    this.#nextNumber = nextNumber;
    this.#listener = new DroneListener({ take: (socket, greeted) => this.#take(socket, greeted) });
  }

  /** @throws UsageError when no port of the range is free */
  async listen(range: PortRange): Promise<Address> {
    const address = await this.#listener.listen(range);
    if (this.#isClosed) await this.#listener.close();
    return address;
  }

  /** A session with a Queen stands. Returns the number of the place where she is reached. */
  opened(link: Link, session: SessionNumber, queen: QueenId): LinkNumber {
    this.#links.get(link)?.();
    const host = link.address?.host ?? '';
    const caller = { number: this.#numberOf(queen, host), host, session };
    this.#callers.delete(queen);
    this.#callers.set(queen, caller);
    this.#forgetOldest();
    return caller.number;
  }

  left(link: Link): void {
    this.#links.delete(link);
    this.#forgetSessions();
  }

  /** Ends all of them; resolves when no socket is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const links = [...this.#links.keys()].map((link) => link.end(null));
    await Promise.all([...links, this.#listener.close()]);
  }

  #take(socket: Socket, greeted: () => void): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    if (this.#isTaken(socket)) {
      greeted();
      return;
    }
    const link = new Link(this.#nextNumber(), this.#host, socket);
    link.address = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    this.#links.set(link, greeted);
    void link.start();
  }

  #numberOf(queen: QueenId, host: string): LinkNumber {
    const known = this.#callers.get(queen);
    if (known !== undefined) return known.number;
    for (const [other, caller] of this.#callers) {
      if (caller.host !== host || caller.session !== null) continue;
      this.#callers.delete(other);
      return caller.number;
    }
    return this.#nextNumber();
  }

  #forgetSessions(): void {
    const open = new Set([...this.#links.keys()].map((link) => link.session));
    for (const caller of this.#callers.values()) if (!open.has(caller.session)) caller.session = null;
  }

  #forgetOldest(): void {
    if (this.#callers.size <= LIMITS.queensKnownMax) return;
    for (const [queen, { session }] of this.#callers) {
      if (session !== null) continue;
      this.#callers.delete(queen);
      return;
    }
  }
}
