/**
 * A Queen and Drones as processes of their own on this machine: for `hive up`, the demo, benchmarks and tests that kill.
 * Whatever happens to this process, they end with it.
 */
import { availableParallelism } from 'node:os';
import type { Predecessor, SandboxPolicy } from '@hive/drone';
import type { PeerId } from '@hive/shared';
import { type Address, formatAddress, Keyring, randomPeerId } from '@hive/shared/node';
import { Child, type ForkOptions } from './child-process.ts';
import { dataFolder, type Folder } from './folder.ts';
import type { DroneConfig, QueenConfig, Usage } from './ipc.ts';
import type { Exit } from './supervisor.ts';

export interface ProcessesOptions extends ForkOptions {
  /** Default 1. */
  readonly drones?: number;
  /** Default: the machine's cores, shared out among the Drones. */
  readonly slotsPerDrone?: number;
  /** Of the Queen; default 0, any free one. A port that is named must be free. */
  readonly port?: number;
  /** Time without the Queen after which a Drone ends by itself; never by default. */
  readonly orphanTimeoutMillis?: number;
  /** Data folder; default: one of its own, removed at the end. */
  readonly data?: string;
  /** Where the Queen keeps jobs: `memory` (default), or `sqlite` in the data folder, where they outlive her. */
  readonly store?: 'memory' | 'sqlite';
  /** Plain TCP without keys. Default: false. */
  readonly insecure?: boolean;
  /** What the Drones' commands run in at least, and what jobs may ask for. Absent: no sandboxes. */
  readonly sandbox?: SandboxPolicy;
}
export interface AddDroneOptions {
  readonly name?: string;
  readonly slots?: number;
  /** Added to its own. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: as for all. */
  readonly sandbox?: SandboxPolicy;
  /** The process in whose place it is started, if that was lost: the Queen is told how it ended. */
  readonly predecessor?: Predecessor;
}

export interface QueenProcess {
  readonly pid: number;
  kill(signal?: NodeJS.Signals): boolean;
  rusage(): Promise<Usage>;
  readonly exited: Promise<Exit>;
  /** With `stdio: 'pipe'`. */
  readonly stdout: NodeJS.ReadableStream | null;
  readonly stderr: NodeJS.ReadableStream | null;
}
export interface DroneProcess extends QueenProcess {
  readonly name: string;
  readonly slots: number;
  /** Its id. */
  readonly peer: PeerId;
}

export interface ProcessesAccess {
  /** `host:port` of the Queen. */
  readonly queen: string;
  /** She is nowhere else, so the network is not asked. */
  readonly discoveryPort: 0;
  /** Where there are keys, a node's. */
  readonly key?: string;
  readonly insecure?: true;
}

export interface Processes {
  /** `host:port` of the Queen. */
  readonly address: string;
  /** Where the Queen keeps jobs, her address and the secret. */
  readonly data: string;
  /** What `connect` needs to reach this Queen, and none else. */
  readonly access: ProcessesAccess;
  readonly queen: QueenProcess;
  readonly drones: readonly DroneProcess[];
  /** Starts one more Drone; resolves when it has joined. */
  addDrone(options?: AddDroneOptions): Promise<DroneProcess>;
  /**
   * Starts the Queen again with the same port, data folder and store, after ending her if she still runs; the Drones find
   * her by themselves. `queen` is the new process from then on, even if it fails to start.
   */
  restartQueen(): Promise<void>;
  /** Ends all of them, Drones first, and removes the folder if it was made here. */
  stop(): Promise<void>;
}

