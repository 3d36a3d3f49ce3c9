/**
 * A key as its holder has it: enough to prove membership and to tell a Queen from whoever else has the same key. Its
 * bytes are private to this object, so that no log and no error can show them by accident.
 */
import { formatIdentity, type KeyIdentity, LOCAL_KEY_ID } from '../../key-identity.ts';
import type { Role } from '../../messages.ts';
import type { Generation } from './derive.ts';
import { verifyQueen } from './identity.ts';

export class PeerKey implements KeyIdentity {
  readonly generation: number;
  readonly role: Role;
  readonly keyId: string;
  readonly #key: Uint8Array;
  readonly #queenPublic: Uint8Array;
  readonly #secret: Generation | null;

  /** @param secret of a node's key; null for the others */
  constructor(
    { generation, role, keyId }: KeyIdentity,
    key: Uint8Array,
    queenPublic: Uint8Array,
    secret: Generation | null = null,
  ) {
    this.generation = generation;
    this.role = role;
    this.keyId = keyId;
    this.#key = key;
    this.#queenPublic = queenPublic;
    this.#secret = secret;
  }

  /** A key that was derived from a generation; a node's holds the secret itself. */
  static from(generation: Generation, role: Role, keyId: string = LOCAL_KEY_ID): PeerKey {
    const identity = { generation: generation.number, role, keyId };
    const { queenPublic } = generation;
    return new PeerKey(identity, generation.key(identity), queenPublic, role === 'node' ? generation : null);
  }

  /** What TLS's client side answers to a request for its key. */
  forTls(): { readonly identity: string; readonly psk: Uint8Array } {
    return { identity: formatIdentity(this), psk: this.#key };
  }

  /** Whether a Queen of this key's generation signed these bytes for this purpose. */
  verify(purpose: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    return verifyQueen(this.#queenPublic, purpose, bytes, signature);
  }

  /** The secret, if this is a node's key. */
  get secret(): Generation | null {
    return this.#secret;
  }
  /** The bytes that its line carries: the secret of a node, else the key. */
  get lineText(): string {
    return this.#secret?.secretText ?? Buffer.from(this.#key).toString('base64url');
  }
  /** The public half of the Queens' identity, 32 bytes. */
  get queenPublic(): Uint8Array {
    return this.#queenPublic;
  }
  get publicText(): string {
    return Buffer.from(this.#queenPublic).toString('base64url');
  }
}
