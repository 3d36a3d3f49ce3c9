/** What waits for a commit never leaves before everything that was appended before it is durable. Checked by tagging. */
import type { Effects, Send } from '@hive/queen';
import type { Fail } from '../auditor.ts';

export class CommitAudit {
  readonly #fail: Fail;
  /** Records that had been appended when a send was issued. */
  readonly #after = new WeakMap<Send, number>();
  #appended = 0;

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  stepped({ append, afterCommit }: Effects): void {
    this.#appended += append.length;
    for (const send of afterCommit) this.#after.set(send, this.#appended);
  }

  /** The Queen was killed: what was not durable is gone, and so is whatever waited for it. */
  recovered(durable: number, effects: Effects): void {
    this.#appended = durable;
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
    }
  }
}
