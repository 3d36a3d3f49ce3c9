/** The thread of `startLocalThread`: starts a Queen and Drones, says where she is, and stops them when told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { startLocal } from './local.ts';
import type { FromThread, ThreadData } from './thread.ts';

const { options, stopped } = workerData as ThreadData;
const port = parentPort!;
const say = (message: FromThread) => port.postMessage(message);

// The exit of the process may be blocked until this is said.
function saysStopped(): void {
  Atomics.store(new Int32Array(stopped), 0, 1);
  Atomics.notify(new Int32Array(stopped), 0);
}

const whenTold = new Promise<void>((resolve) => port.once('message', () => resolve()));
try {
  const local = await startLocal(options);
  say({ type: 'ready', address: local.address, key: local.key! });
  await whenTold;
  await local.stop();
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  say({ type: 'failed', message, code });
} finally {
  saysStopped();
  port.close();
}
