/**
 * What happens in the Hive, as a stream that can be taken up again: jobs that change and Drones that come, go or change,
 * as the Queen's overviews show them (twice a second). The last 10,000 events are remembered, each with an id; who comes
 * back with one of them misses nothing, anybody else begins with the whole picture.
 *
 * One watch serves all listeners; it begins with the first of them.
 */
import { randomBytes } from 'node:crypto';
import type { DroneInfo, Hive, JobInfo, Overview } from '@hive/client';

export interface HiveEvent {
  readonly id: string;
  readonly type: 'job' | 'drone' | 'drone_left' | 'reset';
  /** A JobInfo, a DroneInfo, or the `id` of a Drone that left. */
  readonly data: unknown;
}
type Listener = (event: HiveEvent) => void;

const EVENTS_MAX = 10_000;
const EVERY_MILLIS = 500;

export class EventLog {
  readonly #hive: Hive;
  /** Ids of another run of the gateway mean nothing here. */
  readonly #run = randomBytes(4).toString('hex');
  readonly #listeners = new Set<Listener>();
  readonly #events: HiveEvent[] = [];
  readonly #jobs = new Map<string, string>();
  readonly #drones = new Map<string, string>();
  #latest: Overview | null = null;
  #count = 0;
  #watch: AsyncIterableIterator<Overview> | null = null;
  #isClosed = false;

  constructor(hive: Hive) {
    this.#hive = hive;
  }

  /** Whether the gateway still has a session with the Queen. */
  get isLive(): boolean {
    return this.#hive.isConnected;
  }

  /**
   * Calls back with what happened after the event with the id, if it is remembered, else with a `reset` and the whole
   * picture; then with whatever happens, until the function that it returns is called.
   */
  listen(lastId: string | undefined, listener: Listener): () => void {
    const missed = lastId === undefined ? null : this.#after(lastId);
    if (missed === null) for (const event of this.#picture()) listener(event);
    else for (const event of missed) listener(event);
    this.#listeners.add(listener);
    this.#start();
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    void this.#watch?.return?.();
  }

  #start(): void {
    if (this.#watch !== null || this.#isClosed) return;
    this.#watch = this.#hive.watch(EVERY_MILLIS);
    void this.#follow(this.#watch);
  }

  async #follow(watch: AsyncIterableIterator<Overview>): Promise<void> {
    try {
      for await (const overview of watch) this.#take(overview);
    } catch {
      // The session is over for good; listeners notice that by its end.
    } finally {
      this.#watch = null;
    }
  }

  #take(overview: Overview): void {
    this.#latest = overview;
    for (const job of [...overview.jobs].reverse())
      if (changed(this.#jobs, job.id, jobKey(job))) this.#tell('job', job);
    for (const drone of overview.drones)
      if (changed(this.#drones, drone.id, droneKey(drone))) this.#tell('drone', drone);
    const here = new Set(overview.drones.map(({ id }) => id));
    for (const id of [...this.#drones.keys()]) {
      if (here.has(id)) continue;
      this.#drones.delete(id);
      this.#tell('drone_left', { id });
    }
    const jobs = new Set<string>(overview.jobs.map(({ id }) => id));
    for (const id of [...this.#jobs.keys()]) if (!jobs.has(id)) this.#jobs.delete(id);
  }

  #tell(type: HiveEvent['type'], data: unknown): void {
    const event = { id: `${this.#run}-${++this.#count}`, type, data };
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#events.splice(0, EVENTS_MAX / 10);
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Null: that one is not remembered. */
  #after(lastId: string): readonly HiveEvent[] | null {
    const [run, number] = lastId.split('-');
    const first = this.#count - this.#events.length;
    const at = Number(number) - first;
    if (run !== this.#run || !Number.isInteger(at) || at < 0 || at > this.#events.length) return null;
    return this.#events.slice(at);
  }

  #picture(): readonly HiveEvent[] {
    const id = `${this.#run}-${this.#count}`;
    const of = (type: HiveEvent['type'], data: unknown): HiveEvent => ({ id, type, data });
    const { jobs = [], drones = [] } = this.#latest ?? {};
    return [
      of('reset', {}),
      ...[...jobs].reverse().map((job) => of('job', job)),
      ...drones.map((drone) => of('drone', drone)),
    ];
  }
}

function changed(known: Map<string, string>, id: string, key: string): boolean {
  if (known.get(id) === key) return false;
  known.set(id, key);
  return true;
}
const jobKey = ({ state, counts, sealed }: JobInfo): string => JSON.stringify([state, counts, sealed]);
const droneKey = ({ state, busySlots, tasksDone }: DroneInfo): string =>
  JSON.stringify([state, busySlots, tasksDone]);
