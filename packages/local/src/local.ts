/**
 * A Queen and Drones inside the caller's thread: for tests, and for the thread of `connect({ local: true })`. They are loaded
 * when they are started: whoever wants processes imports this file as well, and needs neither.
 */
import { resolve } from 'node:path';
import type { SandboxPolicy } from '@hive/drone';
import type { QueenOptions } from '@hive/queen';
import { type Address, formatAddress, Keyring, LOOPBACK, newSecret, parseAddress } from '@hive/shared/node';
import type { LocalDrone } from './drone.ts';

export interface LocalOptions {
  /** Default 1. */
  readonly drones?: number;
  /** Slots of each Drone; default: as many as this machine runs in parallel. */
  readonly slots?: number;
  /** Data folder of the Queen; default: none, she leaves nothing behind. */
  readonly data?: string;
  /** Folder of tasks that the Drones know by name; default: none. */
  readonly tasks?: string;
  /** Where the Queen keeps jobs: `memory` (default), or `sqlite` in the data folder, which must then be named. */
  readonly store?: 'memory' | 'sqlite';
  /** Address of a Queen that runs already, `host:port`: then only Drones are started. */
  readonly queen?: string;
  /** Of that Queen: a key with which Drones may join her; default: as in `connect`. */
  readonly key?: string;
}

export interface Local {
  /** `host:port` of the Queen. */
  readonly address: string;
  /** For `connect`. Of a Queen that ran already, what was given, if anything was. */
  readonly key: string | undefined;
  readonly drones: readonly LocalDrone[];
  /** Ends the Drones, then the Queen. */
  stop(): Promise<void>;
}

/** Resolves when the Drones have joined. @throws UsageError when the Queen cannot listen */
export async function startLocal(options: LocalOptions = {}): Promise<Local> {
  const { drones = 1, slots, tasks, queen } = options;
  const keys = queen === undefined ? keysOf(options) : null;
  const key = keys?.nodeKey() ?? options.key;
  const own = keys === null ? null : await startOwnQueen(options, keys);
  const address: Address = own?.address ?? parseAddress(queen!);
  const joined: LocalDrone[] = [];
  const stop = async () => {
    await Promise.all(joined.map((drone) => drone.stop({ drain: false })));
    await own?.stop();
  };
  try {
    const { joinQueen } = await import('./drone.ts');
    for (let n = 1; n <= drones; n++) {
      const name = `local-${n}`;
      joined.push(await joinQueen({ queen: address, name, key, slots, tasks, sandbox: sandboxOf(options) }));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: formatAddress(address), key, drones: joined, stop };
}

/** Without a folder, the secret ends with this process. */
function keysOf({ data }: LocalOptions): Keyring {
  return data === undefined ? Keyring.of(newSecret()) : Keyring.ofFolder(data);
}

/** What jobs ask for they get, where this machine can; nobody demands anything of them. */
function sandboxOf({ data }: LocalOptions): SandboxPolicy {
  const hidden = data === undefined ? [] : [resolve(data)];
  return { minimum: 'none', images: [], network: true, limits: {}, readable: [], hidden };
}

async function startOwnQueen({ data, store = 'memory' }: LocalOptions, keys: Keyring) {
  const options: QueenOptions = { keys, host: LOOPBACK, port: 0, data: data ?? null, store, name: 'local' };
  const { startQueen } = await import('@hive/queen');
  return await startQueen(options);
}
