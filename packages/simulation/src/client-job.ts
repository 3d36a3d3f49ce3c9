/**
 * One job as its client sees it: appends under credit, seals, and reads the results as far as its own credit goes. Every
 * page that arrives is shown to the auditor.
 *
 * `connected` begins a session: Submit, then, once Accepted says where the Queen stands, Append from there; results are
 * asked for from the reader's cursor on.
 */
import { type Message, PageBuilder } from '@hive/shared';
import { inputOf, type JobPlan, parentsOf } from './plan.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** What a client is to do with a job. */
export interface JobOrder {
  readonly plan: JobPlan;
  readonly order: 'seq' | 'index';
  /** Tasks in one Append at most. */
  readonly pageTasks: number;
  /** Result bytes asked for ahead. */
  readonly creditBytes: number;
  /** Milliseconds between two Appends: 0 at once, more for calls that come one by one. */
  readonly appendMillis: number;
  /** Milliseconds that the client thinks about each page of results, at most. */
  readonly readMillis: number;
  /** Whether it says which results it will not ask for again. */
  readonly saysReceived: boolean;
  /** Reads somebody else's job: never submits. */
  readonly isFollower: boolean;
  /** Submits it with all of its inputs, and follows it, or leaves it to the Queen; absent: inputs are appended. */
  readonly whole?: 'followed' | 'left';
}

export interface ClientJob {
  readonly order: JobOrder;
  readonly isSealed: boolean;
  readonly isDone: boolean;
  connected(): void;
  disconnected(): void;
  receive(message: Message): void;
  stop(): void;
}

export function newClientJob(
  world: World,
  process: Process,
  order: JobOrder,
  say: (message: Message) => void,
  random: Random,
): ClientJob {
  return new OrderedJob(world, process, order, say, random);
}

/** Pages are small, so that there are many. */
const PAGE_BYTES = 2_048;

class OrderedJob implements ClientJob {
  readonly order: JobOrder;
  readonly #world: World;
  readonly #process: Process;
  readonly #say: (message: Message) => void;
  readonly #random: Random;
  readonly #reader: object = {};
  /** Sessions so far: what was planned in an earlier one is not done in a later. */
  #session = 0;
  #isConnected = false;
  /** The Queen has said in this session where she stands. */
  #isAccepted = false;
  #next = 0;
  #credit = 0;
  #cursor = 0;
  #isAppending = false;
  isSealed = false;
  #isRead = false;
  #hasEnded = false;
  #isRefused = false;

  constructor(
    world: World,
    process: Process,
    order: JobOrder,
    say: (message: Message) => void,
    random: Random,
  ) {
    this.#world = world;
    this.#process = process;
    this.order = order;
    this.#say = say;
    this.#random = random;
    this.isSealed = order.isFollower || order.plan.spec.range !== undefined;
  }

