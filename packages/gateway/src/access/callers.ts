/**
 * Who asks, decided before a byte of a body is read: the holder of a key, or a program of this account on this machine.
 * Everything else is refused with a sentence that says what to do.
 */
import type { IncomingMessage } from 'node:http';
import { CHALLENGE, Problem } from '../problem.ts';
import type { Bearer, Bearers } from './bearer.ts';
import { whyKeyIsNeeded } from './own-machine.ts';
import { Rate } from './rate.ts';
import type { KeySession, Sessions } from './sessions.ts';
import { SocketOwners } from './socket-owner.ts';

export interface Caller {
  /** For limits, and for telling one caller's idempotency keys from another's. */
  readonly id: string;
  /** Only looks: it changes nothing, and reads no results, as on the wire. */
  readonly isObserver: boolean;
  readonly session: KeySession;
}

export interface CallerOptions {
  /** Serve every account of this machine, not only its own and root's. */
  readonly isOpen: boolean;
  /** Requests a second of one caller. */
  readonly requestsPerSecond: number;
  readonly platform?: NodeJS.Platform;
  readonly owners?: SocketOwners;
}

const LOCAL = 'local';
const ROOT = 0;
/** Wrong keys that one address may try in a second. */
const FAILURES_PER_SECOND = 2;

export class Callers {
  readonly #bearers: Bearers;
  readonly #sessions: Sessions;
  readonly #options: CallerOptions;
  readonly #owners: SocketOwners;
  readonly #rate: Rate;
  readonly #failures = new Rate(FAILURES_PER_SECOND);

  constructor(bearers: Bearers, sessions: Sessions, options: CallerOptions) {
    this.#bearers = bearers;
    this.#sessions = sessions;
    this.#options = options;
    this.#owners = options.owners ?? new SocketOwners();
    this.#rate = new Rate(options.requestsPerSecond);
  }

  /** @throws Problem 401, 403 or 429 */
  async callerOf(request: IncomingMessage): Promise<Caller> {
    const caller = await this.#identify(request);
    this.#limit(this.#rate, caller.id, 'This caller asks too often.');
    return caller;
  }

  /** The Queen has refused the key of a session in use. */
  refused({ id, session }: Caller): void {
    this.#bearers.forget(id);
    this.#sessions.refused(id, session);
  }

  async #identify(request: IncomingMessage): Promise<Caller> {
    const token = tokenOf(request.headers.authorization);
    if (token !== null) return this.#byKey(token, request);
    const why = await this.#whyKeyIsNeeded(request);
    if (why === null) {
      const role = this.#bearers.ownRole;
      return { id: LOCAL, isObserver: role === 'observer', session: this.#sessions.own };
    }
    throw needsKey(
      `This request needs a key, because ${why}. Send "Authorization: Bearer KEY" with what "hive key --role client" prints.`,
    );
  }

  #byKey(token: string, request: IncomingMessage): Caller {
    const address = request.socket.remoteAddress ?? '';
    const bearer = this.#check(token);
    if (token === '')
      throw needsKey(
        'A key is sent as a bearer token: "Authorization: Bearer KEY" with what "hive key --role client" prints.',
      );
    if (bearer === null) {
      this.#limit(this.#failures, address, 'Too many wrong keys came from this address.');
      throw needsKey(
        'This key is not one of this Hive. "hive key --role client", where the Queen runs, makes one.',
      );
    }
    if (bearer.role === 'drone')
      throw new Problem(
        403,
        'not_permitted',
        'A key of the role drone cannot use the API. Make one with "hive key --role client".',
      );
    const { id, role, key } = bearer;
    return { id, isObserver: role === 'observer', session: this.#sessions.of(id, key) };
  }

  #check(token: string): Bearer | null {
    try {
      return this.#bearers.check(token);
    } catch {
      return null;
    }
  }

  async #whyKeyIsNeeded(request: IncomingMessage): Promise<string | null> {
    const { socket, headers, rawHeaders, url } = request;
    const { remoteAddress, localPort } = socket;
    const why = whyKeyIsNeeded({ remoteAddress, localPort, headers, rawHeaders, url });
    if (why !== null || this.#options.isOpen) return why;
    if ((this.#options.platform ?? process.platform) !== 'linux')
      return 'this system does not tell whose program it is (--api-open serves every account of this machine)';
    const owner = await this.#owners.ownerOf(socket);
    if (owner === ROOT || owner === process.getuid?.()) return null;
    return owner === null
      ? 'the kernel does not tell whose program it is'
      : 'it comes from another account of this machine';
  }

  #limit(rate: Rate, who: string, what: string): void {
    const seconds = rate.secondsUntilFree(who, performance.now());
    if (seconds === 0) return;
    throw new Problem(429, 'too_many_requests', `${what} Try again in ${seconds} s.`, {
      headers: { 'retry-after': String(seconds) },
    });
  }
}

const needsKey = (detail: string): Problem => new Problem(401, 'key_needed', detail, { headers: CHALLENGE });

/** Null without one; any other scheme than Bearer is a key that is none. */
function tokenOf(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  return /^Bearer +(.+)$/i.exec(authorization)?.[1]?.trim() ?? '';
}
