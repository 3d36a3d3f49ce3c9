/**
 * A node: a Queen in this process, a Drone in one of its own that works for every Queen of the cluster, and what nodes tell
 * each other. Any number of them make a mesh, and none is special.
 */
import { hostname } from 'node:os';
import type { DroneEvent, DroneOptions } from '@hive/drone';
import { type Notice, type Queen, type QueenOptions, startQueen } from '@hive/queen';
import { LIMITS } from '@hive/shared';
import {
  type Address,
  accessOf,
  DEFAULT_PORT,
  defaultDataFolder,
  formatAddress,
  type Insecure,
  type Keyring,
  keyringOf,
  LISTEN_HOST,
  readQueenAddress,
  removeQueenAddress,
  writeQueenAddress,
} from '@hive/shared/node';
import type { Exit } from '../supervisor.ts';
import { lastDrone, nextDrone } from './drone-id.ts';
import { DroneProcess } from './drone-process.ts';
import { inFreeFolder } from './folder.ts';
import { Mesh, type MeshEvent } from './mesh.ts';

export interface NodeOptions
  extends Pick<DroneOptions, 'slots' | 'labels' | 'allow' | 'sandbox' | 'showValues'>,
    Pick<QueenOptions, 'port' | 'isPortFixed' | 'host' | 'cacheBytes' | 'discovery' | 'onStoreProblem'> {
  /** Folder with the secret, under which the node has one of its own; default: HIVE_DATA, else the user's. */
  readonly data?: string | undefined;
  readonly insecure?: Insecure;
  /** For people; default: the host's, and the number of the node's folder. */
  readonly name?: string;
  /** Queens that are to be found though nobody announces them. */
  readonly queens?: readonly Address[];
  /** Time after which a node that was not heard of is dropped. Default: 30 s. */
  readonly peerTimeoutMillis?: number;
  /** Of this build, for people. */
  readonly version?: string;
  readonly onQueenEvent?: (event: Notice) => void;
  readonly onDroneEvent?: (event: DroneEvent) => void;
  readonly onEvent?: (event: NodeNotice) => void;
}
export type NodeNotice =
  | (MeshEvent & {
      /** Whether this node was started with a key, which it keeps however the secret is rotated. */
      readonly isKeyGiven: boolean;
    })
  | { readonly type: 'droneEnded'; readonly exit: Exit; readonly retryMillis: number };

export interface Node {
  readonly queen: Queen;
  readonly name: string;
  /** Where its jobs and results are. */
  readonly folder: string;
  readonly address: Address;
  /** Of the process with its Drone; null while there is none. */
  readonly dronePid: number | null;
  /** How a client of this user reaches this node and none else. */
  readonly clientAccess: { readonly key: string } | { readonly insecure: Insecure };
  /** Other nodes that are connected now. */
  readonly peers: number;
  /** Leaves the mesh: with `drain`, what its Drone runs is finished first, for whomever it runs. */
  stop(options: StopOptions): Promise<void>;
}
export interface StopOptions {
  readonly drain: boolean;
  /** Called when its Drone has ended, and its Queen has not. */
  readonly beforeQueen?: () => Promise<void>;
}

const PEER_TIMEOUT_MILLIS = 30_000;
/** How often it looks whether others on this machine still find a Queen by her file. */
const ADDRESS_MILLIS = 2_000;

/** Resolves when its Queen listens. @throws UsageError when she cannot */
export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const above = options.data ?? defaultDataFolder();
  const keys = keyringOf({ data: above, insecure: options.insecure });
  const placed = await inFreeFolder(above, (folder, number) =>
    startQueen(queenOptions(options, keys, folder, nameOf(options, number))),
  );
  return new RunningNode(options, above, keys, placed.queen, placed.folder);
}

const nameOf = ({ name }: NodeOptions, number: number): string =>
  (name ?? `${hostname()}-${number}`).slice(0, LIMITS.nameMax);

