/**
 * `connect({ local: true })`: a Queen and Drones in this process, from a package that is loaded only then, and a session with
 * her that ends with them.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '@hive/shared';
import { Hive } from './hive.ts';
import type { Router } from './router.ts';

/** Of the Queen and Drones in this process. */
export interface LocalOptions {
  /** Default 1. */
  readonly drones?: number;
  /** Slots of each Drone; default: as many as this machine runs in parallel. */
  readonly slots?: number;
  /**
   * A folder in which jobs and results are kept, durably; default: in memory, gone with `close`. It is a data folder like
   * any Queen's: "hive jobs --data DIR" looks into it meanwhile, "hive queen --data DIR" goes on with it afterwards.
   */
  readonly data?: string;
  /** A folder of tasks that the Drones know by name, as "hive drone --tasks DIR" has it: see `registeredTask`. */
  readonly tasks?: string;
}

/** Ends what runs in this process when the Hive is closed, or when the process has nothing else to do. */
export function localHive(router: Router, { ended, stop }: Local): Hive {
  const closeAtEnd = () => void hive.close();
  // The Queen waits for the end of sessions, and a process that exits writes and reads no more.
  const cut = () => router.cut();
  const hive = new Hive(router, async () => {
    process.off('beforeExit', closeAtEnd);
    await stop();
    process.off('exit', cut);
  });
  process.once('beforeExit', closeAtEnd);
  process.prependOnceListener('exit', cut);
  void ended.then((error) => error === null || router.fail(error));
  return hive;
}

const LOCAL_OPTIONS: ReadonlySet<string> = new Set([
  'drones',
  'slots',
  'data',
  'tasks',
] satisfies (keyof LocalOptions)[]);

/** @throws UsageError 'badOption' */
function mustBeOf(local: LocalOptions): void {
  const unknown = Object.keys(local).find((option) => !LOCAL_OPTIONS.has(option));
  if (unknown === undefined) return;
  const known = [...LOCAL_OPTIONS].join(', ');
  throw new UsageError(`connect: local has no option "${unknown}". It has ${known}.`, 'badOption');
}

/** What `@hive/local` has started. */
export interface Local {
  readonly address: string;
  readonly key: string;
  /** With why, if nobody asked it to. */
  readonly ended: Promise<UsageError | null>;
  stop(): Promise<void>;
}
/** Computed, so that neither a bundler nor a package manager takes it for a dependency of every client. */
const LOCAL_PACKAGE = ['@hive', 'local'].join('/');

/** @throws UsageError 'noLocal' when the package is not there, 'badOption', or what a Queen or a Drone cannot start for */
export async function startLocal(options: LocalOptions): Promise<Local> {
  mustBeOf(options);
  const { startLocalThread } = (await importLocal()) as { startLocalThread(options: object): Promise<Local> };
  return startLocalThread({ ...options, store: options.data === undefined ? 'memory' : 'sqlite' });
}

/** From where this package can see it, else from where the caller's program runs. */
async function importLocal(): Promise<unknown> {
  try {
    return await import(LOCAL_PACKAGE);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
  }
  let path: string;
  try {
    path = createRequire(join(process.cwd(), 'package.json')).resolve(LOCAL_PACKAGE);
  } catch (error) {
    throw new UsageError(
      'connect({ local }) needs the package @hive/local, which is not installed. Install it: npm install @hive/local',
      'noLocal',
      {
        cause: error,
      },
    );
  }
  return import(pathToFileURL(path).href);
}
