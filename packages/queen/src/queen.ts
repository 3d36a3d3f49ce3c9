/** Starts a Queen: store, runtime, listening socket, and the file that tells others where it listens. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type QueenId, queenId, seededChance, UsageError } from '@hive/shared';
import {
  type Address,
  type AnnouncerStats,
  allowInsecure,
  DEFAULT_PORT,
  type Insecure,
  insecureOfEnvironment,
  type Keyring,
  keyringOf,
  LOOPBACK,
  type PortRange,
  type QueenInfo,
  randomIncarnation,
  randomQueenId,
  removeQueenAddress,
  writeQueenAddress,
} from '@hive/shared/node';
import { BlobShelf } from './blobs/shelf.ts';
import { DroneDialler } from './dialler.ts';
import type { OtherNodes } from './elsewhere.ts';
import { type DiscoveryChoice, type Presence, startPresence } from './presence.ts';
import { Runtime } from './runtime.ts';
import type { NodeEvent, Notice } from './scheduler/index.ts';
import { QueenServer } from './server.ts';
import { Spool } from './spool/spool.ts';
import { MemoryStore } from './store/memory-store.ts';
import type { StoreError } from './store/sqlite/errors.ts';
import { SqliteStore } from './store/sqlite/sqlite-store.ts';
import type { Store } from './store/store.ts';

export interface QueenOptions {
  /** Address to bind; loopback by default. */
  readonly host?: string;
  /** Default 8080; 0 takes any free port. */
  readonly port?: number;
  /** Fail when the port is taken, instead of taking the next free one. Default: false. */
  readonly isPortFixed?: boolean;
  /** Folder in which the address is left for others, and of the durable store; null leaves it nowhere. Default: null. */
  readonly data?: string | null;
  /** Where jobs are kept: `memory` (gone with the process; the default) or `sqlite`, in the data folder. */
  readonly store?: 'memory' | 'sqlite';
  /**
   * Who may come in. Default: whoever has a key of HIVE_KEY or HIVE_KEY_FILE (a node's), else of the secret in the data
   * folder (or the user's own), which is made if there is none.
   */
  readonly keys?: Keyring;
  /** Plain TCP, and everybody may come in; on other addresses than loopback only with `yes-really`. */
  readonly insecure?: Insecure;
  /** Pages that the durable store keeps in memory, in bytes. Default: 128 MiB. */
  readonly cacheBytes?: number;
  /** Bytes of the store's disk that are kept free: below this, jobs are refused. Default: 64 MiB. */
  readonly storeReserveBytes?: number;
  /** There is no room for more jobs, and why; null when there is again. */
  readonly onStoreProblem?: (problem: StoreError | null) => void;
  /** For tests: every commit takes this much longer, as on a slow disk. */
  readonly simulatedCommitMillis?: number;
  /** For tests: when the store's pages are looked at, and from which size of it on. */
  readonly storeCheck?: { readonly afterMillis: number; readonly fromBytes: number };
  /** Name for people; the host's by default. */
  readonly name?: string;
  /** How she tells the network where she is; null: not at all. Default: null. */
  readonly discovery?: DiscoveryChoice | null;
  /** Ports to look through for Drones that wait to be dialled. */
  readonly scan?: readonly PortRange[];
  /** Time for a peer to finish its handshake, in milliseconds. Default: 10 s. */
  readonly handshakeMillis?: number;
  /** What is worth a line to a person. */
  readonly onEvent?: (event: Notice) => void;
  /** Tell the replies of single tasks with all of their value. Default: false. */
  readonly showValues?: boolean;
}

export interface Queen {
  readonly address: Address;
  /** Where she is dialled on this machine. */
  readonly dialAddress: Address;
  /** Identity of her store. */
  readonly id: string;
  readonly name: string;
  readonly keys: Keyring | null;
  /** For a node: what is known of it and of the others; and how they are asked about jobs that are not here. */
  tellOfNodes(event: NodeEvent): void;
  askElsewhere(others: OtherNodes): void;
  /** Whether everybody may come in. */
  readonly isInsecure: boolean;
  /** What she tells the network; null when she does not. */
  readonly discovery: AnnouncerStats | null;
  /** Tasks recorded and bytes held, for the summary line. */
  summary(): QueenSummary;
  /** Says goodbye to all peers and closes. */
  stop(): Promise<void>;
}
export interface QueenSummary {
  readonly drones: number;
  readonly sessions: number;
  readonly tasksRecorded: number;
  readonly tasksPerSecond: number;
  readonly jobsActive: number;
  readonly heldBytes: number;
}

