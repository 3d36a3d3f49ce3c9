/**
 * Everything that follows from a secret: the keys of all roles, and the Queen's own Ed25519 identity. PROTOCOL.md section
 * 12 gives the derivation and a worked example, which a test compares with this.
 *
 * The secret never leaves this object but by `secretText`, for the secret's file and a node's key line.
 */
import { hkdfSync, type KeyObject } from 'node:crypto';
import type { KeyIdentity } from '../../key-identity.ts';
import { privateKeyOf, publicBytesOf, signAsQueen } from './identity.ts';

export const SECRET_BYTES = 32;
export const KEY_BYTES = 32;

/** HKDF-SHA256 with an empty salt. */
function derive(secret: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), info, KEY_BYTES));
}

/** One generation of a cluster's secret. */
export class Generation {
  readonly number: number;
  readonly #secret: Uint8Array;
  #private: KeyObject | null = null;
  #public: Uint8Array | null = null;

  constructor(number: number, secret: Uint8Array) {
    this.number = number;
    this.#secret = secret;
  }

  /** The key of one identity of this generation, 32 bytes. */
  key({ role, keyId }: Pick<KeyIdentity, 'role' | 'keyId'>): Uint8Array {
    return derive(this.#secret, `hive/1|${role}|${keyId}`);
  }

  /** The public half of the Queen's identity, 32 bytes. */
  get queenPublic(): Uint8Array {
    this.#public ??= publicBytesOf(this.#queenPrivate);
    return this.#public;
  }

  /** Signs as the Queen; see `signAsQueen`. */
  sign(purpose: string, bytes: Uint8Array): Uint8Array {
    return signAsQueen(this.#queenPrivate, purpose, bytes);
  }

  /** The secret in base64url. Only for where it is kept, or handed on. */
  get secretText(): string {
    return Buffer.from(this.#secret).toString('base64url');
  }

  get #queenPrivate(): KeyObject {
    this.#private ??= privateKeyOf(derive(this.#secret, 'hive/1|queen-identity'));
    return this.#private;
  }
}
