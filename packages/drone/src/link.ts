/**
 * One lasting connection with a Queen: dials, says Hello, and dials again, for ever, until it is told to stop.
 *
 * States: `searching` (asks where to dial), `dialling` (until TLS is done, whoever dialled), `greeting` (Hello is said, a
 * signed Welcome awaited), `open` (a session stands), `resting` (waits before the next dial), `dormant` (the same Queen was
 * reached on another link; left when that one ends), `ended`. A session number is never used twice; the link's number
 * stays. A link that was accepted begins with `dialling` and ends with its connection: it is the Queen who dials again.
 */
import type { Socket } from 'node:net';
import {
  LIMITS,
  type Message,
  PROTOCOL_VERSION,
  ProtocolError,
  redialDelay,
  Session,
  type SessionNumber,
  UsageError,
} from '@hive/shared';
import {
  type Access,
  type Address,
  Connection,
  formatAddress,
  type Line,
  openLine,
  secureLine,
} from '@hive/shared/node';
import debug from 'debug';
import type { DroneEvent } from './events.ts';

const log = debug('hive:drone:link');
/** A session that stood as long as this was not refused; the next dial need not wait long. */
const STEADY_MILLIS = 1_000;

export interface LinkHost {
  hello(): Message<'Hello'>;
  /** The key, as it is now. @throws UsageError when there is none */
  access(): Access;
  /** Sets where the link should dial now: as before if that is still right; null when there is nothing for it. */
  findAddress(link: Link): Promise<void>;
  newSession(): SessionNumber;
  opened(link: Link, session: SessionNumber, welcome: Message<'Welcome'>): void;
  received(session: SessionNumber, message: Message): void;
  /** What was waiting to be sent has left. */
  drained(session: SessionNumber): void;
  /** A session is over. With `isElsewhere`, its Queen was reached on another link. */
  ended(session: SessionNumber, isElsewhere: boolean): void;
  rejected(link: Link, message: Message<'Reject'>): void;
  /** A link that was accepted is over. */
  left(link: Link): void;
  tell(event: DroneEvent): void;
}

type State =
  | { readonly at: 'searching' | 'dormant' | 'ended' }
  | { readonly at: 'dialling'; readonly abort: AbortController }
  | { readonly at: 'resting'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'greeting'; readonly connection: Connection; readonly timer: NodeJS.Timeout }
  | {
      readonly at: 'open';
      readonly connection: Connection;
      readonly session: SessionNumber;
      readonly since: number;
    };

export class Link {
  readonly number: number;
  /** Where it dials; set by its host, who sees to it that no two links dial the same place. */
  address: Address | null = null;
  readonly #host: LinkHost;
  /** The connection that the other end has dialled. */
  readonly #accepted: Socket | null;
  #state: State = { at: 'searching' };
  #attempt = 0;
  #isDormantNext = false;
  /** Sockets that are not closed yet. */
  #open = 0;
  #whenClosed: (() => void) | null = null;

  constructor(number: number, host: LinkHost, accepted: Socket | null = null) {
    this.number = number;
    this.#host = host;
    this.#accepted = accepted;
  }

  get isAccepted(): boolean {
    return this.#accepted !== null;
  }

  get isOpen(): boolean {
    return this.#state.at === 'open';
  }
  get session(): SessionNumber | null {
    return this.#state.at === 'open' ? this.#state.session : null;
  }
  /** When the last bytes were heard on the open session, on the clock of `performance.now()`. */
  get heardAt(): number {
    return this.#state.at === 'open' ? this.#state.connection.heardAt : 0;
  }

