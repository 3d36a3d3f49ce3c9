/**
 * Keeps the clients busy: new jobs, jobs of clients that were killed (submitted again under the same id), and readers for
 * what detached submitters have left behind. It writes the ledger, and kills and freezes clients when told to.
 */
import type { Hive } from '@hive/client';
import type { ProcessesAccess } from '@hive/local';
import { ClientChild } from './client-child.ts';
import type { FromClient } from './ipc.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Log } from './log.ts';
import { drawPlan, type Forerunner, maybeAfter } from './plan.ts';
import type { Random } from './random.ts';
import type { Tally } from './tally.ts';
import { isPartial, successesOf } from './work.ts';

export interface LoadOptions {
  readonly access: ProcessesAccess;
  readonly clients: number;
  /** Slots of the smallest Drone. */
  readonly slots: number;
}

const JOBS_EACH = 6;
const PACE_MILLIS = 50;
/** Jobs of which others may come after. */
const FORERUNNERS = 10;
const STOP_MILLIS_MAX = 60_000;

export class Load {
  readonly #options: LoadOptions;
  readonly #ledger: Ledger;
  readonly #tally: Tally;
  readonly #log: Log;
  readonly #random: Random;
  /** Cancels from elsewhere; its process is never touched. */
  readonly #observer: Hive;
  readonly #clients: ClientChild[] = [];
  readonly #pids: number[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #cancelling = new Set<Promise<void>>();
  /** Who reads what, so that a reader that is killed is replaced. */
  readonly #reading = new Map<ClientChild, Set<Entry>>();
  #started = 0;
  #isOpen = true;
  #isStopped = false;
  readonly #pace: NodeJS.Timeout;

  constructor(
    options: LoadOptions,
    observer: Hive,
    books: { ledger: Ledger; tally: Tally; log: Log; random: Random },
  ) {
    this.#options = options;
    this.#observer = observer;
    this.#ledger = books.ledger;
    this.#tally = books.tally;
    this.#log = books.log;
    this.#random = books.random;
    for (let i = 0; i < options.clients; i++) this.#startClient();
    this.#pace = setInterval(() => this.#giveWork(), PACE_MILLIS);
  }

  get pids(): readonly number[] {
    return this.#pids;
  }

  /** @param which from 0 to 1, over the clients that are there */
  killClient(which: number): void {
    const client = this.#pick(which);
    if (client.isFrozen || !client.isReady) return;
    this.#tally.faults.clientsKilled++;
    this.#log.say(`${client.name} is killed`);
    client.kill();
    void client.exited.then(() => this.#died(client));
  }

  freezeClient(which: number, millis: number): void {
    const client = this.#pick(which);
    if (client.isFrozen || !client.isReady) return;
    this.#tally.faults.clientsFrozen++;
    this.#log.say(`${client.name} is frozen for ${Math.round(millis)} ms`);
    client.freeze(true);
    const timer = setTimeout(() => this.#thaw(client, timer), millis);
    this.#timers.add(timer);
  }

  /** No new jobs; all clients run again. What they hold they finish. */
  heal(): void {
    this.#isOpen = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const client of this.#clients) if (client.isFrozen) client.freeze(false);
  }

  /** Jobs and readings that are not over yet, in words. */
  get unfinished(): string[] {
    const lines = this.#ledger
      .select((entry) => !entry.isDone && entry.holder !== null)
      .map(({ plan, holder }) => `${plan.work} job ${plan.id} of ${holder}`);
    for (const [client, entries] of this.#reading) {
      for (const { plan } of entries) lines.push(`${client.name} reading ${plan.work} job ${plan.id}`);
    }
    return lines;
  }

  /** Everybody closes in order. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#pace);
    await Promise.all(this.#cancelling);
    await Promise.all(
      this.#clients.map(async (client) => {
        if (!(await client.stop(STOP_MILLIS_MAX)))
          this.#log.problem(`${client.name} did not close within ${STOP_MILLIS_MAX} ms`);
      }),
    );
  }

  /** Ends all clients at once, whatever they do. */
  abandon(): void {
    this.#isStopped = true;
    clearInterval(this.#pace);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const client of this.#clients) client.kill();
  }

  #pick(which: number): ClientChild {
    return this.#clients[Math.min(this.#clients.length - 1, Math.floor(which * this.#clients.length))]!;
  }

  #thaw(client: ClientChild, timer: NodeJS.Timeout): void {
    this.#timers.delete(timer);
    if (!client.isGone) client.freeze(false);
  }

  #startClient(): ClientChild {
    const name = `client-${++this.#started}`;
    const client = new ClientChild(name, this.#options.access, this.#log, (message) =>
      this.#heard(client, message),
    );
    this.#clients.push(client);
    this.#pids.push(client.pid);
    this.#reading.set(client, new Set());
    return client;
  }

