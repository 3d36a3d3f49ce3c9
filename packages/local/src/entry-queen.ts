/** A Queen as a process of its own, started by `startProcesses`. */
import { HeapPolicy, startQueen } from '@hive/queen';
import type { Address } from '@hive/shared/node';
import { serveParent } from './child.ts';
import type { QueenConfig } from './ipc.ts';

serveParent<QueenConfig, Address>(async (config) => {
  new HeapPolicy();
  const queen = await startQueen(config);
  return { ready: queen.address, stop: () => queen.stop() };
});
