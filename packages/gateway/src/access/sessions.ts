/**
 * The gateway's sessions with the Queen: one per key, opened as that key. So it is the Queen who says what a key may do,
 * and a key that is revoked ends here when she closes its session; nothing about keys is decided twice.
 *
 * Each key has one session for questions and submissions, and one for the results of single tasks. A stream (results,
 * logs) gets a session of its own for as long as it lasts: its reader sets its pace, and others must not wait for it.
 */
import { type ConnectOptions, connect, type Hive } from '@hive/client';
import { UsageError } from '@hive/shared';
import { Problem } from '../problem.ts';

const CONNECT_MILLIS = 4_000;
/** How long a key that the Queen refused is not tried again: so many failures would make her refuse this address. */
const REFUSED_MILLIS = 10_000;
const REFUSED_MAX = 1_000;
/** Keys whose sessions are kept open; the one not used for longest is closed for the next. */
const KEYS_MAX = 64;

export class KeySession {
  readonly #options: ConnectOptions;
  readonly #streams = new Set<Hive>();
  #questions: Promise<Hive> | null;
  #results: Promise<Hive> | null = null;
  #isClosed = false;
  /** Requests that are being served. */
  active = 0;

  constructor(options: ConnectOptions, open: Hive | null = null) {
    this.#options = { timeoutMillis: CONNECT_MILLIS, ...options };
    this.#questions = open === null ? null : Promise.resolve(open);
  }

  /**
   * For questions and submissions. Resolves only while the session stands, so of a key that the Queen takes just now.
   * @throws UsageError 'badKey'; Problem 503 when the Queen is away
   */
  async hive(): Promise<Hive> {
    this.#questions ??= this.#open();
    const hive = await this.#kept(this.#questions, () => {
      this.#questions = null;
    });
    if (hive.isConnected) return hive;
    if (hive.isRevoked) throw new UsageError('This key has been revoked.', 'badKey');
    return this.#connected(hive);
  }

  /** For the results of single tasks, each read to its end. */
  async results(): Promise<Hive> {
    this.#results ??= this.#open();
    return this.#kept(this.#results, () => {
      this.#results = null;
    });
  }

  /** One of its own; whoever asked closes it by `leave`. */
  async stream(): Promise<Hive> {
    const hive = await this.#open();
    this.#streams.add(hive);
    return hive;
  }
  leave(stream: Hive): Promise<void> {
    this.#streams.delete(stream);
    return stream.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const open = [this.#questions, this.#results].flatMap((hive) => hive ?? []);
    const all = await Promise.allSettled(open);
    const kept = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await Promise.all([...kept, ...this.#streams].map((hive) => hive.close()));
  }

  #open(): Promise<Hive> {
    if (this.#isClosed) throw new Problem(503, 'stopping', 'The gateway is stopping.');
    return connect(this.#options);
  }

  async #kept(opening: Promise<Hive>, forget: () => void): Promise<Hive> {
    try {
      return await opening;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** A session that was lost is opened again by itself, or refused for good. */
  async #connected(hive: Hive): Promise<Hive> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const away = new Problem(
        503,
        'no_queen',
        'The Queen is away. What was accepted is safe with her; try again in a moment.',
        {
          headers: { 'retry-after': '1' },
        },
      );
      timer = setTimeout(() => reject(away), CONNECT_MILLIS);
    });
    try {
      await Promise.race([hive.status(), late]);
      return hive;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The sessions of all keys, and the gateway's own. */
export class Sessions {
  readonly own: KeySession;
  readonly #options: ConnectOptions;
  readonly #byKey = new Map<string, KeySession>();
  /** Until when, by `performance.now`. */
  readonly #refused = new Map<string, number>();

  constructor(options: ConnectOptions, own: Hive) {
    this.#options = options;
    this.own = new KeySession(options, own);
  }

  /** Of a key that has been found genuine. @throws UsageError 'badKey' when the Queen has refused it lately */
  of(id: string, key: string): KeySession {
    if ((this.#refused.get(id) ?? 0) > performance.now())
      throw new UsageError(
        'The Queen refuses this key: it has been revoked, or its generation was retired.',
        'badKey',
      );
    const known = this.#byKey.get(id);
    const session = known ?? new KeySession({ ...this.#options, key });
    this.#byKey.delete(id);
    this.#byKey.set(id, session);
    if (known === undefined) this.#makeRoom();
    return session;
  }

  /** The Queen has refused the key. */
  refused(id: string, session: KeySession): void {
    if (session === this.own) return;
    this.#refused.delete(id);
    this.#refused.set(id, performance.now() + REFUSED_MILLIS);
    if (this.#refused.size > REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value!);
    this.#drop(id, session);
  }

  async close(): Promise<void> {
    await Promise.all([this.own, ...this.#byKey.values()].map((session) => session.close()));
  }

  #drop(id: string, session: KeySession): void {
    if (this.#byKey.get(id) === session) this.#byKey.delete(id);
    void session.close().catch(() => {});
  }

  #makeRoom(): void {
    if (this.#byKey.size <= KEYS_MAX) return;
    for (const [id, session] of this.#byKey) {
      if (session.active > 0) continue;
      this.#drop(id, session);
      return;
    }
  }
}