  get isDone(): boolean {
    return (this.#isRead && this.#hasEnded) || this.#isRefused;
  }

  connected(): void {
    this.#session++;
    this.#isConnected = true;
    this.#isAppending = false;
    this.#isAccepted = false;
    this.#credit = 0;
    const { plan, isFollower } = this.order;
    // One that has ended may have been removed: submitted again it would run again.
    if (isFollower || this.#hasEnded) this.#subscribe();
    else this.#say({ type: 'Submit', job: plan.id, spec: plan.spec, ...this.#whole() });
  }

  /** All inputs, as long as the Queen is not known to have them. */
  #whole(): Pick<Message<'Submit'>, 'inputs' | 'follow'> {
    const { plan, whole } = this.order;
    if (whole === undefined || this.isSealed) return {};
    const builder = new PageBuilder();
    while (builder.count < plan.count) builder.push(inputOf(plan, builder.count));
    const { count, sizes, data } = builder.take();
    return { inputs: { count, sizes, data }, ...(whole === 'left' ? { follow: false } : {}) };
  }

  disconnected(): void {
    this.#session++;
    this.#isConnected = false;
    this.#isAccepted = false;
  }
  stop(): void {
    this.disconnected();
  }

  receive(message: Message): void {
    if (message.type === 'Accepted') this.#accepted(message);
    else if (message.type === 'InputCredit') {
      this.#credit += message.bytes;
      this.#append();
    } else if (message.type === 'Results') this.#results(message);
    else if (message.type === 'JobDone') this.#ended(message);
    else if (message.type === 'Refused') this.#refused(message);
  }

  #accepted({ count, sealed, bytes }: Message<'Accepted'>): void {
    this.#world.auditor.accepted(this.order.plan, count, sealed);
    // A Submit that was repeated in the same session is answered twice.
    if (this.#isAccepted) return;
    this.#isAccepted = true;
    this.#next = count;
    this.#credit = bytes;
    this.isSealed = sealed;
    this.#append();
    this.#subscribe();
  }

  #subscribe(): void {
    const { plan, order, creditBytes, saysReceived } = this.order;
    const received = saysReceived && this.#cursor > 0 ? { received: this.#cursor } : {};
    this.#say({
      type: 'ResultCredit',
      job: plan.id,
      bytes: creditBytes,
      order,
      after: this.#cursor,
      ...received,
    });
  }

  #append(): void {
    const { plan, appendMillis } = this.order;
    if (this.#isAppending || this.isSealed || this.#hasEnded || !this.#isAccepted) return;
    if (this.#next === plan.count) {
      this.isSealed = true;
      this.#say({ type: 'Seal', job: plan.id, count: plan.count });
      return;
    }
    if (this.#credit <= 0) return;
    if (appendMillis === 0) {
      this.#appendPage();
      this.#append();
      return;
    }
    this.#isAppending = true;
    const session = this.#session;
    this.#process.after(this.#random.between(0, 2 * appendMillis), () => {
      if (session !== this.#session) return;
      this.#isAppending = false;
      if (this.#credit > 0) this.#appendPage();
      this.#append();
    });
  }

  #appendPage(): void {
    const { plan, pageTasks } = this.order;
    const tasks = Math.min(plan.count - this.#next, this.#random.int(1, pageTasks));
    const builder = new PageBuilder(this.#next);
    while (builder.count < tasks && builder.bytes < PAGE_BYTES) builder.push(inputOf(plan, this.#next++));
    const page = builder.take();
    this.#credit -= page.data.length + 4 * page.count;
    this.#say({ type: 'Append', job: plan.id, ...page, ...parentLists(plan, page) });
  }

  #results(message: Message<'Results'>): void {
    const { plan, order, readMillis } = this.order;
    this.#world.auditor.resultsRead(this.#reader, plan, order, message);
    if (message.last) this.#isRead = true;
    if (message.count > 0) this.#cursor = order === 'seq' ? message.seq : message.first + message.count;
    const bytes = message.data.length + 4 * message.count;
    const session = this.#session;
    this.#process.after(this.#random.between(0, readMillis), () => {
      if (session !== this.#session || !this.#isConnected) return;
      const received = this.order.saysReceived ? { received: this.#cursor } : {};
      if (!message.last || this.order.saysReceived)
        this.#say({ type: 'ResultCredit', job: plan.id, bytes, ...received });
    });
    if (this.isDone) this.#done();
  }

  #ended(message: Message<'JobDone'>): void {
    this.#world.auditor.jobDone(this.order.plan, message);
    // It ends once more when it has been retried; that is for others to read.
    if (this.isDone) return;
    this.#hasEnded = true;
    if (this.isDone) this.#done();
  }
  #done(): void {
    this.#world.auditor.readerDone(this.#reader, this.order.plan);
  }

  #refused({ code, message }: Message<'Refused'>): void {
    const { plan, isFollower } = this.order;
    const { auditor } = this.#world;
    if (code === 'unknownJob' && auditor.isRemoved(plan)) this.#isRefused = true;
    else if (code === 'storeLow' || (code === 'unknownJob' && isFollower)) this.#tryLater();
    else if (code === 'badSpec' && auditor.comesAfterUnknown(plan)) this.#waitForOthers();
    else if (code !== 'jobDiffers') auditor.fail(`${plan.name} was refused: ${code} ${message}`);
  }
  /** A job that it shall come after is not here yet, or never will be. */
  #waitForOthers(): void {
    const { auditor } = this.#world;
    const others = this.order.plan.spec.after ?? [];
    this.#isRefused = others.some(({ job }) => auditor.willNeverBe(this.#world.planOf(job)));
    if (this.#isRefused) auditor.gaveUp(this.order.plan);
    else this.#tryLater();
  }
  #tryLater(): void {
    const session = this.#session;
    this.#process.after(this.#random.between(300, 900), () => {
      if (session === this.#session) this.connected();
    });
  }
}

function parentLists(
  plan: JobPlan,
  { first, count }: { readonly first: number; readonly count: number },
): { readonly parents?: readonly number[] } {
  if (plan.graph === undefined) return {};
  const parents: number[] = [];
  for (let index = first; index < first + count; index++) {
    const own = parentsOf(plan, index);
    parents.push(own.length, ...own);
  }
  return { parents };
}
