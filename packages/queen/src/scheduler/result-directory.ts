/**
 * Which result pages of a job the store holds, without their bytes: in the order of recording (seq) and in task order.
 * Pages never overlap, because recording is by index.
 */

export interface ResultEntry {
  readonly seq: number;
  readonly first: number;
  readonly count: number;
  /** Cost against a credit, in bytes. */
  readonly cost: number;
  /** Bytes of its values that are not in the page; absent: none. */
  readonly streamBytes?: number;
  /** It is one value for all its tasks. */
  readonly reduced?: true;
}

/** Shared by all jobs without results; never written to. */
const NO_ENTRIES: Map<number, ResultEntry> = new Map();

export class ResultDirectory {
  #bySeq: Map<number, ResultEntry> = NO_ENTRIES;
  #byFirst: Map<number, ResultEntry> = NO_ENTRIES;
  /** What all of it takes to keep. */
  heldBytes = 0;

  add(entry: ResultEntry): void {
    if (this.#bySeq === NO_ENTRIES) {
      this.#bySeq = new Map();
      this.#byFirst = new Map();
    }
    this.#bySeq.set(entry.seq, entry);
    this.#byFirst.set(entry.first, entry);
    this.heldBytes += entry.cost + (entry.streamBytes ?? 0);
  }

  delete(seq: number): void {
    const entry = this.#bySeq.get(seq);
    if (entry === undefined) return;
    this.#bySeq.delete(seq);
    this.#byFirst.delete(entry.first);
    this.heldBytes -= entry.cost + (entry.streamBytes ?? 0);
  }

  bySeq(seq: number): ResultEntry | undefined {
    return this.#bySeq.get(seq);
  }

  /** The page that holds `index`. Reading in order it is the one that starts there; only a resumed reader is amid one. */
  holding(index: number): ResultEntry | undefined {
    const starting = this.#byFirst.get(index);
    if (starting !== undefined) return starting;
    for (const entry of this.#bySeq.values()) {
      if (entry.first <= index && index < entry.first + entry.count) return entry;
    }
    return undefined;
  }
  /** The page that starts at `index`. */
  startingAt(index: number): ResultEntry | undefined {
    return this.#byFirst.get(index);
  }

  /** Pages in the order of recording. */
  values(): IterableIterator<ResultEntry> {
    return this.#bySeq.values();
  }
  get pages(): number {
    return this.#bySeq.size;
  }
}
