/** The way in: finds a Queen (or starts one in this process) and opens a session with her. */
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { LIMITS } from '@hive/shared';
import {
  accessOf,
  formatAddress,
  type Insecure,
  isLoopback,
  parseAddress,
  randomPeerId,
} from '@hive/shared/node';
import { Hive } from './hive.ts';
import { type LocalOptions, localHive, startLocal } from './local.ts';
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
  return new Hive(
    router,
    async () => {},
    (addresses, from) => {
      const { local: _, data, scan: __, ...own } = options;
      const access = data === undefined ? {} : { data };
      return connect({ ...own, ...access, queen: reachable(addresses, from), discoveryPort: 0 });
    },
  );
}

async function openLocal(options: ConnectOptions, local: LocalOptions, timeoutMillis: number): Promise<Hive> {
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

function routerFor(options: ConnectOptions, isLocal = false): Router {
  const name = (options.name ?? defaultName()).slice(0, LIMITS.nameMax);
  const access = accessOf(options, 'client');
  return new Router(finderFor(options, access), { peer: randomPeerId(), name, access }, isLocal);
}

/** What is this machine for the node that said it, is that node's machine for us. */
function reachable(addresses: readonly string[], from: string | null): string[] {
  const isHere = from === null || isLoopback(from);
  const seen = addresses.map((text) => {
    const { host, port } = parseAddress(text);
    return isHere || !isLoopback(host) ? text : formatAddress({ host: from, port });
  });
  return [...new Set(seen)];
}

function defaultName(): string {
  const program = process.argv[1];
  return `${program === undefined ? 'client' : basename(program)} on ${hostname()}`;
}
