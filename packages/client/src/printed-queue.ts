/**
 * Pieces of what tasks print that wait for their reader, in the order in which they came. Of each stream so many bytes may
 * wait; then the oldest of that stream go, so that a flood on one never costs what the other said last.
 */
import type { Printed } from './printed.ts';

/** Bytes of one stream that may wait. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** What a piece costs beside its bytes, so that many small ones count. */
const PIECE_BYTES = 64;

interface Waiting {
  readonly pieces: (Printed & { readonly order: number })[];
  bytes: number;
}

export class PrintedQueue {
  #order = 0;
  readonly #streams = new Map<string, Waiting>();

  push(printed: Printed): void {
    let waiting = this.#streams.get(printed.stream);
    if (waiting === undefined) {
      waiting = { pieces: [], bytes: 0 };
      this.#streams.set(printed.stream, waiting);
    }
    waiting.pieces.push({ ...printed, order: this.#order++ });
    waiting.bytes += costOf(printed);
    while (waiting.bytes > WAITING_BYTES_MAX && waiting.pieces.length > 1) takeFrom(waiting);
  }

  shift(): Printed | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#streams.values()) if (orderOf(waiting) < orderOf(first)) first = waiting;
    if (first === undefined) return undefined;
    const { order, ...printed } = takeFrom(first);
    return printed;
  }

  clear(): void {
    this.#streams.clear();
  }
}

const costOf = ({ data }: Printed): number => data.length + PIECE_BYTES;
const orderOf = (waiting: Waiting | undefined): number =>
  waiting?.pieces[0]?.order ?? Number.POSITIVE_INFINITY;

function takeFrom(waiting: Waiting) {
  const printed = waiting.pieces.shift()!;
  waiting.bytes -= costOf(printed);
  return printed;
}