  #died(client: ClientChild): void {
    this.#clients.splice(this.#clients.indexOf(client), 1);
    for (const entry of this.#ledger.heldBy(client.name)) {
      entry.holder = null;
      // Calls have no id that another client could take up.
      if (entry.plan.work === 'calls') entry.isDone = true;
      if (entry.plan.work === 'large') this.#giveUp(entry);
    }
    for (const entry of this.#reading.get(client)!) entry.readers--;
    this.#reading.delete(client);
    if (!this.#isStopped) this.#startClient();
  }

  /** Nobody can go on with it: it is cancelled, if the Queen has it at all. */
  #giveUp({ plan }: Entry): void {
    const given = this.#observer
      .cancel(plan.id, 'its client was killed')
      .catch((error: Error & { code?: string }) => {
        if (error.code !== 'unknownJob') this.#log.problem(`job ${plan.id}: ${error.message}`);
      })
      .then(() => {
        this.#cancelling.delete(given);
      });
    this.#cancelling.add(given);
  }

  #giveWork(): void {
    for (const client of this.#clients) {
      if (!client.isReady || client.isFrozen || client.isGone) continue;
      const held = this.#ledger.heldBy(client.name).length + this.#reading.get(client)!.size;
      if (held < JOBS_EACH && this.#isOpen) this.#giveSome(client);
    }
  }

  #giveSome(client: ClientChild): void {
    const random = this.#random;
    const choice = random.next();
    const orphan = this.#ledger.takeable.find((entry) => !this.#reading.get(client)!.has(entry));
    if (choice < 0.3 && orphan !== undefined) {
      this.takeUp(orphan, client);
      return;
    }
    const unread = this.#ledger.acknowledged.find(
      (entry) => !entry.isRead && entry.readers === 0 && (entry.isDone || entry.holder !== client.name),
    );
    if (choice < 0.5 && unread !== undefined) {
      unread.readers++;
      this.#reading.get(client)!.add(unread);
      client.send({ type: 'read', plan: unread.plan });
      return;
    }
    const plan = maybeAfter(random, drawPlan(random, this.#options.slots), this.#forerunners());
    this.#tally.jobs++;
    this.#ledger.open(plan, client.name);
    client.send({ type: 'submit', plan, isAgain: false });
  }

  /** Detached jobs that were acknowledged lately and that nobody cancels. */
  #forerunners(): Forerunner[] {
    const { acknowledged } = this.#ledger;
    return acknowledged
      .slice(-FORERUNNERS)
      .filter(({ plan }) => plan.cancelAfterMillis === null)
      .map(({ plan }) => ({ plan, succeeds: !isPartial(plan) && successesOf(plan) === plan.count }));
  }

  /** A job of a client that was killed goes on under the same id, with one that does not have it under way itself. */
  takeUp(
    entry: Entry,
    client = this.#clients.find((each) => !each.isGone && !this.#reading.get(each)!.has(entry)),
  ): void {
    if (client === undefined) return;
    this.#tally.jobsTakenUp++;
    entry.holder = client.name;
    entry.isAgain = true;
    client.send({ type: 'submit', plan: entry.plan, isAgain: true });
  }

  #heard(client: ClientChild, message: FromClient): void {
    if (message.type === 'ready') return;
    const entry = this.#ledger.entries.get(message.job)!;
    if (message.type === 'ended') this.#ended(client, entry, message);
    else {
      entry.isPromised = true;
      this.#planCancel(entry);
    }
  }

  #planCancel(entry: Entry): void {
    const { plan, isAgain } = entry;
    if (plan.cancelAfterMillis === null || isAgain) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const cancelled = this.#cancel(entry).finally(() => this.#cancelling.delete(cancelled));
      this.#cancelling.add(cancelled);
    }, plan.cancelAfterMillis);
    this.#timers.add(timer);
  }

  async #cancel(entry: Entry): Promise<void> {
    this.#tally.jobsCancelled++;
    try {
      const { state } = await this.#observer.cancel(entry.plan.id, 'chaos');
      entry.isCancelled = true;
      if (state === 'waiting' || state === 'running')
        this.#log.problem(`job ${entry.plan.id} is ${state} after it was cancelled`);
    } catch (error) {
      this.#log.problem(`job ${entry.plan.id} could not be cancelled: ${(error as Error).message}`);
    }
  }

  #ended(client: ClientChild, entry: Entry, message: Extract<FromClient, { type: 'ended' }>): void {
    const { plan } = entry;
    this.#tally.results += message.seen;
    const who = `${client.name} as ${message.as} of ${plan.work} job ${plan.id}`;
    this.#log.say(`${who}: ${message.state ?? 'over'}, ${message.seen} results`);
    for (const problem of message.problems) this.#log.problem(`${who}: ${problem}`);
    if (message.as === 'submitter') entry.isDone = true;
    // Said just before it was killed, it may be heard after its readings were given up.
    else if (this.#reading.get(client)?.delete(entry)) {
      entry.readers--;
      entry.isRead = true;
    }
  }
}
