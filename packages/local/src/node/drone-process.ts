/**
 * A node's Drone, in a process of its own: whatever a task does to it, the node's Queen and her jobs stay. When it ends by
 * itself it is started again, after a while that grows; when it is to go, it first finishes what runs.
 */
import type { DroneEvent } from '@hive/drone';
import { type PeerId, redialDelay } from '@hive/shared';
import type { Address } from '@hive/shared/node';
import { Child, type Exit } from '../child-process.ts';
import type { FromNodeDrone, NodeDroneConfig, ToNodeDrone } from '../ipc.ts';

export interface DroneProcessOptions {
  readonly config: Omit<NodeDroneConfig, 'peer'>;
  /** Who the next one is. */
  readonly nextPeer: () => PeerId;
  readonly onEvent: (event: DroneEvent) => void;
  readonly onBusy: (busySlots: number, slots: number) => void;
  /** It has ended by itself, and is started again after so many milliseconds. */
  readonly onLost: (exit: Exit, retryMillis: number) => void;
}

/** One that ran for so long has not failed to start. */
const STEADY_MILLIS = 10_000;

export class DroneProcess {
  readonly #options: DroneProcessOptions;
  #queens: readonly Address[] = [];
  #child: Child<NodeDroneConfig, null> | null = null;
  #restart: NodeJS.Timeout | null = null;
  #attempt = 0;
  #isStopping = false;

  constructor(options: DroneProcessOptions) {
    this.#options = options;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Queens that it works for. */
  set queens(addresses: readonly Address[]) {
    this.#queens = addresses;
    if (this.#child === null && this.#restart === null && !this.#isStopping) this.#start();
    else this.#tell({ type: 'queens', queens: addresses });
  }

  /** With `drain`, what runs is finished first; a second call without it ends that. */
  async stop({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#isStopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const child = this.#child;
    if (child === null) return;
    if (drain) this.#tell({ type: 'drain' });
    else await child.stop();
    await child.exited;
  }

  #tell(words: ToNodeDrone): void {
    this.#child?.tell(words);
  }

  #start(): void {
    this.#restart = null;
    const startedAt = performance.now();
    const config = { ...this.#options.config, queens: this.#queens, peer: this.#options.nextPeer() };
    const child = new Child<NodeDroneConfig, null>('entry-node-drone', config, {
      onSaid: (words) => this.#said(words as FromNodeDrone),
    });
    this.#child = child;
    void child.exited.then((exit) => {
      this.#child = null;
      this.#options.onBusy(0, 0);
      if (this.#isStopping) return;
      if (performance.now() - startedAt >= STEADY_MILLIS) this.#attempt = 0;
      const millis = redialDelay(this.#attempt++, Math.random());
      this.#restart = setTimeout(() => this.#start(), millis);
      this.#options.onLost(exit, millis);
    });
  }

  #said(words: FromNodeDrone): void {
    if (words.type === 'event') this.#options.onEvent(words.event);
    else this.#options.onBusy(words.busySlots, words.slots);
  }
}
