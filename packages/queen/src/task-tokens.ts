/**
 * What a task shows to be let in: a code over its lease, made with a secret that lives as long as this opening of the
 * store. Nothing is kept per token; it is worth nothing once the lease is over, in another Queen, or with another key.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { KeyIdentity, Message } from '@hive/shared';

export type TaskPass = NonNullable<Message<'Hello'>['task']>;
const SECRET_BYTES = 32;

export class TaskTokens {
  readonly #secret = randomBytes(SECRET_BYTES);

  /** @param key with which the lease's Drone came; null in an insecure session */
  mint(key: KeyIdentity | null, job: string, lease: number): Uint8Array {
    const holder = key === null ? '' : key.keyId;
    return createHmac('sha256', this.#secret).update(`hive/1|task|${holder}|${job}|${lease}`).digest();
  }

  isMinted(key: KeyIdentity | null, { job, lease, token }: TaskPass): boolean {
    const own = this.mint(key, job, lease);
    return token.length === own.length && timingSafeEqual(token, own);
  }
}
