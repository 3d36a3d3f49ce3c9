/**
 * Rows gathered to what one command takes: one, at most so many (-n, -N, -L), or as many as its line has room for (-X, -m,
 * --xargs). At the end of the input, -X and -m spread what is left over all slots.
 */
import { UsageError } from '@hive/shared';
import { shownText } from '../byte-text.ts';
import type { Value } from '../template/fill.ts';

/** One row of values, or of nothing (-N0). */
export type BatchRow = readonly Value[];

export interface Batch {
  readonly rows: readonly BatchRow[];
}

export interface BatchRules {
  /** Null: as many as there is room for. */
  readonly rowsMax: number | null;
  /** Bytes of a command line; it must be shorter. */
  readonly bytesMax: number;
  /** Commands at a time that the last rows are spread over, or null to leave them together. */
  readonly spreadOver: number | null;
}

/** The length of a line as it grows. */
export interface LineMeter {
  add(row: BatchRow): void;
  readonly bytes: number;
}

/**
 * @param newMeter a meter for the command with this number
 * @throws UsageError for a row that is too long by itself
 */
export async function* batches(
  rows: AsyncIterable<BatchRow>,
  rules: BatchRules,
  newMeter: (seq: number) => LineMeter,
): AsyncGenerator<Batch> {
  const { rowsMax, bytesMax, spreadOver } = rules;
  let seq = 1;
  let meter = newMeter(seq);
  let gathered: BatchRow[] = [];
  let read = 0;
  const isFull = () => rowsMax !== null && gathered.length >= rowsMax;
  const take = (): Batch => {
    const batch = { rows: gathered };
    gathered = [];
    meter = newMeter(++seq);
    return batch;
  };
  for await (const row of rows) {
    read++;
    if (isFull()) yield take();
    gathered.push(row);
    meter.add(row);
    if (meter.bytes < bytesMax) {
      // What is not spread at the end does not wait for another row, which may be long in coming.
      if (spreadOver === null && isFull()) yield take();
      continue;
    }
    if (gathered.length === 1) throw tooLong(row, read, meter.bytes, bytesMax);
    gathered.pop();
    yield take();
    gathered.push(row);
    meter.add(row);
    if (meter.bytes >= bytesMax) throw tooLong(row, read, meter.bytes, bytesMax);
  }
  if (gathered.length === 0) return;
  if (spreadOver !== null && gathered.length > 1) {
    const share = Math.ceil(gathered.length / spreadOver);
    for (let at = 0; at < gathered.length; at += share) yield { rows: gathered.slice(at, at + share) };
  } else yield { rows: gathered };
}

function tooLong(row: BatchRow, number: number, bytes: number, bytesMax: number): UsageError {
  const values = shownText(row.map((value) => value ?? '').join(' '));
  const shown = values.length > 50 ? `${values.slice(0, 50)}...` : values;
  return new UsageError(
    `Command line too long (${bytes} >= ${bytesMax}) at input ${number - 1}: ${shown}`,
    'commandTooLong',
  );
}
