/** For tests: a thread that goes through a door twice, and stays behind it the first time until it is let go. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Door, through } from '../commands/native-door.ts';

const { door, gate } = workerData as { readonly door: Door; readonly gate: Int32Array };
through(door, () => {
  parentPort!.postMessage('inside');
  Atomics.wait(gate, 0, 0);
});
parentPort!.postMessage('left');
through(door, () => parentPort!.postMessage('inside again'));
