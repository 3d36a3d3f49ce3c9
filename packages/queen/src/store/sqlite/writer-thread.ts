/** The writer in a thread of its own: a commit of many bytes, or on a slow disk, never holds the Queen's heartbeats up. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch } from './batch.ts';
import { openForWriting } from './connection.ts';
import { SqliteWriter } from './writer.ts';

export type ToWriter =
  | { readonly type: 'write'; readonly batch: Batch }
  | { readonly type: 'maintain' }
  | { readonly type: 'close' };
export type FromWriter =
  | { readonly type: 'written'; readonly millis: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'maintained'; readonly hasMore: boolean }
  | { readonly type: 'closed' };

/** Checkpoint after this many pages of 4 KiB in the log. */
const CHECKPOINT_PAGES = 4_000;

const port = parentPort!;
const { path, fsyncMillis } = workerData as { path: string; fsyncMillis: number };
const database = openForWriting(path, CHECKPOINT_PAGES);
const writer = new SqliteWriter(database);

port.on('message', (message: ToWriter) => {
  try {
    handle(message);
  } catch (error) {
    const { code = 'unknown', message: text } = error as { code?: string; message: string };
    port.postMessage({ type: 'failed', code, message: text } satisfies FromWriter);
  }
});

function handle(message: ToWriter): void {
  switch (message.type) {
    case 'write': {
      const start = performance.now();
      writer.write(message.batch);
      // For tests: a disk that takes its time.
      if (fsyncMillis > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fsyncMillis);
      port.postMessage({ type: 'written', millis: performance.now() - start } satisfies FromWriter);
      return;
    }
    case 'maintain': {
      const hasMore = writer.removeSome();
      writer.checkpoint();
      port.postMessage({ type: 'maintained', hasMore } satisfies FromWriter);
      return;
    }
    case 'close':
      database.close();
      port.postMessage({ type: 'closed' } satisfies FromWriter);
      port.close();
  }
}
