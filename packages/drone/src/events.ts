/** What a Drone tells whoever started it: for the lines of a log, and for tests. */
import type { QueenId } from '@hive/shared';
import type { Address } from '@hive/shared/node';
import type { AgentReport } from './agent/events.ts';

export type DroneEvent =
  /** `attempt` counts from 0 since the last session with that address. */
  | { readonly type: 'connecting'; readonly address: Address; readonly attempt: number }
  | {
      readonly type: 'connected';
      readonly address: Address;
      readonly queen: QueenId;
      /** The Queen's name, for people. */
      readonly name: string;
      readonly session: string;
    }
  /** Also after a dial that failed. */
  | {
      readonly type: 'disconnected';
      readonly address: Address;
      readonly reason: string;
      /** When it will be dialled again; null when it will not. */
      readonly retryMillis: number | null;
    }
  /** It waits to be dialled there. */
  | { readonly type: 'listening'; readonly address: Address }
  /** The Queen does not want this Drone. */
  | { readonly type: 'rejected'; readonly address: Address; readonly code: string; readonly message: string }
  | { readonly type: 'slotReady'; readonly slot: number }
  | { readonly type: 'draining' }
  | { readonly type: 'stopped'; readonly end: DroneEnd }
  | AgentReport;

/** How a Drone came to its end. */
export type DroneEnd =
  | { readonly how: 'stopped' }
  | { readonly how: 'drained' }
  /** No Queen for longer than `orphanTimeoutMillis`, none that wants it, or no port to listen on; `error` says so in words. */
  | { readonly how: 'orphaned' | 'rejected' | 'deaf'; readonly error: Error };
