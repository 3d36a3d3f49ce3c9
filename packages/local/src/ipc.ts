/** What a parent and the Queens and Drones that it forked say to each other, over Node's IPC channel. */
import type { DroneEvent, DroneOptions, Predecessor, SandboxPolicy } from '@hive/drone';
import type { PeerId } from '@hive/shared';
import type { Address } from '@hive/shared/node';

/** What a forked Queen is told. */
export interface QueenConfig {
  readonly port: number;
  readonly isPortFixed: boolean;
  readonly data: string;
  readonly store: 'memory' | 'sqlite';
  readonly insecure: boolean;
  readonly name?: string;
}
/** What a forked Drone is told. */
export interface DroneConfig {
  readonly queen: Address;
  /** Folder with the secret: the key itself is neither in the arguments nor in the environment. */
  readonly data: string;
  readonly insecure: boolean;
  readonly name: string;
  readonly peer: PeerId;
  readonly predecessor?: Predecessor;
  readonly slots: number;
  /** Time without the Queen after which it ends by itself; never by default. */
  readonly orphanTimeoutMillis?: number;
  readonly sandbox?: SandboxPolicy;
  /** Added to its own. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What a forked node is told. */
export interface NodeConfig {
  /** Folder with the secret, in which each has one of its own. */
  readonly data: string;
  readonly slots: number;
  /** UDP port by which they find each other. */
  readonly discoveryPort: number;
}
/** What the Drone of a node is told: at its start, and later. */
export interface NodeDroneConfig
  extends Pick<
    DroneOptions,
    | 'name'
    | 'slots'
    | 'labels'
    | 'allow'
    | 'sandbox'
    | 'showValues'
    | 'data'
    | 'key'
    | 'insecure'
    | 'predecessor'
  > {
  readonly queens: readonly Address[];
  readonly peer: PeerId;
}
export type ToNodeDrone =
  | { readonly type: 'queens'; readonly queens: readonly Address[] }
  | { readonly type: 'drain' };
/** What it says. */
export type FromNodeDrone =
  | { readonly type: 'event'; readonly event: DroneEvent }
  | { readonly type: 'busy'; readonly busySlots: number; readonly slots: number };

/** What a process has used since it started. */
export interface Usage {
  /** CPU time of all its threads, in milliseconds. */
  readonly userMillis: number;
  readonly systemMillis: number;
  /** The most memory it ever held, and what it holds now, in bytes. */
  readonly peakBytes: number;
  readonly residentBytes: number;
}

export type ToChild<Config> =
  | { readonly type: 'start'; readonly config: Config }
  | { readonly type: 'usage'; readonly request: number }
  /** For what this one runs: its own words. */
  | { readonly type: 'told'; readonly words: unknown }
  | { readonly type: 'stop' };

export type ToParent<Ready> =
  | { readonly type: 'ready'; readonly ready: Ready }
  | { readonly type: 'failed'; readonly message: string; readonly code: string }
  /** By what it runs: its own words. */
  | { readonly type: 'said'; readonly words: unknown }
  | { readonly type: 'usage'; readonly request: number; readonly usage: Usage };
