/** The store's thread, but it dies when a batch says so: before it writes it, or before it says that it has. */
import { parentPort, workerData } from 'node:worker_threads';
import { unpackBatch } from '../store/sqlite/batch.ts';
import { openForWriting } from '../store/sqlite/connection.ts';
import { SqliteWriter } from '../store/sqlite/writer.ts';
import type { FromWriter, ToWriter } from '../store/sqlite/writer-thread.ts';

const port = parentPort!;
const database = openForWriting((workerData as { path: string }).path);
const writer = new SqliteWriter(database);

port.on('message', (message: ToWriter) => {
  if (message.type === 'write') {
    const entries = unpackBatch(message.batch);
    const wish = entries.map(({ record }) => (record.type === 'droneJoined' ? record.name : '')).join('');
    if (wish === 'die before') throw new Error('the thread dies before its commit');
    writer.write(entries, message.batch.latest, message.batch.id);
    if (wish === 'die after') throw new Error('the thread dies after its commit');
  }
  port.postMessage({ type: 'done', millis: 0, hasMore: false } satisfies FromWriter);
  if (message.type === 'close') process.exit();
});
