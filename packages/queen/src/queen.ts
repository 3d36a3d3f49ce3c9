/** Starts a Queen: store, runtime, listening socket, and the file that tells others where it listens. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import {
  type Address,
  DEFAULT_PORT,
  LOOPBACK,
  randomIncarnation,
  randomQueenId,
  removeQueenAddress,
  writeQueenAddress,
} from '@hive/shared/node';
import { Runtime } from './runtime.ts';
import type { Notice } from './scheduler/index.ts';
import { QueenServer } from './server.ts';
import { MemoryStore } from './store/memory-store.ts';

export interface QueenOptions {
  /** Address to bind; loopback by default. */
  readonly host?: string;
  /** Default 8080; 0 takes any free port. */
  readonly port?: number;
  /** Fail when the port is taken, instead of taking the next free one. Default: false. */
  readonly isPortFixed?: boolean;
  /** Folder in which the address is left for others; null leaves it nowhere. Default: null. */
  readonly data?: string | null;
  /** Name for people; the host's by default. */
  readonly name?: string;
  /** Time for a peer to finish its handshake, in milliseconds. Default: 10 s. */
  readonly handshakeMillis?: number;
  /** What is worth a line to a person. */
  readonly onEvent?: (event: Notice) => void;
}

export interface Queen {
  readonly address: Address;
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

/** @throws UsageError when it cannot listen, with what to do about it */
export async function startQueen(options: QueenOptions = {}): Promise<Queen> {
  const {
    host = LOOPBACK,
    port = DEFAULT_PORT,
    isPortFixed = false,
    data = null,
    name = hostname(),
  } = options;
  const store = new MemoryStore();
  const startedAt = performance.now();
  const startedWall = Date.now();
  const runtime = new Runtime({
    identity: {
      queen: randomQueenId(),
      incarnation: randomIncarnation(),
      epoch: 1,
      name,
      store: store.name,
      formatTime: (at) => new Date(startedWall + at).toISOString(),
      chance: seededChance(randomBytes(4).readUInt32LE()),
    },
    store,
    clock: () => performance.now() - startedAt,
    onNotice: options.onEvent ?? (() => {}),
  });
  const server = new QueenServer(runtime, options);
  let address: Address;
  try {
    address = await server.listen({ host, port, isPortFixed });
  } catch (error) {
    runtime.stop('could not listen');
    throw error;
  }
  if (data !== null) writeQueenAddress(data, address);
  return {
    address,
    summary: () => summaryOf(runtime, store),
    async stop() {
      if (data !== null) removeQueenAddress(data, address);
      runtime.stop('The Queen is stopping.');
      await server.close();
      await store.close();
    },
  };
}

function summaryOf(runtime: Runtime, store: MemoryStore): QueenSummary {
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

/** mulberry32: a small seeded generator, good enough for jitter. */
export function seededChance(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
