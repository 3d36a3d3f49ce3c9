/**
 * What clients and observers ask, answered a few milliseconds at a time: a question of forty bytes may have an answer of half a
 * megabyte that takes as many milliseconds as a lease. So those of a session wait in a line; lines take turns.
 *
 * Invariant: however much is asked, a turn is not held up for longer than `SERVE_MILLIS` and one answer, and what a session is owed
 * (answers that wait for a commit, or to be sent) is bounded. Whose line is long is not read from any more.
 */
import type { Message, Millis, SessionNumber } from '@hive/shared';

export type Question = Message<'Query' | 'Watch'>;
export const isQuestion = (message: Message): message is Question =>
  message.type === 'Query' || message.type === 'Watch';

export interface QuestionDoors {
  /** Steps it; what is said in answer is told by `answered`. */
  step(session: SessionNumber, question: Question): void;
  now(): Millis;
  /** Whether so much waits to be sent already that nothing should be added. */
  isClogged(session: SessionNumber): boolean;
  /** Whether the session is read from. */
  read(session: SessionNumber, is: boolean): void;
}
interface Line {
  readonly waiting: Question[];
  /** Costs of those that have no answer yet. */
  readonly owed: number[];
  cost: number;
  isRead: boolean;
}

/** Of a turn. */
const SERVE_MILLIS = 5;
/** A session with as many questions in line is not read from until half of them are gone. */
const LINE_MAX = 1_000;
/**
 * What a session may be owed, in costs: of a job's summary (for which other nodes may be asked, one of which may be frozen, so
 * that many are owed for seconds), of an explanation, of a task's story (which is read from the store), of a list.
 */
const OWED_MAX = 64;
const COSTS: { readonly [about: string]: number } = { job: 1 / 32, explain: 1, task: 4 };
const costOf = (question: Question): number =>
  (question.type === 'Query' ? COSTS[question.about] : undefined) ?? 8;

export class Questions {
  readonly #doors: QuestionDoors;
  readonly #lines = new Map<SessionNumber, Line>();

  constructor(doors: QuestionDoors) {
    this.#doors = doors;
  }

  ask(session: SessionNumber, question: Question): void {
    let line = this.#lines.get(session);
    if (line === undefined) {
      line = { waiting: [], owed: [], cost: 0, isRead: true };
      this.#lines.set(session, line);
    }
    line.waiting.push(question);
    if (line.waiting.length <= LINE_MAX || !line.isRead) return;
    line.isRead = false;
    this.#doors.read(session, false);
  }

  /** A session was told the answer to a request. True when it may have another one now. */
  answered(session: SessionNumber): boolean {
    const line = this.#lines.get(session);
    const cost = line?.owed.shift();
    if (line === undefined || cost === undefined) return false;
    line.cost -= cost;
    if (line.waiting.length > 0) return true;
    if (line.owed.length === 0) this.#lines.delete(session);
    return false;
  }

  closed(session: SessionNumber): void {
    this.#lines.delete(session);
  }

  /** True when there is more to answer, at once. */
  serve(): boolean {
    if (this.#lines.size === 0) return false;
    const { now } = this.#doors;
    const until = now() + SERVE_MILLIS;
    for (;;) {
      const ready = [...this.#lines].filter(([session, line]) => this.#isReady(session, line));
      if (ready.length === 0) return false;
      for (const [session, line] of ready) {
        this.#serve(session, line);
        if (now() >= until) return this.#hasMore();
      }
    }
  }

  #serve(session: SessionNumber, line: Line): void {
    const question = line.waiting.shift()!;
    // It goes to the back, so that others have their turn although this one's time is up.
    this.#lines.delete(session);
    this.#lines.set(session, line);
    if (question.type === 'Query') {
      const cost = costOf(question);
      line.owed.push(cost);
      line.cost += cost;
    }
    if (!line.isRead && line.waiting.length <= LINE_MAX / 2) {
      line.isRead = true;
      this.#doors.read(session, true);
    }
    this.#doors.step(session, question);
    if (line.waiting.length === 0 && line.owed.length === 0) this.#lines.delete(session);
  }

  #isReady(session: SessionNumber, { waiting, cost }: Line): boolean {
    return waiting.length > 0 && cost < OWED_MAX && !this.#doors.isClogged(session);
  }

  #hasMore(): boolean {
    for (const [session, line] of this.#lines) if (this.#isReady(session, line)) return true;
    return false;
  }
}
