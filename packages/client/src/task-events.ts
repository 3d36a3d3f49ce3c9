/**
 * What functions say while they run: how far they are, and partial results. It comes by the same way as what tasks print, so
 * it begins with the first of each task that runs, and a slow reader misses some.
 */
import { decodeHiveJs } from '@hive/shared';
import type { Printed } from './printed.ts';

/** Said by `context.progress` or `context.emit`. */
export type TaskEvent =
  | { readonly index: number; readonly type: 'progress'; readonly done: number; readonly of: number }
  | { readonly index: number; readonly type: 'emit'; readonly value: unknown };

/** The end of a line that has begun, and where the next piece begins if none is missing. */
interface Rest {
  text: string;
  end: number;
}
const RESTS_MAX = 4_096;

export async function* taskEvents(
  pieces: AsyncIterable<Printed>,
): AsyncGenerator<TaskEvent, void, undefined> {
  const rests = new Map<string, Rest>();
  for await (const { index, run, offset, data } of pieces) {
    const key = `${index} ${run}`;
    const known = rests.get(key);
    const text = Buffer.from(data).toString('latin1');
    const isMissing = offset !== (known?.end ?? 0);
    // After a gap a line begins behind the next end of one.
    const lines = (isMissing ? text.slice(text.indexOf('\n') + 1) : (known?.text ?? '') + text).split('\n');
    rests.delete(key);
    rests.set(key, { text: lines.pop()!, end: offset + data.length });
    if (rests.size > RESTS_MAX) rests.delete(rests.keys().next().value!);
    for (const line of lines) {
      const said = decodeHiveJs(Buffer.from(line, 'base64')) as object;
      yield { index, ...said } as TaskEvent;
    }
  }
}
