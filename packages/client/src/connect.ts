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
  /**
   * No cluster at all: a Queen and Drones in this process (package `@hive/local`), which nobody else can reach, and which
   * end with `close`, or with the process.
   */
  readonly local?: boolean | LocalOptions;
}
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
  if (local) return openLocal(options, local === true ? {} : local, timeoutMillis);
  const router = routerFor(options);
  await router.open(timeoutMillis);
  return new Hive(router, async () => {});
}

async function openLocal(options: ConnectOptions, local: LocalOptions, timeoutMillis: number): Promise<Hive> {
  mustBeOf(local);
  const started = await startLocal(local);
  const { address: queen, key } = started;
  const name = options.name === undefined ? {} : { name: options.name };
  try {
    const router = routerFor({ ...name, queen, key, insecure: false, discoveryPort: 0 }, true);
    await router.open(timeoutMillis);
    return localHive(router, started);
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** Ends what runs in this process when the Hive is closed, or when the process has nothing else to do. */
function localHive(router: Router, { ended, stop }: Local): Hive {
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
] satisfies (keyof LocalOptions)[]);

/** @throws UsageError 'badOption' */
function mustBeOf(local: LocalOptions): void {
  const unknown = Object.keys(local).find((option) => !LOCAL_OPTIONS.has(option));
  if (unknown === undefined) return;
  const known = [...LOCAL_OPTIONS].join(', ');
  throw new UsageError(`connect: local has no option "${unknown}". It has ${known}.`, 'badOption');
}

function routerFor(options: ConnectOptions, isLocal = false): Router {
  const name = (options.name ?? defaultName()).slice(0, LIMITS.nameMax);
  const access = accessOf(options, 'client');
  return new Router(finderFor(options, access), { peer: randomPeerId(), name, access }, isLocal);
}

function defaultName(): string {
  const program = process.argv[1];
  return `${program === undefined ? 'client' : basename(program)} on ${hostname()}`;
}

interface Local {
  readonly address: string;
  readonly key: string;
  /** With why, if nobody asked it to. */
  readonly ended: Promise<UsageError | null>;
  stop(): Promise<void>;
}
/** Computed, so that neither a bundler nor a package manager takes it for a dependency of every client. */
const LOCAL_PACKAGE = ['@hive', 'local'].join('/');

async function startLocal(options: LocalOptions): Promise<Local> {
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
