/**
 * What waits for a commit never leaves before everything that was appended before it is durable. Checked by tagging. And
 * what a crash leaves is what a commit has left: never half a step, never less than somebody was told.
 */
import type { Effects, Send } from '@hive/queen';
import type { Fail } from '../auditor.ts';

export class CommitAudit {
  readonly #fail: Fail;
  /** Records that had been appended when a send was issued. */
  readonly #after = new WeakMap<Send, number>();
  #appended = 0;
  /** Records that were appended when a step was over. */
  #wholes = new Set([0]);
  /** The most records on which something rests that has left, and what that was. */
  #promised = { records: 0, by: '' };

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  stepped({ append, afterCommit }: Effects): void {
    this.#appended += append.length;
    this.#wholes.add(this.#appended);
    for (const send of afterCommit) this.#after.set(send, this.#appended);
  }

  /** The Queen was killed: what was not durable is gone, and so is whatever waited for it. */
  recovered(durable: number, effects: Effects): void {
    const { records, by } = this.#promised;
    if (durable < records) this.#fail(`G1: ${by} rests on record ${records}, and ${durable} are left`);
    if (!this.#wholes.has(durable)) this.#fail(`G6: a step was torn: ${durable} records are left`);
    this.#appended = durable;
    this.#wholes = new Set([durable]);
    this.stepped(effects);
  }

  delivered(sends: readonly Send[], durable: number): void {
    for (const send of sends) {
      const after = this.#after.get(send);
      if (after === undefined) this.#fail(`${send.message.type} was delivered twice, or never issued`);
      if (after > durable) {
        this.#fail(
          `${send.message.type} left before its commit: ${durable} of ${after} records were durable`,
        );
      }
      this.#after.delete(send);
      if (after > this.#promised.records) this.#promised = { records: after, by: send.message.type };
    }
  }
}
