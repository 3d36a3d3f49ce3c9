// A task: looks for a proof of work in one stretch of nonces, and ends the whole search when it has one.
import { hash } from 'node:crypto';
import { type TaskContext, task } from '@hive/client';

/** Nonces that one task looks at. */
export const STRETCH = 4_096;

export interface Search {
  readonly text: string;
  /** Zero bits with which the digest shall begin. */
  readonly bits: number;
  /** Whether the first find ends the job; else all of its stretches are searched. */
  readonly isHasty: boolean;
}

/** The smallest nonce of the stretch that will do, or Infinity. */
export default task((stretch: number, context: TaskContext) => {
  const { text, bits, isHasty } = context.params as unknown as Search;
  for (let nonce = stretch * STRETCH; nonce < (stretch + 1) * STRETCH; nonce++) {
    if (leadingZeros(hash('sha256', `${text}${nonce}`, 'buffer')) < bits) continue;
    if (isHasty) context.finish(nonce);
    return nonce;
  }
  return Number.POSITIVE_INFINITY;
});

export function leadingZeros(digest: Uint8Array): number {
  const zeroBytes = digest.findIndex((byte) => byte !== 0);
  return zeroBytes < 0 ? 256 : zeroBytes * 8 + Math.clz32(digest[zeroBytes]!) - 24;
}
