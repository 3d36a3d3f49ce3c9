/**
 * A node's Drone, in a process of its own: whatever a task does to it, the node's Queen and her jobs stay. When it ends by
 * itself it is started again (`Supervisor`); when it is to go, it first finishes what runs.
 */
import type { DroneEvent } from '@hive/drone';
import type { PeerId } from '@hive/shared';
import type { Address } from '@hive/shared/node';
import { Child } from '../child-process.ts';
import type { FromNodeDrone, NodeDroneConfig, ToNodeDrone } from '../ipc.ts';
import { type Exit, exitText, Supervisor } from '../supervisor.ts';

export interface DroneProcessOptions {
  readonly config: Omit<NodeDroneConfig, 'peer' | 'predecessor'>;
  /** Who the next one is. */
  readonly nextPeer: () => PeerId;
  readonly onEvent: (event: DroneEvent) => void;
  readonly onBusy: (busySlots: number, slots: number) => void;
  /** It has ended by itself, and is started again after so many milliseconds. */
  readonly onLost: (exit: Exit, retryMillis: number) => void;
}

interface DroneChild {
  readonly child: Child<NodeDroneConfig, null>;
  readonly peer: PeerId;
  readonly exited: Promise<Exit>;
  hasStarted: boolean;
}

export class DroneProcess {
  readonly #options: DroneProcessOptions;
  readonly #supervisor: Supervisor<DroneChild>;
  #queens: readonly Address[] = [];

  constructor(options: DroneProcessOptions) {
    this.#options = options;
    this.#supervisor = new Supervisor({
      start: (lost) => this.#start(lost),
      isEnd: () => false,
      onLost: options.onLost,
    });
  }

  get pid(): number | null {
    return this.#supervisor.process?.child.pid ?? null;
  }

  /** Queens that it works for. */
  set queens(addresses: readonly Address[]) {
    this.#queens = addresses;
    this.#supervisor.start();
    this.#tell({ type: 'queens', queens: addresses });
  }

  /** With `drain`, what runs is finished first; a second call without it ends that. */
  async stop({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#supervisor.stop();
    if (drain) this.#tell({ type: 'drain' });
    else await this.#supervisor.process?.child.stop();
    await this.#supervisor.over;
  }

  #tell(words: ToNodeDrone): void {
    this.#supervisor.process?.child.tell(words);
  }

  #start(lost: { readonly process: DroneChild; readonly exit: Exit } | null): DroneChild {
    const peer = this.#options.nextPeer();
    const config = { ...this.#options.config, queens: this.#queens, peer, ...predecessorOf(lost) };
    const child = new Child<NodeDroneConfig, null>('entry-node-drone', config, {
      onSaid: (words) => this.#said(words as FromNodeDrone),
    });
    void child.exited.then(() => this.#options.onBusy(0, 0));
    const started: DroneChild = { child, peer, exited: child.exited, hasStarted: false };
    child.ready.then(
      () => {
        started.hasStarted = true;
      },
      () => {},
    );
    return started;
  }

  #said(words: FromNodeDrone): void {
    if (words.type === 'event') this.#options.onEvent(words.event);
    else this.#options.onBusy(words.busySlots, words.slots);
  }
}

function predecessorOf(lost: { readonly process: DroneChild; readonly exit: Exit } | null) {
  if (lost === null) return {};
  const { child, peer } = lost.process;
  return { predecessor: { peer, pid: child.pid, how: exitText(lost.exit) } };
}
