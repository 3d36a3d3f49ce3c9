/**
 * Lines of a file as bytes, for files larger than memory: a line ends with its separator, which is not part of it; what
 * stands after the last separator is a line too unless it is empty. A carriage return belongs to its line.
 */
import { Gathering, type Spool, type Spooled } from './spool.ts';

/** Cuts chunks at `separator`. A line is a view of its chunk, or, beyond 1 MiB, a temporary file. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  separator: number,
  spool: Spool,
): AsyncGenerator<Uint8Array | Spooled> {
  const open = new Gathering(spool);
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(separator); at !== -1; at = chunk.indexOf(separator, from)) {
      const end = chunk.subarray(from, at);
      from = at + 1;
      if (open.isEmpty) {
        yield end;
        continue;
      }
      await open.append(end);
      yield await open.take();
    }
    if (from < chunk.length) await open.append(chunk.subarray(from));
  }
  if (!open.isEmpty) yield await open.take();
}
