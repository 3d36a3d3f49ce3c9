/** Drones that an operator has drained get no new leases until somebody lets them work again, however often they dial. */
import type { Effects, State } from '@hive/queen';
import type { Fail } from '../auditor.ts';

export class DrainAudit {
  readonly #fail: Fail;
  /** By identity. A Queen that was killed has forgotten them. */
  readonly #drained = new Set<string>();

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  recovered(): void {
    this.#drained.clear();
  }

  stepped({ now, afterCommit }: Effects, { sessions }: State): void {
    for (const { message, session } of now) {
      const peer = sessions.get(session)?.peer;
      if (message.type === 'TaskAssign' && peer !== undefined && this.#drained.has(peer))
        this.#fail(`lease ${message.lease} was given to a Drone that is drained`);
    }
    for (const { message } of afterCommit) {
      if (message.type !== 'Answer') continue;
      const { drone, draining } = message.body as { readonly drone?: string; readonly draining?: boolean };
      if (drone === undefined || draining === undefined) continue;
      if (draining) this.#drained.add(drone);
      else this.#drained.delete(drone);
    }
  }
}
