/** The way in: finds a Queen (or starts one in this process) and opens a session with her. */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LIMITS, UsageError } from '@hive/shared';
import { accessOf, type Insecure, randomPeerId } from '@hive/shared/node';
import { Hive } from './hive.ts';
import { Router } from './router.ts';
import { finderFor } from './search.ts';

export interface ConnectOptions {
  /** Addresses of Queens, `host:port`, tried in this order; several in one text are separated by commas. */
  readonly queen?: string | readonly string[];
  /**
   * The folder in which a Queen of this machine leaves its address, and the secret of her cluster; default: HIVE_DATA, else
   * the user's own.
   */
  readonly data?: string;
  /**
   * A key of the role client or observer, as `hive key` printed it; default: HIVE_KEY, else what the file HIVE_KEY_FILE
   * holds, else the secret in the data folder. It is never logged.
   */
  readonly key?: string;
  /** Plain TCP without keys, with a Queen who was started so: on this machine only, unless it is `yes-really`. */
  readonly insecure?: Insecure;
  /** Ports to look through for a Queen when she is found in no other way: "host:5000-5100", several separated by commas. */
  readonly scan?: string;
  /** UDP port by which Queens of the network are found; 0: not at all. Default: DISCOVERY_PORT, else 8080. */
  readonly discoveryPort?: number;
  /** What people see in lists; default: the program's name and the host's. */
  readonly name?: string;
  /** How long to wait for a Queen, in milliseconds; default 4,000. */
  readonly timeoutMillis?: number;
  /** Start a Queen and Drones in this process (package `@hive/local`), ended by `close`. */
  readonly local?: boolean | LocalOptions;
}
export interface LocalOptions {
  /** Default 1. */
  readonly drones?: number;
  /** Slots of each Drone; default: as many as this machine runs in parallel. */
  readonly slots?: number;
}

const TIMEOUT_MILLIS = 4_000;

/**
 * Opens a session with a Queen. Without `queen` the address is that of HIVE_QUEEN, else the one that a Queen left in the
 * data folder, else 127.0.0.1:8080, else those of Queens in this network, else what `scan` finds. Once open, a lost session
 * is opened again for as long as the client lives, at a new address if the Queen has one.
 * @throws UsageError 'noQueen' when nobody answers in time, with what was tried and what to do; 'badKey' when there is no
 * key, or it is refused, or allows no client
 */
export async function connect(options: ConnectOptions = {}): Promise<Hive> {
  const { local, timeoutMillis = TIMEOUT_MILLIS } = options;
  if (!local) return open(options, timeoutMillis, async () => {});
  const started = await startLocal(local === true ? {} : local);
  try {
    const own = { queen: started.address, key: started.key, discoveryPort: 0 };
    return await open({ ...options, ...own }, timeoutMillis, () => started.stop());
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function open(
  options: ConnectOptions,
  timeoutMillis: number,
  ended: () => Promise<void>,
): Promise<Hive> {
  const name = (options.name ?? defaultName()).slice(0, LIMITS.nameMax);
  const access = accessOf(options, 'client');
  const router = new Router(finderFor(options, access), { peer: randomPeerId(), name, access });
  await router.open(timeoutMillis);
  return new Hive(router, ended);
}

function defaultName(): string {
  const program = process.argv[1];
  return `${program === undefined ? 'client' : basename(program)} on ${hostname()}`;
}

interface Local {
  readonly address: string;
  readonly key: string;
  stop(): Promise<void>;
}
/** Computed, so that neither a bundler nor a package manager takes it for a dependency of every client. */
const LOCAL_PACKAGE = ['@hive', 'local'].join('/');

async function startLocal(options: LocalOptions): Promise<Local> {
  const local = (await importLocal()) as { startLocal(options: LocalOptions): Promise<Local> };
  return local.startLocal(options);
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
      'connect({ local: true }) needs the package @hive/local: npm install @hive/local',
      'noLocal',
      {
        cause: error,
      },
    );
  }
  return import(pathToFileURL(path).href);
}