/** Resolves when the Drones have joined. @throws UsageError when one of the processes cannot start */
export async function startProcesses(options: ProcessesOptions = {}): Promise<Processes> {
  const { drones = 1, slotsPerDrone = slotsEach(drones) } = options;
  const folder = dataFolder(options.data);
  const cluster = new Cluster(options, folder);
  try {
    await cluster.startQueen();
    await Promise.all(Array.from({ length: drones }, () => cluster.addDrone({ slots: slotsPerDrone })));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/**
 * A Queen who is started again must find her port free, and nobody is given one of these by the system meanwhile, which
 * takes those that it gives away from 32768 or 49152 on.
 */
const PORTS = { first: 20_000, count: 10_000 };
const somePort = (): number => PORTS.first + Math.floor(Math.random() * PORTS.count);

const slotsEach = (drones: number): number =>
  Math.max(1, Math.floor(availableParallelism() / Math.max(1, drones)));

/** Keys and wishes that are meant for another cluster. */
const NO_KEYS = { HIVE_KEY: undefined, HIVE_KEY_FILE: undefined, HIVE_INSECURE: undefined };

type QueenChild = Child<QueenConfig, Address>;
type DroneChild = Child<DroneConfig, null> & { name: string; slots: number; peer: PeerId };

class Cluster implements Processes {
  readonly data: string;
  readonly #key: string | null;
  readonly #options: ProcessesOptions;
  readonly #folder: Folder;
  readonly #drones: DroneChild[] = [];
  #queen: QueenChild | null = null;
  #address: Address | null = null;
  #started = 0;

  constructor(options: ProcessesOptions, folder: Folder) {
    this.#options = options;
    this.#folder = folder;
    this.data = folder.path;
    this.#key = options.insecure ? null : Keyring.ofFolder(folder.path).nodeKey();
  }

  get address(): string {
    return formatAddress(this.#address!);
  }
  get access(): ProcessesAccess {
    const where = { queen: this.address, discoveryPort: 0 } as const;
    return this.#key === null ? { ...where, insecure: true } : { ...where, key: this.#key };
  }
  get queen(): QueenProcess {
    return this.#queen!;
  }
  get drones(): readonly DroneProcess[] {
    return this.#drones;
  }

  async restartQueen(): Promise<void> {
    await this.#queen?.stop();
    await this.startQueen();
  }

  async startQueen(): Promise<void> {
    const named = this.#address?.port ?? this.#options.port ?? 0;
    const isPortFixed = named !== 0;
    const { store = 'memory', insecure = false } = this.#options;
    const port = isPortFixed ? named : somePort();
    const config: QueenConfig = { port, isPortFixed, data: this.data, store, insecure };
    this.#queen = new Child<QueenConfig, Address>('entry-queen', config, this.#fork());
    this.#address = await this.#queen.ready;
  }

  async addDrone(options: AddDroneOptions = {}): Promise<DroneProcess> {
    const number = ++this.#started;
    const { name = `drone-${number}`, slots = this.#options.slotsPerDrone ?? 1 } = options;
    const { insecure = false, orphanTimeoutMillis } = this.#options;
    const { labels, sandbox = this.#options.sandbox, predecessor } = options;
    const peer = randomPeerId();
    const config: DroneConfig = {
      queen: this.#address!,
      data: this.data,
      insecure,
      name,
      peer,
      slots,
      ...(predecessor === undefined ? {} : { predecessor }),
      ...(orphanTimeoutMillis === undefined ? {} : { orphanTimeoutMillis }),
      ...(labels === undefined ? {} : { labels }),
      ...(sandbox === undefined ? {} : { sandbox }),
    };
    const child = new Child<DroneConfig, null>('entry-drone', config, this.#fork());
    const drone: DroneChild = Object.assign(child, { name, slots, peer });
    this.#drones.push(drone);
    await drone.ready;
    return drone;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#drones.map((drone) => drone.stop()));
    await this.#queen?.stop();
    this.#folder.remove();
  }

  /** Whatever such a process looks up by itself, it finds in the cluster's own folder. */
  #fork(): ForkOptions {
    const { stdio, env } = this.#options;
    return { ...(stdio === undefined ? {} : { stdio }), env: { ...env, ...NO_KEYS, HIVE_DATA: this.data } };
  }
}
