/**
 * A simulated client: it speaks PROTOCOL.md section 4 on the real Session and is otherwise as simple as can be. When its
 * connection is gone it dials again, submits its jobs anew, goes on appending where the Queen stands, and asks for results
 * from where it stopped.
 */
import { helloOf, LIMITS, type Message, type PeerId, redialDelay, Session } from '@hive/shared';
import { type ClientJob, type JobOrder, newClientJob } from './client-job.ts';
import { Connection } from './connection.ts';
import type { Wire } from './network.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import { describe } from './trace.ts';
import type { World } from './world.ts';

export class SimClient {
  readonly process: Process;
  readonly random: Random;
  readonly peer: PeerId;
  readonly jobs = new Map<string, ClientJob>();
  readonly #world: World;
  #connection: Connection | null = null;
  #attempts = 0;
  #heartbeatMillis = 1_000;
  #heardAt = 0;
  #saidAt = 0;
  #requests = 0;
  /** What it is to start when it is not frozen any more. */
  readonly #awaited = new Set<JobOrder>();
  /** Who waits for the answer to a request. */
  readonly #asked = new Map<number, (answer: Message<'Answer'> | Message<'Refused'>) => void>();

  constructor(world: World, name: string, random: Random = world.random.fork()) {
    this.#world = world;
    this.random = random;
    this.peer = this.random.hex(32) as PeerId;
    this.process = new Process(name, world.time);
    this.process.onReading = (isReading) => this.#connection?.end.read(isReading);
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#connection?.session.state === 'open';
  }
  /** Everything that it wanted has come. */
  get isDone(): boolean {
    for (const job of this.jobs.values()) if (!job.isDone) return false;
    return true;
  }

  /** What it is connected by now. */
  get wire(): Wire | null {
    return this.#connection?.end.wire ?? null;
  }

  start(order: JobOrder): void {
    if (!this.process.isAlive && !order.isFollower) this.#world.auditor.gaveUp(order.plan);
    this.#awaited.add(order);
    this.process.run(() => {
      this.#awaited.delete(order);
      // A client reads a job once at a time.
      if (this.jobs.get(order.plan.id)?.isDone === false) return;
      const job = newClientJob(
        this.#world,
        this.process,
        order,
        (message) => this.say(message),
        this.random.fork(),
      );
      this.jobs.set(order.plan.id, job);
      if (this.isOpen) job.connected();
    });
  }

  say(message: Message): void {
    if (!this.isOpen) return;
    this.#saidAt = this.#world.time.now;
    this.#world.trace.add(this.process.name, () => `> ${describe(message, this.#world.nameOf)}`);
    this.#connection!.send(message);
  }

  cancel(job: string, indices?: readonly number[]): void {
    const request = ++this.#requests;
    this.#world.auditor.cancelled(job, indices ?? null);
    const id = this.#world.planOf(job).id;
    this.say({ type: 'Cancel', request, job: id, ...(indices === undefined ? {} : { indices }) });
  }

  /** Asks for something to be changed; what is said while there is no session is lost, and so are answers. */
  manage(
    what: Pick<Message<'Manage'>, 'action' | 'job' | 'drone'>,
    answered: (answer: Message<'Answer'> | Message<'Refused'>) => void,
  ): void {
    const request = ++this.#requests;
    this.#asked.set(request, answered);
    this.say({ type: 'Manage', request, ...what });
  }

  kill(): void {
    this.#world.auditor.clientKilled([...this.jobs.values()]);
    this.process.kill();
    this.#connection?.end.destroy();
    for (const job of this.jobs.values()) job.stop();
    for (const { plan, isFollower } of this.#awaited) if (!isFollower) this.#world.auditor.gaveUp(plan);
  }
  /** It says goodbye and goes. */
  leave(): void {
    if (this.isOpen) this.#connection!.farewell({ type: 'Goodbye', message: 'done' });
    this.#connection = null;
    this.process.kill();
  }

  #dial(): void {
    const end = this.#world.network.dial();
    if (end === null) {
      this.#rest();
      return;
    }
    end.isReading = !this.process.isFrozen;
    const connection: Connection = new Connection(end, new Session('queen'), {
      message: (message) => this.process.run(() => this.#receive(connection, message)),
      heard: () => {
        this.#heardAt = this.#world.time.now;
      },
      closed: () => this.process.run(() => this.#closed(connection)),
      // A real client waits with its pages until there is room.
      bufferedBytesMax: Number.POSITIVE_INFINITY,
    });
    this.#connection = connection;
    this.#heardAt = this.#world.time.now;
    connection.send(helloOf({ role: 'client', peer: this.peer, name: this.process.name }));
    this.#watch(connection);
  }

  #rest(): void {
    this.process.after(redialDelay(this.#attempts++, this.random.next()), () => this.#dial());
  }

  /** Heartbeats, and the end of a connection on which nothing is heard. */
  #watch(connection: Connection): void {
    if (connection !== this.#connection) return;
    const { now } = this.#world.time;
    const silence = LIMITS.silentHeartbeats * this.#heartbeatMillis + LIMITS.silentExtraMillis;
    if (now - this.#heardAt >= silence) {
      connection.destroy(null);
      return;
    }
    if (now - this.#saidAt >= this.#heartbeatMillis) this.say({ type: 'Heartbeat' });
    this.process.after(this.#heartbeatMillis / 2, () => this.#watch(connection));
  }

  #closed(connection: Connection): void {
    if (connection !== this.#connection) return;
    this.#connection = null;
    for (const job of this.jobs.values()) job.disconnected();
    this.#rest();
  }

  #receive(connection: Connection, message: Message): void {
    if (connection !== this.#connection) return;
    this.#heardAt = this.#world.time.now;
    if (message.type === 'Welcome') {
      connection.session.open();
      this.#heartbeatMillis = message.heartbeatMillis;
      this.#attempts = 0;
      for (const job of this.jobs.values()) if (!job.isDone) job.connected();
      return;
    }
    if (message.type === 'Goodbye' && message.code !== 'silent' && message.code !== 'stopping') {
      this.#world.auditor.fail(`the Queen blames ${this.process.name}: ${message.code} ${message.message}`);
    }
    if ((message.type === 'Answer' || message.type === 'Refused') && message.request !== undefined) {
      this.#asked.get(message.request)?.(message);
      this.#asked.delete(message.request);
    }
    const { job } = message as { job?: string };
    if (job !== undefined) this.jobs.get(job)?.receive(message);
  }
}
