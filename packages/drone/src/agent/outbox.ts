/**
 * Results that a Queen has not acknowledged, kept to be sent again after a reconnect. They outlive their lease and every
 * session, but not the Queen's identity. What a slot may have in here is bounded by pausing it.
 */
import type { Incarnation, JobId, LeaseNumber, Message } from '@hive/shared';
import type { OutputFile, SlotNumber } from './events.ts';

interface Unacked {
  readonly order: number;
  readonly slot: SlotNumber | null;
  readonly bytes: number;
  readonly incarnation: Incarnation;
  readonly job: JobId;
  readonly message: Message<'TaskComplete'>;
  /** Files of the message's streams, in their order. */
  readonly files: readonly OutputFile[];
}
/** Called with the slot whose results were let go, their cost in bytes, and the files with the large ones among them. */
export type Released = (slot: SlotNumber | null, bytes: number, files: readonly OutputFile[]) => void;

/** A page's cost, as credit counts it, something for the failures, and the files: a slot whose files pile up is paused too. */
export function costOf(message: Message<'TaskComplete'>): number {
  let bytes = message.data.length + 4 * (message.reduced ? 1 : message.count);
  for (const stream of message.streams ?? []) bytes += stream.bytes;
  for (const failure of message.failures ?? []) bytes += 64 + failure.message.length;
  return bytes;
}

export class Outbox {
  readonly #leases = new Map<string, Unacked[]>();
  readonly #released: Released;
  #count = 0;

  constructor(released: Released) {
    this.#released = released;
  }

  get isEmpty(): boolean {
    return this.#leases.size === 0;
  }

  /** Keeps a result until it is acknowledged. Returns its cost. */
  add(
    lease: Origin & { readonly outputs: ReadonlyMap<number, OutputFile> },
    slot: SlotNumber | null,
    message: Message<'TaskComplete'>,
  ): number {
    const { incarnation, job, outputs } = lease;
    const files = (message.streams ?? []).map(({ index }) => outputs.get(index)!);
    const key = keyOf(incarnation, message.lease);
    const bytes = costOf(message);
    const entry = { order: this.#count++, slot, bytes, incarnation, job, message, files };
    const list = this.#leases.get(key);
    if (list === undefined) this.#leases.set(key, [entry]);
    else list.push(entry);
    return bytes;
  }

  /** Results of this lease below `position` are durable. Returns the cost of what was let go. */
  acknowledge(incarnation: Incarnation, lease: LeaseNumber, position: number): number {
    const key = keyOf(incarnation, lease);
    const list = this.#leases.get(key);
    if (list === undefined) return 0;
    let gone = 0;
    while (gone < list.length && list[gone]!.message.at + list[gone]!.message.count <= position) gone++;
    const entries = list.splice(0, gone);
    if (list.length === 0) this.#leases.delete(key);
    let bytes = 0;
    for (const entry of entries) {
      bytes += entry.bytes;
      this.#released(entry.slot, entry.bytes, entry.files);
    }
    return bytes;
  }

  /** Nobody wants the results of this lease. Returns the cost of what was let go. */
  discard(incarnation: Incarnation, lease: LeaseNumber): number {
    return this.acknowledge(incarnation, lease, Number.MAX_SAFE_INTEGER);
  }

  clear(): void {
    for (const list of this.#leases.values()) {
      for (const entry of list) this.#released(entry.slot, entry.bytes, entry.files);
    }
    this.#leases.clear();
  }

  /** The file with an output over 1 MiB that is not acknowledged, and its length. */
  output(
    incarnation: Incarnation,
    lease: LeaseNumber,
    index: number,
  ): { file: OutputFile; bytes: number } | null {
    for (const { message, files } of this.#leases.get(keyOf(incarnation, lease)) ?? []) {
      const at = message.streams?.findIndex((stream) => stream.index === index) ?? -1;
      if (at >= 0) return { file: files[at]!, bytes: message.streams![at]!.bytes };
    }
    return null;
  }

  /** Everything that is not acknowledged, oldest first, as a session of that incarnation must hear it. */
  toResend(incarnation: Incarnation): Message<'TaskComplete'>[] {
    const all = [...this.#leases.values()].flat().sort((a, b) => a.order - b.order);
    return all.map((entry) => {
      const { request: _request, ...message } = entry.message;
      return withOrigin(message, entry, incarnation);
    });
  }
}

/** Where a report comes from. */
export interface Origin {
  readonly incarnation: Incarnation;
  readonly job: JobId;
}

/** A lease of an earlier incarnation is told apart by naming that, and its job, which the Queen may not know from it. */
export function withOrigin(
  message: Message<'TaskComplete'>,
  { incarnation, job }: Origin,
  current: Incarnation,
): Message<'TaskComplete'> {
  return incarnation === current ? message : { ...message, incarnation, job };
}

export const keyOf = (incarnation: Incarnation, lease: LeaseNumber): string => `${incarnation}:${lease}`;
