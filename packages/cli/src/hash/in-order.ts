/** Doing several things at once and yet in order: how files are read while earlier ones are still being sent. */

/**
 * Applies `work` to what `source` yields, at most `atOnce` at a time, and yields the outcomes in the source's order.
 * An error of `work` ends it when its turn comes.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      const started = work(next.value);
      // It is awaited later; until then its error must not count as unhandled.
      started.catch(() => {});
      running.push(started);
      if (running.length >= atOnce) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await iterator.return?.();
    await Promise.allSettled(running);
  }
}
