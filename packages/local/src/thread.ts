/**
 * A Queen and Drones in a thread of their own: what `connect({ local: true })` starts. Whatever the caller's program does
 * with its own thread, heartbeats go on and results come in; and the process ends when nothing but this is left, since
 * the thread keeps nobody waiting.
 *
 * However the process ends by itself (the last line, an error, `process.exit`), the thread is first told to stop, so
 * that no command goes on and no folder is left. A signal that kills the process leaves no time for that; what
 * commands run is then ended by their guardian.
 *
 * Rejected: the same in the caller's thread, where a loop of five seconds would make every Drone look lost, and every
 * socket, timer and thread would have to be told not to keep the process.
 */
import { Worker } from 'node:worker_threads';
import { UsageError } from '@hive/shared';
import type { LocalOptions } from './local.ts';

/** What the thread is given. */
export interface ThreadData {
  readonly options: LocalOptions;
  /** One Int32: 1 when all has been stopped. */
  readonly stopped: SharedArrayBuffer;
}
/** What it says, once; then it hears `stop`, once. */
export type FromThread =
  | { readonly type: 'ready'; readonly address: string; readonly key: string }
  | { readonly type: 'failed'; readonly message: string; readonly code: string | undefined };

export interface LocalThread {
  /** `host:port` of the Queen, on loopback. */
  readonly address: string;
  /** A client's key, of a secret that is nowhere else. */
  readonly key: string;
  /** Resolves when the thread has ended: with null if it was asked to, else with why. */
  readonly ended: Promise<Error | null>;
  /** Ends the Drones, then the Queen. Resolves when the thread is gone. */
  stop(): Promise<void>;
}

/** An exit of the process waits so long for what commands run to be ended and folders to be removed. */
const EXIT_MILLIS_MAX = 5_000;
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './entry-thread.ts' : './entry-thread.js',
  import.meta.url,
);

/** Resolves when the Drones have joined. @throws UsageError when an option makes no sense or the folder cannot be used */
export async function startLocalThread(options: LocalOptions = {}): Promise<LocalThread> {
  const stopped = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const workerData: ThreadData = { options, stopped };
  const thread = new Worker(ENTRY, { workerData, name: 'local Hive', execArgv: [] });
  let isAsked = false;
  let cause: Error | null = null;
  thread.on('error', (error: Error) => {
    cause = error;
  });
  const ended = new Promise<Error | null>((resolve) => {
    thread.once('exit', () => resolve(isAsked ? null : lost(cause)));
  });
  const ask = () => {
    if (!isAsked) thread.postMessage('stop');
    isAsked = true;
  };
  const waitAtExit = () => {
    ask();
    Atomics.wait(new Int32Array(stopped), 0, 0, EXIT_MILLIS_MAX);
  };
  process.on('exit', waitAtExit);
  void ended.then(() => process.off('exit', waitAtExit));
  const said = await Promise.race([hears(thread), ended]);
  if (said === null || said instanceof Error) throw lost(cause);
  if (said.type === 'failed') {
    isAsked = true;
    await ended;
    throw new UsageError(said.message, said.code);
  }
  thread.unref();
  return {
    address: said.address,
    key: said.key,
    ended,
    async stop() {
      // Who waits for the end must not find that the process has gone before it.
      thread.ref();
      ask();
      await ended;
    },
  };
}

function hears(thread: Worker): Promise<FromThread> {
  return new Promise((resolve) => thread.once('message', resolve));
}

function lost(cause: Error | null): UsageError {
  const why = cause === null ? '' : `: ${cause.message}`;
  return new UsageError(`The Queen and Drones of this process have ended unasked${why}.`, 'localLost', {
    cause: cause ?? undefined,
  });
}