function queenOptions(options: NodeOptions, keys: Keyring | null, data: string, name: string): QueenOptions {
  const { port = DEFAULT_PORT, isPortFixed = false, host = LISTEN_HOST, insecure = false } = options;
  const { cacheBytes, discovery = null, onQueenEvent, onStoreProblem, showValues = false } = options;
  return {
    data,
    store: 'sqlite',
    name,
    port,
    isPortFixed,
    host,
    insecure,
    discovery,
    showValues,
    ...(keys === null ? {} : { keys }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    ...(onQueenEvent === undefined ? {} : { onEvent: onQueenEvent }),
    ...(onStoreProblem === undefined ? {} : { onStoreProblem }),
  };
}

class RunningNode implements Node {
  readonly queen: Queen;
  readonly folder: string;
  readonly clientAccess: Node['clientAccess'];
  readonly #options: NodeOptions;
  readonly #above: string;
  readonly #mesh: Mesh;
  readonly #drone: DroneProcess;
  readonly #timer: NodeJS.Timeout;
  #busySlots = 0;
  #slots = 0;
  #isDraining = false;
  #stopped: Promise<void> | null = null;

  constructor(options: NodeOptions, above: string, keys: Keyring | null, queen: Queen, folder: string) {
    this.queen = queen;
    this.folder = folder;
    this.#options = options;
    this.#above = above;
    const { insecure = false, onEvent = () => {}, onDroneEvent = () => {} } = options;
    this.clientAccess = keys === null ? { insecure } : { key: keys.nodeKey() };
    const gone = lastDrone(folder);
    if (gone !== null) queen.tellOfNodes({ type: 'ownDroneEnded', peer: gone });
    this.#drone = new DroneProcess({
      config: droneConfig(options, above, keys, queen),
      nextPeer: () => nextDrone(folder),
      onEvent: onDroneEvent,
      onBusy: (busySlots, slots) => this.#noteBusy(busySlots, slots),
      onLost: (exit, retryMillis) => onEvent({ type: 'droneEnded', exit, retryMillis }),
    });
    this.#tellSelf();
    this.#mesh = new Mesh({
      queen,
      access:
        keys === null ? accessOf({ insecure }, 'node') : () => accessOf({ key: keys.nodeKey() }, 'node')(),
      named: options.queens ?? [],
      discoveryPort: options.discovery?.port ?? null,
      peerTimeoutMillis: this.#peerTimeoutMillis,
      onQueens: (addresses) => {
        this.#drone.queens = addresses;
      },
      onEvent: (event) => onEvent({ ...event, isKeyGiven: keys !== null && !keys.hasFolder }),
    });
    this.#leaveAddress(false);
    this.#timer = setInterval(() => this.#leaveAddress(true), ADDRESS_MILLIS);
    this.#timer.unref();
  }

  get name(): string {
    return this.queen.name;
  }
  get address(): Address {
    return this.queen.address;
  }
  get dronePid(): number | null {
    return this.#drone.pid;
  }
  get peers(): number {
    return this.#mesh.connected;
  }

  async stop({ drain, beforeQueen }: StopOptions): Promise<void> {
    this.#isDraining = true;
    this.#tellSelf();
    await this.#drone.stop({ drain });
    await beforeQueen?.();
    this.#stopped ??= this.#leave();
    await this.#stopped;
  }

  async #leave(): Promise<void> {
    clearInterval(this.#timer);
    removeQueenAddress(this.#above, this.queen.dialAddress);
    await this.#mesh.close();
    await this.queen.stop();
  }

  get #peerTimeoutMillis(): number {
    return this.#options.peerTimeoutMillis ?? PEER_TIMEOUT_MILLIS;
  }

  #noteBusy(busySlots: number, slots: number): void {
    this.#busySlots = busySlots;
    this.#slots = slots;
    this.#tellSelf();
  }

  #tellSelf(): void {
    const self = {
      name: this.queen.name,
      version: this.#options.version ?? '',
      addresses: [formatAddress(this.queen.dialAddress)],
      slots: this.#slots,
      busySlots: this.#busySlots,
      isDraining: this.#isDraining,
      peerTimeoutMillis: this.#peerTimeoutMillis,
    };
    this.queen.tellOfNodes({ type: 'selfTold', self });
  }

  /**
   * What is started on this machine without a word asks the Queen whose address lies there: any node will do. One that was
   * killed has left hers behind.
   */
  #leaveAddress(isLate: boolean): void {
    const left = readQueenAddress(this.#above);
    if (left !== null && (!isLate || this.#mesh.knows(left))) return;
    writeQueenAddress(this.#above, this.queen.dialAddress);
  }
}

/** The Drone reads the secret itself where it can, so that it follows when that is changed. */
function droneConfig(options: NodeOptions, above: string, keys: Keyring | null, { name, id }: Queen) {
  const { slots, labels, allow, sandbox, showValues, insecure = false } = options;
  const key = keys === null || keys.hasFolder ? {} : { key: keys.nodeKey() };
  return {
    queens: [],
    data: above,
    insecure,
    ...key,
    name,
    labels: { node: name, nodeId: id, ...labels },
    ...(slots === undefined ? {} : { slots }),
    ...(allow === undefined ? {} : { allow }),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(showValues === undefined ? {} : { showValues }),
  };
}
