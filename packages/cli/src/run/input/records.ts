/** Bytes cut into records, as byte text: what GNU parallel calls an argument, one at a time, however many there are. */
import { UsageError } from '@hive/shared';
import { type ByteText, bytesToByteText, SPACES, shownText } from '../byte-text.ts';

/** No value is longer than a command line may be; more than this is a wrong delimiter. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;

export interface RecordRules {
  /** What ends a record. */
  readonly delimiter: ByteText;
  /** A record that ends the source, or null. */
  readonly end: ByteText | null;
  readonly skipsEmpty: boolean;
  /** A space at the end of a record joins it to the next one (-L). */
  readonly joinsOpen: boolean;
}

/** @throws UsageError for a record beyond 64 MiB */
export async function* splitRecords(
  chunks: AsyncIterable<Uint8Array>,
  delimiter: ByteText,
): AsyncGenerator<ByteText> {
  let open = '';
  for await (const chunk of chunks) {
    // A delimiter of several bytes may lie across two chunks, so the search begins before the seam.
    let searchFrom = Math.max(0, open.length - delimiter.length + 1);
    open += bytesToByteText(chunk);
    let from = 0;
    for (let at = open.indexOf(delimiter, searchFrom); at !== -1; at = open.indexOf(delimiter, searchFrom)) {
      yield open.slice(from, at);
      from = at + delimiter.length;
      searchFrom = from;
    }
    open = open.slice(from);
    if (open.length > RECORD_BYTES_MAX) {
      throw new UsageError(
        `A record begins with "${shownText(open.slice(0, 40))}…" and has no end within 64 MiB: say with -d or -0 what ends one.`,
      );
    }
  }
  if (open !== '') yield open;
}

/** Values of the command line are records, too: one that holds the delimiter is several. */
export function* splitValues(values: readonly ByteText[], delimiter: ByteText): Generator<ByteText> {
  for (const value of values) yield* value.split(delimiter);
}

const BLANK = new RegExp(`^[${SPACES}]*$`);
const OPEN = new RegExp(`[${SPACES}]$`);

/** What is left of the records: up to the end mark, without the empty ones, with open ones joined. */
export async function* applyRules(
  records: AsyncIterable<ByteText> | Iterable<ByteText>,
  { end, skipsEmpty, joinsOpen }: RecordRules,
): AsyncGenerator<ByteText> {
  let before: ByteText | null = null;
  for await (const record of records) {
    if (end !== null && record === end) break;
    const joined: ByteText = before === null ? record : before + record;
    before = null;
    if (skipsEmpty && BLANK.test(joined)) continue;
    if (joinsOpen && OPEN.test(joined)) before = joined;
    else yield joined;
  }
  if (before !== null) yield before;
}