  /** Dials, or greets who has dialled. */
  async start(): Promise<void> {
    if (this.#state.at === 'ended') return;
    if (this.#accepted !== null) {
      await this.#secure(this.#accepted);
      return;
    }
    this.#state = { at: 'searching' };
    try {
      await this.#host.findAddress(this);
      if ((this.#state as State).at !== 'searching') return;
      if (this.address === null) this.#rest('no Queen is known');
      else await this.#dial(this.address);
    } catch (error) {
      this.#rest((error as Error).message);
    }
  }

  get bufferedBytes(): number {
    return this.#state.at === 'open' ? this.#state.connection.bufferedBytes : 0;
  }
  send(message: Message): void {
    if (this.#state.at === 'open') this.#state.connection.send(message);
  }

  /** Ends the session with a last word. It dials again, unless the Queen is reached on another link. */
  closeSession(code: 'protocolError' | 'silent' | 'replaced' | 'stopping', message: string): void {
    if (this.#state.at !== 'open') return;
    this.#isDormantNext = code === 'replaced';
    log('%d closes its session: %s', this.number, message);
    if (code === 'silent') this.#state.connection.destroy(new Error(message));
    else this.#state.connection.end({ type: 'Goodbye', code, message: message.slice(0, LIMITS.textMax) });
  }

  /** The other link to the same Queen is gone. */
  wake(): void {
    if (this.#state.at === 'dormant') void this.start();
  }

  /** Ends for good; resolves when no socket is left. */
  end(last: string | null): Promise<void> {
    const state = this.#state;
    this.#state = { at: 'ended' };
    if (state.at === 'resting' || state.at === 'greeting') clearTimeout(state.timer);
    if (state.at === 'dialling') state.abort.abort();
    if (state.at === 'greeting') state.connection.destroy();
    if (state.at === 'open') {
      state.connection.end({ type: 'Goodbye', code: 'stopping', message: last ?? 'the Drone stops' });
    }
    return new Promise((resolve) => {
      if (this.#open === 0) resolve();
      else this.#whenClosed = resolve;
    });
  }

  async #dial(address: Address): Promise<void> {
    const abort = new AbortController();
    this.#state = { at: 'dialling', abort };
    this.#host.tell({ type: 'connecting', address, attempt: this.#attempt });
    log('%d dials %s', this.number, formatAddress(address));
    const access = () => this.#host.access();
    const line = await openLine(address, access, LIMITS.handshakeMillis, abort.signal);
    if (abort.signal.aborted) {
      line.socket.destroy();
      return;
    }
    this.#greet(line);
  }

  /** A Queen has dialled; she is the server of TLS all the same. */
  async #secure(raw: Socket): Promise<void> {
    const abort = new AbortController();
    this.#state = { at: 'dialling', abort };
    abort.signal.addEventListener('abort', () => raw.destroy(), { once: true });
    try {
      const line = await secureLine(raw, this.#host.access());
      if (abort.signal.aborted) line.socket.destroy();
      else this.#greet(line);
    } catch (error) {
      raw.destroy();
      if (abort.signal.aborted) return;
      if (error instanceof UsageError) this.#tellLeaving(error.message);
      this.#leave((error as Error).message);
    }
  }

  #greet({ socket, verify }: Line): void {
    const connection: Connection = new Connection(socket, new Session('queen', verify), {
      message: (message) => this.#received(connection, message),
      closed: (error) => this.#closed(connection, error),
      drained: () => {
        if (this.session !== null) this.#host.drained(this.session);
      },
    });
    this.#open++;
    const timer = setTimeout(
      () => connection.destroy(new Error('the Queen did not answer')),
      LIMITS.handshakeMillis,
    );
    this.#state = { at: 'greeting', connection, timer };
    connection.send(this.#host.hello());
  }

  #received(connection: Connection, message: Message): void {
    const state = this.#state;
    if (state.at === 'open') this.#host.received(state.session, message);
    else if (state.at === 'greeting') this.#greeted(connection, message);
  }

  #greeted(connection: Connection, message: Message): void {
    if (message.type === 'Reject') {
      const { code, message: text } = message;
      // A Queen who dialled by a second way to a Drone that she has already is no trouble.
      if (!this.isAccepted || code !== 'replaced') {
        this.#host.tell({ type: 'rejected', address: this.address!, code, message: text });
      }
      connection.destroy(new Error(`rejected: ${text}`));
      this.#host.rejected(this, message);
      return;
    }
    if (message.type !== 'Welcome') throw new ProtocolError(`${message.type} in answer to Hello`);
    const { protocol } = message;
    if (protocol < PROTOCOL_VERSION.min || protocol > PROTOCOL_VERSION.max) {
      throw new ProtocolError(`the Queen chose protocol ${protocol}`, 'badVersion');
    }
    if (this.#state.at === 'greeting') clearTimeout(this.#state.timer);
    connection.session.open();
    const session = this.#host.newSession();
    this.#state = { at: 'open', connection, session, since: performance.now() };
    const { queen, name, session: token } = message;
    this.#host.tell({ type: 'connected', address: this.address!, queen, name, session: token });
    log('%d has session %d with Queen %s, incarnation %s', this.number, session, queen, message.incarnation);
    this.#host.opened(this, session, message);
  }

  #closed(connection: Connection, error: Error | null): void {
    this.#open--;
    if (this.#open === 0) this.#whenClosed?.();
    const state = this.#state;
    if ((state.at !== 'open' && state.at !== 'greeting') || state.connection !== connection) return;
    if (state.at === 'greeting') clearTimeout(state.timer);
    else if (performance.now() - state.since >= STEADY_MILLIS) this.#attempt = 0;
    const reason = error?.message ?? 'the Queen closed the connection';
    const isDormant = this.#isDormantNext;
    this.#isDormantNext = false;
    if (this.isAccepted) this.#leave(reason);
    else if (isDormant) this.#state = { at: 'dormant' };
    else this.#rest(reason);
    if (state.at === 'open') this.#host.ended(state.session, isDormant);
  }

  #leave(reason: string): void {
    const wasOpen = this.isOpen;
    this.#state = { at: 'ended' };
    if (wasOpen) this.#tellLeaving(reason);
    this.#host.left(this);
  }

  #tellLeaving(reason: string): void {
    this.#host.tell({ type: 'disconnected', address: this.address!, reason, retryMillis: null });
  }

  #rest(reason: string): void {
    if (this.#state.at === 'ended') return;
    const retryMillis = redialDelay(this.#attempt++, Math.random());
    const { number } = this;
    log('%d rests for %d ms: %s', number, Math.round(retryMillis), reason);
    if (this.address !== null) {
      this.#host.tell({ type: 'disconnected', address: this.address, reason, retryMillis });
    }
    this.#state = { at: 'resting', timer: setTimeout(() => void this.start(), retryMillis) };
  }
}

/** How two links are known to dial the same place. */
export const isSameAddress = (a: Address | null, b: Address): boolean =>
  a !== null && formatAddress(a) === formatAddress(b);
