/**
 * The cluster under test: a Queen and Drones as processes of their own, a client in this process, and what each of them
 * used between two moments.
 */
import { connect, type Hive } from '@hive/client';
import { type Processes, startProcesses } from '@hive/local';

/** CPU milliseconds that each process used, and the most memory it ever held. */
export interface Used {
  readonly queenMillis: number;
  readonly dronesMillis: readonly number[];
  readonly clientMillis: number;
  readonly queenPeakBytes: number;
  readonly queenBytes: number;
  readonly dronesPeakBytes: readonly number[];
}

export type StoreName = 'memory' | 'sqlite';
/** How the Queen opens each store; what a commit costs depends on it. */
export const STORE_SETTINGS: Readonly<Record<StoreName, string>> = {
  memory: 'nothing is durable',
  sqlite: 'WAL, synchronous=FULL',
};

export interface ClusterOptions {
  readonly drones: number;
  readonly slots: number;
  readonly store: StoreName;
  /** Whether its sessions are secured, as they are by default. */
  readonly tls: boolean;
}

export interface Cluster extends AsyncDisposable {
  readonly hive: Hive;
  readonly store: StoreName;
  readonly tls: boolean;
  /** Runs `body` and says how long it took and what it cost. */
  measure(body: () => Promise<void>): Promise<{ millis: number; used: Used }>;
}

export async function startCluster({ drones, slots, store, tls }: ClusterOptions): Promise<Cluster> {
  const processes = await startProcesses({ drones, slotsPerDrone: slots, store, insecure: !tls });
  let hive: Hive;
  try {
    hive = await connect({ ...processes.access, name: 'bench' });
  } catch (error) {
    await processes.stop();
    throw error;
  }
  return {
    hive,
    store,
    tls,
    async measure(body) {
      const before = await usage(processes);
      const start = performance.now();
      await body();
      const millis = performance.now() - start;
      return { millis, used: difference(before, await usage(processes)) };
    },
    async [Symbol.asyncDispose]() {
      await hive.close();
      await processes.stop();
    },
  };
}

async function usage({ queen, drones }: Processes): Promise<Used> {
  const [ofQueen, ...ofDrones] = await Promise.all([queen, ...drones].map((process) => process.rusage()));
  const { user, system } = process.cpuUsage();
  return {
    queenMillis: ofQueen!.userMillis + ofQueen!.systemMillis,
    dronesMillis: ofDrones.map(({ userMillis, systemMillis }) => userMillis + systemMillis),
    clientMillis: (user + system) / 1000,
    queenPeakBytes: ofQueen!.peakBytes,
    queenBytes: ofQueen!.residentBytes,
    dronesPeakBytes: ofDrones.map(({ peakBytes }) => peakBytes),
  };
}

function difference(before: Used, after: Used): Used {
  return {
    ...after,
    queenMillis: after.queenMillis - before.queenMillis,
    dronesMillis: after.dronesMillis.map((millis, i) => millis - before.dronesMillis[i]!),
    clientMillis: after.clientMillis - before.clientMillis,
  };
}
