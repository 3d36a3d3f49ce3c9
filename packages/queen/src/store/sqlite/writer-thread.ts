/** The writer in a thread of its own: a commit of many bytes, or on a slow disk, never holds the Queen's heartbeats up. */
import { parentPort, workerData } from 'node:worker_threads';
import { type PackedBatch, unpackBatch } from './batch.ts';
import { openForWriting } from './connection.ts';
import { Maintenance } from './maintenance.ts';
import { SqliteWriter } from './writer.ts';

export type ToWriter =
  | { readonly type: 'write'; readonly batch: PackedBatch }
  | { readonly type: 'checkpoint' }
  | { readonly type: 'step' }
  | { readonly type: 'close' };
export type FromWriter =
  | { readonly type: 'done'; readonly millis: number; readonly hasMore: boolean }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

const port = parentPort!;
const { path, commitMillis } = workerData as { path: string; commitMillis: number };
const database = openForWriting(path);
const writer = new SqliteWriter(database);
const maintenance = new Maintenance(database);

port.on('message', (message: ToWriter) => {
  const start = performance.now();
  try {
    const hasMore = handle(message);
    port.postMessage({ type: 'done', millis: performance.now() - start, hasMore } satisfies FromWriter);
  } catch (error) {
    const { code = 'unknown', message: text } = error as { code?: string; message: string };
    port.postMessage({ type: 'failed', code, message: text } satisfies FromWriter);
  }
});

function handle(message: ToWriter): boolean {
  switch (message.type) {
    case 'write': {
      const { batch } = message;
      writer.write(unpackBatch(batch), batch.latest, batch.id);
      // For tests: a disk that takes its time.
      if (commitMillis > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, commitMillis);
      return false;
    }
    case 'checkpoint':
      maintenance.checkpoint();
      return false;
    case 'step':
      return maintenance.step();
    case 'close':
      database.close();
      port.close();
      return false;
  }
}
