/**
 * The client's one session with a Queen, renewed for as long as the client lives.
 *
 * States: `dialling` (entered at birth and when a waiting time ends; left when a Queen has answered or none has), `open`
 * (left when the socket is gone or the Queen has been silent for too long), `waiting` (after a loss, for the redial
 * delay), `closed` (by `close`; final).
 * It must never hand out a session twice, nor leave a socket or timer behind when closed.
 */
import { type ClientToQueen, LIMITS, type Message, redialDelay, UsageError } from '@hive/shared';
import { type Connection, describeMessage, formatAddress, type QueenFinder } from '@hive/shared/node';
import debug from 'debug';
import type { OpenSession, WhoWeAre } from './greeting.ts';
import { search } from './search.ts';

const log = debug('hive:client:link');
const logMessage = debug('hive:client:message');

export interface LinkHandlers {
  /** A session is open. */
  opened(welcome: Message<'Welcome'>): void;
  message(message: Message): void;
  /** The session is gone; another will come. */
  lost(): void;
  /** What was waiting to be sent has left. */
  drained(): void;
  /** The Queen's heartbeat interval has passed once more. */
  ticked(): void;
  /** The key was revoked, and there is no other: the link is closed. */
  revoked(error: UsageError): void;
}

type State =
  | { readonly name: 'dialling'; readonly abort: AbortController }
  | {
      readonly name: 'open';
      readonly session: OpenSession;
      /** Whether the Queen has said Goodbye. */
      isDismissed: boolean;
      timer: NodeJS.Timeout | null;
    }
  | { readonly name: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly name: 'closed' };

export class Link {
  readonly #finder: QueenFinder;
  readonly #who: WhoWeAre;
  readonly #handlers: LinkHandlers;
  #state: State = { name: 'dialling', abort: new AbortController() };
  /** Attempts in a row that failed, or after which the Queen dismissed us. */
  #attempt = 0;
  /** Whether anybody listens; asked once. */
  readonly #tracesMessages = logMessage.enabled;
  /** The Queen has said that the key is not valid any more; another one may be where the key came from. */
  #isRevoked = false;

  /** Neither its sockets nor its timers keep the process. */
  readonly #isQuiet: boolean;

  constructor(finder: QueenFinder, who: WhoWeAre, handlers: LinkHandlers, isQuiet = false) {
    this.#isQuiet = isQuiet;
    this.#finder = finder;
    this.#who = who;
    this.#handlers = handlers;
  }

  get connection(): Connection | null {
    return this.#state.name === 'open' ? this.#state.session.connection : null;
  }
  get welcome(): Message<'Welcome'> | null {
    return this.#state.name === 'open' ? this.#state.session.welcome : null;
  }

  /** Whether the Queen took its key, and no session was opened since. */
  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  /** The first attempt. @throws UsageError 'noQueen' within `timeoutMillis`; the link is then closed */
  async open(timeoutMillis: number): Promise<void> {
    try {
      await this.#dial(timeoutMillis);
    } catch (error) {
      this.#state = { name: 'closed' };
      await this.#finder.close();
      throw error;
    }
  }

