/**
 * The results of one job on their way to the client: how much the Queen may send ahead, and where to go on after a
 * reconnect. It touches no socket; messages come out as values.
 *
 * Memory: what the consumer has not taken is at most the window and one page, because credit is granted only for what
 * was consumed. Credit goes back in bulk: a quarter of the window at a time.
 */
import { type ClientToQueen, type JobId, LIMITS, type Message } from '@hive/shared';
import { pageCost } from './upload.ts';

export type ResultOrder = 'seq' | 'index';

export class Download {
  readonly #job: JobId;
  readonly #order: ResultOrder;
  readonly #windowBytes: number;
  /** Everything up to here has arrived: a sequence number, or the next index. */
  #position: number;
  /** Position that the Queen was last told of. */
  #told: number;
  /** Bytes that arrived and were not consumed. */
  #held = 0;
  /** Bytes that were consumed and not granted again. */
  #owed = 0;
  #isOver = false;
  /** Pages that were not consumed, as they came; the Queen keeps them until then, and can be asked about their tasks. */
  readonly #unconsumed = new Set<Message<'Results'>>();
  /** Pages with streams that were not read yet, and how many: the Queen keeps these, too. */
  readonly #unread = new Map<Message<'Results'>, number>();

  constructor(job: JobId, order: ResultOrder, after: number, windowBytes: number = LIMITS.resultCreditBytes) {
    this.#job = job;
    this.#order = order;
    this.#position = after;
    this.#told = after;
    this.#windowBytes = windowBytes;
  }

  /** Whether the last page has arrived. */
  get isOver(): boolean {
    return this.#isOver;
  }
  get hasArrived(): boolean {
    return this.#position > 0;
  }
  get heldBytes(): number {
    return this.#held;
  }

  /** Opens the subscription in a new session: from where it stands, with what the window has left. */
  open(): ClientToQueen {
    this.#owed = 0;
    const bytes = Math.max(0, this.#windowBytes - this.#held);
    return { type: 'ResultCredit', job: this.#job, bytes, order: this.#order, after: this.#position };
  }

  /** Takes note of a page. False when it has been here before (or nothing is asked for), and must be dropped. */
  arrived(page: Message<'Results'>): boolean {
    if (this.#isOver) return false;
    const at = this.#order === 'seq' ? page.seq : page.first + page.count;
    const isOld = page.count > 0 && at <= this.#position;
    if (page.count > 0 && !isOld) this.#position = at;
    if (page.last) this.#isOver = true;
    if (isOld) return page.last === true;
    this.#held += pageCost(page);
    this.#unconsumed.add(page);
    if (page.streams !== undefined) this.#unread.set(page, page.streams.length);
    return true;
  }

  /** The consumer is done with a page. Answers with a grant when enough has gathered. */
  consumed(page: Message<'Results'>): ClientToQueen | null {
    this.#unconsumed.delete(page);
    const cost = pageCost(page);
    this.#held -= cost;
    this.#owed += cost;
    return this.#owed * 4 >= this.#windowBytes ? this.#grant() : null;
  }

  /** One of a page's streams was read, or will not be. */
  settled(page: Message<'Results'>): void {
    const left = (this.#unread.get(page) ?? 0) - 1;
    if (left > 0) this.#unread.set(page, left);
    else this.#unread.delete(page);
  }

  /** Whatever is due, however little. */
  flush(): ClientToQueen | null {
    return this.#received > this.#told ? this.#grant() : null;
  }

  /** Everything up to here will never be asked for again. */
  get #received(): number {
    let received = this.#position;
    const wait = ({ seq, first }: Message<'Results'>) => {
      received = Math.min(received, this.#order === 'seq' ? seq - 1 : first);
    };
    // They come in this order.
    for (const page of this.#unconsumed) {
      wait(page);
      break;
    }
    for (const page of this.#unread.keys()) wait(page);
    return received;
  }

  #grant(): ClientToQueen | null {
    if (this.#isOver) return null;
    const bytes = this.#owed;
    this.#owed = 0;
    this.#told = this.#received;
    return { type: 'ResultCredit', job: this.#job, bytes, received: this.#told };
  }
}
