/**
 * A node's lasting connection with another Queen: dials her, watches her, asks her about jobs that are hers, and dials
 * again, for ever, until it is told to stop. It says when she is gone: by a farewell, or without a word.
 *
 * States: `dialling`, `greeting` (Hello is said), `open`, `resting` (waits before it dials again), `ended`.
 */
import {
  helloOf,
  type JobId,
  LIMITS,
  type Message,
  type PeerId,
  type Plain,
  redialDelay,
  Session,
  UsageError,
} from '@hive/shared';
import { type Access, type Address, Connection, formatAddress, openLine } from '@hive/shared/node';
import debug from 'debug';

const log = debug('hive:node:peer');
type Request = Message<'Query' | 'Cancel' | 'Manage'>;
type Reply = Message<'Answer' | 'Refused'>;

export interface PeerHost {
  readonly peer: PeerId;
  readonly name: string;
  readonly access: () => Access;
  /** A Queen has answered. False: this link is not wanted, because of who she is. */
  opened(link: PeerLink, welcome: Message<'Welcome'>): boolean;
  overview(link: PeerLink, body: Plain): void;
  /** She does not take this node's key (any more). */
  keyRefused(link: PeerLink): void;
  /** An open session is over; `isFarewell` when she said goodbye. */
  lost(link: PeerLink, isFarewell: boolean): void;
}

/** How often she tells how she is: well within the second in which a change must be seen everywhere. */
const WATCH_MILLIS = 500;
/** A node that does not answer in this time is taken for one that cannot. */
const ANSWER_MILLIS = 3_000;

type State =
  | { readonly at: 'dialling'; readonly abort: AbortController }
  | { readonly at: 'greeting' | 'open'; readonly connection: Connection; readonly timer: NodeJS.Timeout }
  | { readonly at: 'resting'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'ended' };

export class PeerLink {
  readonly #host: PeerHost;
  /** Where she may be; tried in turn. Never empty. */
  #addresses: readonly Address[];
  #next = 0;
  /** Who she is, once she has answered or was heard of. */
  queen: string | null;
  /** When she was last known to be there, on the clock of `performance.now()`. */
  seenAt = performance.now();
  #state: State = { at: 'ended' };
  /** Where she was reached last; null before that. */
  reached: Address | null = null;
  /** Whether she has refused the key since her session was open last. */
  isKeyRefused = false;
  /** How many keys she had revoked when she was asked last. */
  revokedKeys = 0;
  #attempt = 0;
  #isFarewell = false;
  #requests = 0;
  readonly #asked = new Map<number, (reply: Reply | null) => void>();

  constructor(host: PeerHost, addresses: readonly Address[], queen: string | null) {
    this.#host = host;
    this.#addresses = addresses;
    this.queen = queen;
    void this.#dial();
  }

  get isOpen(): boolean {
    return this.#state.at === 'open';
  }
  /** Where she is reached, or is to be tried. */
  get address(): Address {
    return this.#addresses[this.#next % this.#addresses.length]!;
  }
  get addresses(): readonly Address[] {
    const { address } = this;
    return [address, ...this.#addresses.filter((other) => other !== address)];
  }

  /** She was heard of at these addresses, now: there is no reason to wait. */
  moved(addresses: readonly Address[]): void {
    if (this.isOpen) return;
    const isNew = addresses.some((one) => !this.#addresses.some((other) => isSame(one, other)));
    this.#addresses = addresses;
    if (!isNew || this.#state.at !== 'resting') return;
    this.#next = 0;
    this.#attempt = 0;
    clearTimeout(this.#state.timer);
    void this.#dial();
  }

  /** Her answer; null when she cannot be reached, or does not answer in time. */
  ask(message: Request & { readonly job?: JobId }, withinMillis = ANSWER_MILLIS): Promise<Reply | null> {
    const state = this.#state;
    if (state.at !== 'open') return Promise.resolve(null);
    const request = ++this.#requests;
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), withinMillis);
      const done = (reply: Reply | null) => {
        clearTimeout(timer);
        this.#asked.delete(request);
        resolve(reply);
      };
      this.#asked.set(request, done);
      state.connection.send({ ...message, request });
    });
  }

