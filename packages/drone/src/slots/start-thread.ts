/** Starts the thread of a slot, of which the slot then hears. */
import { Worker } from 'node:worker_threads';
import type { SlotNumber } from '../agent/events.ts';
import type { SandboxSetup } from '../sandbox/plan.ts';
import type { SharedMemory, ThreadData } from './control-block.ts';
import type { OutputFiles } from './output-files.ts';

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './slot-thread.ts' : './slot-thread.js',
  import.meta.url,
);

/** What a slot's thread is started with. */
export interface ThreadOptions {
  /** Names of further kinds and the URLs of their modules. */
  readonly kindModules: Readonly<Record<string, string>>;
  /** Heap of the thread, in MiB; Node's default if absent. */
  readonly heapMiB?: number;
  /** Where outputs over 1 MiB go. */
  readonly outputs: OutputFiles;
  /** What commands run in; without it, in nothing. */
  readonly sandbox?: SandboxSetup;
  /** Folder of the tasks that the operator has registered. */
  readonly tasks?: string;
  /** Functions that clients send are refused. */
  readonly tasksOnly?: boolean;
}

export function startThread(slot: SlotNumber, memory: SharedMemory, options: ThreadOptions): Worker {
  const { kindModules, heapMiB, outputs, sandbox = null, tasks = null, tasksOnly = false } = options;
  const workerData: ThreadData = {
    memory,
    kindModules,
    slot,
    outputs: outputs.folder,
    sandbox,
    tasks: { folder: tasks, areAll: tasksOnly },
  };
  return new Worker(THREAD, {
    workerData,
    name: `slot ${slot}`,
    env: process.env,
    ...(heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
  });
}