/** @throws UsageError when it cannot listen or use its store, with what to do about it */
export async function startQueen(options: QueenOptions = {}): Promise<Queen> {
  const { host = LOOPBACK, port = DEFAULT_PORT, isPortFixed = false, data = null } = options;
  const keys = keysOf(options, host);
  // The store looks for damage only after it was recovered, by the runtime.
  const { store, queen, epoch, latest } = openStore(options, ({ message }) =>
    runtime.push({ type: 'storeDamaged', message }),
  );
  // Time goes on from the latest that the store has seen, even if the clock was set back meanwhile.
  const startedAt = Math.max(Date.now(), latest);
  const monotonic = performance.now();
  const clock = () => startedAt + performance.now() - monotonic;
  const { spool, shelf, close: closeFiles } = filesOf(store, data);
  const name = options.name ?? hostname();
  const incarnation = randomIncarnation();
  const runtime: Runtime = new Runtime({
    spool,
    shelf,
    identity: {
      queen,
      incarnation,
      epoch,
      name,
      store: store.name,
      isDurable: store.isDurable,
      startedAt,
      formatTime: (at) => new Date(at).toISOString(),
      chance: seededChance(randomBytes(4).readUInt32LE()),
    },
    store,
    keys,
    clock,
    onNotice: options.onEvent ?? (() => {}),
    showValues: options.showValues ?? false,
    ...(options.onStoreProblem === undefined ? {} : { onStoreProblem: options.onStoreProblem }),
    ...(options.storeReserveBytes === undefined ? {} : { storeReserveBytes: options.storeReserveBytes }),
  });
  const server = new QueenServer(runtime, { keys, handshakeMillis: options.handshakeMillis });
  let address: Address;
  try {
    runtime.recover();
    address = await server.listen({ host, port, isPortFixed });
  } catch (error) {
    runtime.stop('could not start');
    await closeFiles();
    await store.close();
    throw error;
  }
  const own = dialledFromHere(address);
  if (data !== null) writeQueenAddress(data, own);
  const info: QueenInfo = { queen, incarnation, epoch, name, port: address.port };
  const presence = await maybePresent(options, info, host, keys);
  const dialler = new DroneDialler(options.scan ?? [], (socket, gate) => server.accept(socket, gate));
  runtime.dialBack = (drone) => dialler.dialBack(drone);
  return {
    address,
    dialAddress: own,
    id: queen,
    name,
    keys,
    ...nodeDoor(runtime),
    isInsecure: keys === null,
    get discovery() {
      return presence?.stats ?? null;
    },
    summary: () => summaryOf(runtime, store),
    async stop() {
      if (data !== null) removeQueenAddress(data, own);
      await Promise.all([presence?.close(), dialler.close()]);
      runtime.stop('The Queen is stopping.');
      await server.close();
      await closeFiles();
      await store.close();
    },
  };
}

function maybePresent(
  { discovery }: QueenOptions,
  info: QueenInfo,
  host: string,
  keys: Keyring | null,
): Promise<Presence | null> {
  return discovery == null ? Promise.resolve(null) : startPresence(info, host, keys, discovery);
}

function nodeDoor(runtime: Runtime): Pick<Queen, 'tellOfNodes' | 'askElsewhere'> {
  return {
    tellOfNodes: (event) => runtime.push(event),
    askElsewhere: (others) => {
      runtime.elsewhere.others = others;
    },
  };
}

/** A Queen who listens everywhere is found on this machine by loopback. */
function dialledFromHere({ host, port }: Address): Address {
  return host === '0.0.0.0' || host === '::' ? { host: LOOPBACK, port } : { host, port };
}

/** @throws UsageError when the keys cannot be had, or nobody may be let in without them there */
function keysOf({ keys, data, insecure, scan = [] }: QueenOptions, host: string): Keyring | null {
  if (keys !== undefined && !insecure) return keys;
  const ring = keyringOf({ data: data ?? undefined, insecure });
  if (ring !== null) return ring;
  const isForced = (insecure || insecureOfEnvironment()) === 'yes-really';
  for (const each of [host, ...scan.map((range) => range.host)]) allowInsecure(each, isForced);
  return ring;
}

interface OpenedStore {
  readonly store: Store;
  readonly queen: QueenId;
  readonly epoch: number;
  readonly latest: number;
}

function openStore(
  { store = 'memory', data = null, cacheBytes, simulatedCommitMillis, storeCheck }: QueenOptions,
  onDamage: (problem: StoreError) => void,
): OpenedStore {
  if (store === 'memory') return { store: new MemoryStore(), queen: randomQueenId(), epoch: 1, latest: 0 };
  if (data === null) throw new UsageError('The durable store needs a data folder.');
  const opened = new SqliteStore(
    {
      data,
      onDamage,
      ...(storeCheck === undefined ? {} : { check: storeCheck }),
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
      ...(simulatedCommitMillis === undefined ? {} : { simulatedMillis: simulatedCommitMillis }),
    },
    randomQueenId,
    Date.now(),
  );
  const { queen, epoch, latest } = opened.identity;
  return { store: opened, queen: queenId(queen), epoch, latest };
}

/** What is kept in files: beside the database, or in a folder that goes with the process. */
function filesOf({ isDurable }: Store, data: string | null) {
  const isKept = isDurable && data !== null;
  const folder = isKept ? data : mkdtempSync(join(tmpdir(), 'hive-queen-'));
  const spool = new Spool(join(folder, 'streams'), isKept);
  const shelf = new BlobShelf(join(folder, 'blobs'), isKept);
  return {
    spool,
    shelf,
    async close() {
      await spool.close(false);
      await shelf.close(false);
      if (!isKept) await rm(folder, { recursive: true, force: true });
    },
  };
}

function summaryOf(runtime: Runtime, store: Store): QueenSummary {
  const { state } = runtime.scheduler;
  return {
    drones: state.drones,
    sessions: runtime.sessions,
    tasksRecorded: state.totals.recorded,
    tasksPerSecond: state.throughput.perSecond(state.now),
    jobsActive: state.jobs.size - state.ended.size,
    heldBytes: store.heldBytes,
  };
}