  /** Ends for good. Resolves when its socket is gone. */
  async close(last: string): Promise<void> {
    const state = this.#state;
    this.#state = { at: 'ended' };
    for (const done of [...this.#asked.values()]) done(null);
    if (state.at === 'dialling') state.abort.abort();
    if (state.at === 'resting' || state.at === 'greeting' || state.at === 'open') clearTimeout(state.timer);
    if (state.at !== 'greeting' && state.at !== 'open') return;
    const { connection } = state;
    if (connection.isClosed) return;
    const gone = new Promise<void>((resolve) => connection.socket.once('close', () => resolve()));
    if (state.at === 'open') connection.end({ type: 'Goodbye', message: last });
    else connection.destroy();
    await gone;
  }

  async #dial(): Promise<void> {
    const abort = new AbortController();
    this.#state = { at: 'dialling', abort };
    try {
      const { address } = this;
      const line = await openLine(address, this.#host.access, LIMITS.handshakeMillis, abort.signal);
      if (abort.signal.aborted) line.socket.destroy();
      else this.#greet(line.socket, line.verify);
    } catch (error) {
      if (abort.signal.aborted) return;
      log('%s: %s', formatAddress(this.address), (error as Error).message);
      this.#next++;
      this.#rest();
      if (error instanceof UsageError && error.code === 'badKey') this.#keyRefused();
    }
  }

  #keyRefused(): void {
    this.reached = null;
    const isNew = !this.isKeyRefused;
    this.isKeyRefused = true;
    if (isNew) this.#host.keyRefused(this);
  }

  #greet(
    socket: ConstructorParameters<typeof Connection>[0],
    verify: Parameters<typeof newSession>[0],
  ): void {
    const connection: Connection = new Connection(socket, newSession(verify), {
      message: (message) => this.#received(connection, message),
      closed: () => this.#closed(connection),
    });
    const timer = setTimeout(() => connection.destroy(), LIMITS.handshakeMillis);
    this.#state = { at: 'greeting', connection, timer };
    const { peer, name } = this.#host;
    connection.send(helloOf({ role: 'node', peer, name }));
  }

  #received(connection: Connection, message: Message): void {
    const state = this.#state;
    if (state.at === 'greeting' && message.type === 'Welcome') this.#welcomed(connection, message);
    else if (state.at === 'greeting') connection.destroy();
    else if (state.at === 'open') this.#heard(connection, message);
  }

  #welcomed(connection: Connection, welcome: Message<'Welcome'>): void {
    const state = this.#state;
    if (state.at !== 'greeting') return;
    clearTimeout(state.timer);
    connection.session.open();
    const timer = setInterval(
      () => this.#beat(connection, welcome.heartbeatMillis),
      welcome.heartbeatMillis / 2,
    );
    this.#state = { at: 'open', connection, timer };
    this.#isFarewell = false;
    this.#attempt = 0;
    this.reached = this.address;
    this.isKeyRefused = false;
    this.revokedKeys = 0;
    this.queen = welcome.queen;
    if (this.#host.opened(this, welcome)) connection.send({ type: 'Watch', everyMillis: WATCH_MILLIS });
    else void this.close('this node is known already');
  }

  #heard(connection: Connection, message: Message): void {
    this.seenAt = performance.now();
    if (message.type === 'Overview') this.#host.overview(this, message.body);
    else if (message.type === 'Answer') this.#asked.get(message.request)?.(message);
    else if (message.type === 'Refused' && message.request !== undefined)
      this.#asked.get(message.request)?.(message);
    else if (message.type === 'Goodbye') {
      this.#isFarewell = message.code === 'stopping';
      if (message.code === 'keyRevoked') this.#keyRefused();
      connection.end();
    }
  }

  /** Says that it is there, and ends a session on which she is silent. */
  #beat(connection: Connection, heartbeatMillis: number): void {
    const now = performance.now();
    const silence = LIMITS.silentHeartbeats * heartbeatMillis + LIMITS.silentExtraMillis;
    if (now - connection.heardAt >= silence) connection.destroy(new Error('the node is silent'));
    else if (now - connection.saidAt >= heartbeatMillis - 1) connection.send({ type: 'Heartbeat' });
  }

  #closed(connection: Connection): void {
    const state = this.#state;
    if ((state.at !== 'greeting' && state.at !== 'open') || state.connection !== connection) return;
    clearTimeout(state.timer);
    for (const done of [...this.#asked.values()]) done(null);
    this.#rest();
    if (state.at === 'open') this.#host.lost(this, this.#isFarewell);
    else this.#next++;
  }

  #rest(): void {
    const timer = setTimeout(() => void this.#dial(), redialDelay(this.#attempt++, Math.random()));
    this.#state = { at: 'resting', timer };
  }
}

const isSame = (a: Address, b: Address): boolean => formatAddress(a) === formatAddress(b);
const newSession = (verify: ConstructorParameters<typeof Session>[1]): Session =>
  new Session('queen', verify);
