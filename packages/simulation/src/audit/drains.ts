/** Drones that an operator has drained get no new leases until somebody lets them work again, however often they dial. */
import type { Effects, State, StoreRecord } from '@hive/queen';
import type { Fail } from '../auditor.ts';

export class DrainAudit {
  readonly #fail: Fail;
  /** By identity. */
  readonly #drained = new Set<string>();

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  /** What the durable records say is what goes on. */
  recovered(durable: readonly StoreRecord[], { drained }: State): void {
    this.#drained.clear();
    for (const record of durable) {
      if (record.type !== 'drainChanged') continue;
      if (record.isDraining) this.#drained.add(record.drone);
      else this.#drained.delete(record.drone);
    }
    if (drained.size !== this.#drained.size || [...drained].some((drone) => !this.#drained.has(drone)))
      this.#fail('G6: drained Drones were not recovered as they were committed');
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
