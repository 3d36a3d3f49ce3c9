/**
 * The session of a task that submits work: a client with the pass of its lease, which submits one job at a time and hears of its
 * end. Whatever goes wrong with it fails what it was asked for; it never dials again, as the real one does not.
 */
import type { LeaseOrder } from '@hive/drone';
import { helloOf, LIMITS, type Message, type PeerId, Session } from '@hive/shared';
import { Connection } from '../connection.ts';
import type { JobPlan } from '../plan.ts';
import type { Process } from '../process.ts';
import type { Random } from '../random.ts';
import { describe } from '../trace.ts';
import type { World } from '../world.ts';

interface Asked {
  readonly plan: JobPlan;
  /** Who reads its results, for the auditor. */
  readonly reader: object;
  /** @param isDone all of its tasks have succeeded */
  readonly ended: (isDone: boolean) => void;
}

export class TaskSession {
  readonly name: string;
  readonly #world: World;
  readonly #process: Process;
  readonly #random: Random;
  readonly #order: LeaseOrder;
  #connection: Connection | null = null;
  #isOpen = false;
  #isLost = false;
  /** The task has ended: nobody waits for anything. */
  #isOver = false;
  #asked: Asked | null = null;
  #heartbeatMillis = 1_000;
  #heardAt = 0;

  constructor(world: World, process: Process, random: Random, order: LeaseOrder, name: string) {
    this.#world = world;
    this.#process = process;
    this.#random = random;
    this.#order = order;
    this.name = name;
  }

  /** Submits a job below the task's own; `ended` is called later, and once, unless the task ends before. */
  submit(plan: JobPlan, ended: (isDone: boolean) => void): void {
    this.#asked = { plan, reader: {}, ended };
    this.#world.adopt(plan);
    // It may be cancelled at any moment, with its lease.
    this.#world.auditor.clientKilled([{ order: { plan } }]);
    if (this.#isLost) this.#process.after(0.01, () => this.#answer(false));
    else if (this.#connection === null) this.#dial();
    else if (this.#isOpen) this.#say({ type: 'Submit', job: plan.id, spec: plan.spec });
  }

  read(isReading: boolean): void {
    this.#connection?.end.read(isReading);
  }

  /** The task has ended. */
  end(): void {
    this.#isOver = true;
    this.#asked = null;
    if (this.#isOpen) this.#connection!.farewell({ type: 'Goodbye', message: 'the task has ended' });
    else this.#connection?.destroy(null);
  }
  /** Its process is killed. */
  vanish(): void {
    this.#isOver = true;
    this.#asked = null;
    this.#connection?.end.destroy();
  }

  #dial(): void {
    const end = this.#world.network.dial();
    if (end === null) {
      this.#isLost = true;
      this.#process.after(0.01, () => this.#answer(false));
      return;
    }
    end.isReading = !this.#process.isFrozen;
    const connection: Connection = new Connection(end, new Session('queen'), {
      message: (message) => this.#process.run(() => this.#receive(message)),
      heard: () => {
        this.#heardAt = this.#world.time.now;
      },
      closed: () => this.#process.run(() => this.#lost()),
    });
    this.#connection = connection;
    this.#heardAt = this.#world.time.now;
    const { job, pass } = this.#order;
    const peer = this.#random.hex(32) as PeerId;
    const task = { job, lease: pass!.lease, token: pass!.token };
    connection.send(helloOf({ role: 'client', peer, name: this.name, task }));
    this.#watch();
  }

  /** Heartbeats, and the end of a session on which nothing is heard. */
  #watch(): void {
    if (this.#isOver || this.#isLost) return;
    const silence = LIMITS.silentHeartbeats * this.#heartbeatMillis + LIMITS.silentExtraMillis;
    if (this.#world.time.now - this.#heardAt >= silence) {
      this.#connection!.destroy(null);
      return;
    }
    if (this.#isOpen) this.#say({ type: 'Heartbeat' });
    this.#process.after(this.#heartbeatMillis / 2, () => this.#watch());
  }

  #say(message: Message): void {
    this.#world.trace.add(this.name, () => `> ${describe(message, this.#world.nameOf)}`);
    this.#connection!.send(message);
  }

  #receive(message: Message): void {
    if (this.#isOver || this.#isLost) return;
    this.#heardAt = this.#world.time.now;
    const asked = this.#asked;
    if (message.type === 'Welcome') {
      this.#connection!.session.open();
      this.#isOpen = true;
      this.#heartbeatMillis = message.heartbeatMillis;
      if (asked !== null) this.#say({ type: 'Submit', job: asked.plan.id, spec: asked.plan.spec });
    } else if (asked !== null && (message as { job?: string }).job === asked.plan.id)
      this.#told(asked, message);
  }

  #told({ plan, reader }: Asked, message: Message): void {
    const { auditor } = this.#world;
    if (message.type === 'Accepted') {
      auditor.accepted(plan, message.count, message.sealed);
      this.#say({ type: 'ResultCredit', job: plan.id, bytes: 1_000_000, order: 'seq', after: 0 });
    } else if (message.type === 'Results') auditor.resultsRead(reader, plan, 'seq', message);
    else if (message.type === 'JobDone') {
      auditor.jobDone(plan, message);
      this.#answer(message.state === 'succeeded');
    } else if (message.type === 'Refused') {
      // Its lease is over, and its session will be; or the disk is full. What else is refused, is refused wrongly.
      if (message.code !== 'notPermitted' && message.code !== 'storeLow')
        auditor.fail(`${plan.name} was refused: ${message.code} ${message.message}`);
      this.#answer(false);
    }
  }

  #lost(): void {
    this.#isLost = true;
    this.#isOpen = false;
    this.#answer(false);
  }

  #answer(isDone: boolean): void {
    const asked = this.#asked;
    this.#asked = null;
    if (!this.#isOver) asked?.ended(isDone);
  }
}