  send(message: ClientToQueen): void {
    if (this.#tracesMessages && this.connection !== null) logMessage('<- %s', describeMessage(message));
    this.connection?.send(message);
  }

  /** Says what is still to be said, and closes. Resolves when the socket is gone. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { name: 'closed' };
    if (state.name === 'dialling') state.abort.abort();
    if (state.name === 'waiting') clearTimeout(state.timer);
    await this.#finder.close();
    if (state.name !== 'open') return;
    stopTimer(state);
    const { connection } = state.session;
    if (connection.isClosed) return;
    connection.socket.ref();
    const gone = new Promise<void>((resolve) => connection.socket.once('close', () => resolve()));
    connection.end({ type: 'Goodbye', message: 'the client was closed' });
    await gone;
  }

  async #dial(timeoutMillis: number): Promise<void> {
    const abort = new AbortController();
    this.#state = { name: 'dialling', abort };
    for (const { address, source } of this.#finder.known())
      log('may dial %s (%s)', formatAddress(address), source);
    const session = await search(
      this.#finder,
      this.#who,
      {
        message: (connection, message) => this.#received(connection, message),
        closed: (connection) => this.#closed(connection),
        drained: () => this.#handlers.drained(),
      },
      timeoutMillis,
      abort.signal,
    );
    const { connection } = session;
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    if (connection.isClosed) throw new UsageError('The Queen closed the connection at once.', 'noQueen');
    this.#state = { name: 'open', session, isDismissed: false, timer: null };
    const { session: id, queen, name } = session.welcome;
    log('session %s with Queen %s, "%s"', id, queen, name);
    this.#isRevoked = false;
    if (this.#isQuiet) connection.socket.unref();
    this.#armTimer();
    this.#handlers.opened(session.welcome);
  }

  get #isClosed(): boolean {
    return this.#state.name === 'closed';
  }

  #received(connection: Connection, message: Message): void {
    if (connection !== this.connection) return;
    if (this.#tracesMessages) logMessage('-> %s', describeMessage(message));
    if (message.type !== 'Goodbye') {
      this.#handlers.message(message);
      return;
    }
    if (this.#state.name === 'open') this.#state.isDismissed = true;
    if (message.code === 'keyRevoked') this.#isRevoked = true;
    connection.end();
  }

  #closed(connection: Connection): void {
    const state = this.#state;
    if (state.name !== 'open' || state.session.connection !== connection) return;
    stopTimer(state);
    // A Queen who dismisses us again and again is dialled less and less often.
    if (!state.isDismissed) this.#attempt = 0;
    this.#wait();
    this.#handlers.lost();
  }

  #wait(): void {
    const delay = redialDelay(this.#attempt++, Math.random());
    log('no session; dials again in %d ms', Math.round(delay));
    const timer = setTimeout(() => this.#redial(), delay);
    if (this.#isQuiet) timer.unref();
    this.#state = { name: 'waiting', timer };
  }

  #redial(): void {
    this.#dial(LIMITS.redialMillisMax).catch((error: unknown) => {
      if (this.#isClosed) return;
      if (!this.#isRevoked || !(error instanceof UsageError) || error.code !== 'badKey') {
        this.#wait();
        return;
      }
      this.#state = { name: 'closed' };
      this.#handlers.revoked(error);
    });
  }

  /** One timer per session: for the next heartbeat, or the end of the Queen's silence, whichever comes first. */
  #armTimer(): void {
    const state = this.#state;
    if (state.name !== 'open') return;
    stopTimer(state);
    const { heartbeatMillis } = state.session.welcome;
    const { heardAt, saidAt } = state.session.connection;
    const due = Math.min(saidAt + heartbeatMillis, heardAt + silenceMillis(heartbeatMillis));
    state.timer = setTimeout(() => this.#timeout(state.session), Math.max(10, due - performance.now()));
    if (this.#isQuiet) state.timer.unref();
  }

  #timeout({ connection, welcome: { heartbeatMillis } }: OpenSession): void {
    const now = performance.now();
    if (now - connection.saidAt >= heartbeatMillis - 1) connection.send({ type: 'Heartbeat' });
    this.#handlers.ticked();
    if (now - connection.heardAt >= silenceMillis(heartbeatMillis))
      this.#checkSilence(connection, heartbeatMillis);
    else queueMicrotask(() => this.#armTimer());
  }

  /** This process may have slept or been busy, with the Queen's words waiting in the socket: they are read first. */
  #checkSilence(connection: Connection, heartbeatMillis: number): void {
    setImmediate(() => {
      if (this.connection !== connection) return;
      const isSilent = performance.now() - connection.heardAt >= silenceMillis(heartbeatMillis);
      if (isSilent) connection.destroy(new Error('the Queen is silent'));
      else this.#armTimer();
    });
  }
}

function stopTimer({ timer }: { timer: NodeJS.Timeout | null }): void {
  if (timer !== null) clearTimeout(timer);
}

const silenceMillis = (heartbeatMillis: number): number =>
  LIMITS.silentHeartbeats * heartbeatMillis + LIMITS.silentExtraMillis;
