/**
 * The one place that enforces the order of append and send: what is to be said after a commit waits for every append
 * that was issued before it; at most one commit is in flight; what gathers meanwhile goes into the next one.
 *
 * A commit that nobody waits for is put off for a moment, because another is usually on its way: a single call then costs
 * one commit, with its result, instead of three.
 *
 * States: idle (nothing in flight; a turn without appends passes straight through), committing (sends gather behind the
 * next commit), failed (the commit is tried again by `retry`; its sends stay held).
 */
import type { MessageType, Millis } from '@hive/shared';
import type { Effects, Send, StoreRecord } from './types.ts';

/** Nobody's work stands still while these are held back for a moment. */
const PATIENT: ReadonlySet<MessageType> = new Set<MessageType>(['InputCredit', 'Progress', 'ResultAck']);
/** For so long a commit is put off when nobody waits for it, in milliseconds. */
const PATIENCE_MILLIS = 2;

export interface PipelineDoors {
  /** Takes records; they can be read at once but are not durable yet. */
  keep(records: readonly StoreRecord[]): void;
  /** Makes all that was kept durable: null when it is so on return, else a promise. */
  commit(): Promise<void> | null;
  deliver(sends: readonly Send[]): void;
  /** A commit failed; call `retry` when it may go better. */
  failed(error: unknown): void;
}

export class CommitPipeline {
  readonly #doors: PipelineDoors;
  /** Sends that wait for the commit in flight; null when there is none. */
  #inFlight: readonly Send[] | null = null;
  #isFailed = false;
  /** Sends that wait for the next commit, and whether there is anything for it to commit. */
  #gathered: Send[] = [];
  /** What is to be done once the commit in flight, and the next one, is durable. */
  #inFlightThen: readonly (() => void)[] = [];
  #gatheredThen: (() => void)[] = [];
  #isDirty = false;
  #isUrgent = false;
  /** When what has gathered is committed at the latest; null while nothing has, or a commit is in flight. */
  #dueAt: Millis | null = null;

  constructor(doors: PipelineDoors) {
    this.#doors = doors;
  }

  /** Nothing is held and nothing is in flight. */
  get isIdle(): boolean {
    return this.#inFlight === null && !this.#isDirty && this.#gathered.length === 0;
  }

  /** Takes the appends of one turn, the sends that wait for them, and what else is to be done once they are durable. */
  push(
    { append, afterCommit }: Pick<Effects, 'append' | 'afterCommit'>,
    then: (() => void) | null = null,
  ): void {
    if (then !== null) this.#gatheredThen.push(then);
    if (append.length > 0) {
      this.#doors.keep(append);
      this.#isDirty = true;
    }
    for (const send of afterCommit) {
      this.#gathered.push(send);
      if (!PATIENT.has(send.message.type)) this.#isUrgent = true;
    }
  }

  /** When `flush` is due again, or null. */
  get dueAt(): Millis | null {
    return this.#dueAt;
  }

  /** Starts the next commit, unless one is in flight or nobody waits for it yet. */
  flush(now: Millis): void {
    if (this.#inFlight !== null) return;
    if (this.#isDirty && !this.#isUrgent) {
      this.#dueAt ??= now + PATIENCE_MILLIS;
      if (now < this.#dueAt) return;
    }
    this.#next();
  }

  #next(): void {
    this.#dueAt = null;
    this.#isUrgent = false;
    const sends = this.#gathered;
    this.#gathered = [];
    const then = this.#gatheredThen;
    this.#gatheredThen = [];
    if (!this.#isDirty) {
      this.#doors.deliver(sends);
      for (const action of then) action();
      return;
    }
    this.#isDirty = false;
    this.#inFlight = sends;
    this.#inFlightThen = then;
    this.#commit();
  }

  /** Tries a failed commit once more. */
  retry(): void {
    if (!this.#isFailed) return;
    this.#isFailed = false;
    this.#commit();
  }

  #commit(): void {
    let durable: Promise<void> | null;
    try {
      durable = this.#doors.commit();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (durable === null) this.#done();
    else {
      durable.then(
        () => this.#done(),
        (error: unknown) => this.#fail(error),
      );
    }
  }

  #done(): void {
    const sends = this.#inFlight ?? [];
    const then = this.#inFlightThen;
    this.#inFlight = null;
    this.#inFlightThen = [];
    this.#doors.deliver(sends);
    for (const action of then) action();
    this.#next();
  }

  #fail(error: unknown): void {
    this.#isFailed = true;
    this.#doors.failed(error);
  }
}
