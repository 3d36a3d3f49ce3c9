/**
 * Keys as bearer tokens: what `hive key` prints, with or without `HIVE_KEY=`. A gateway that has the secret (a node's key,
 * or the Queen's data folder) derives what the key must be, and compares in constant time; one with another key takes that
 * key and no other. Whether it is revoked, or its generation retired, the Queen says, as on the wire.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { ConnectOptions } from '@hive/client';
import { formatIdentity, type Role } from '@hive/shared';
import { accessOf, formatKey, type Keyring, keyringOf, type PeerKey, parseKey } from '@hive/shared/node';

export interface Bearer {
  /** `generation.role.keyId`. */
  readonly id: string;
  readonly role: Role;
  /** For `connect`. */
  readonly key: string;
}

/** Digests of tokens that were found genuine, so that a derivation is not due for each request. */
const KNOWN_MAX = 256;

export class Bearers {
  readonly #keyring: Keyring | null;
  readonly #own: PeerKey | null;
  readonly #known = new Map<string, Bearer>();

  /** @throws UsageError when there is no key at all */
  constructor(options: ConnectOptions) {
    const access = accessOf(options, 'client')();
    this.#own = access.kind === 'key' ? access.key : null;
    this.#keyring = this.#own?.secret ? keyringOf(options) : null;
  }

  /** What the gateway itself may do; null without keys: everything. */
  get ownRole(): Role | null {
    return this.#own?.role ?? null;
  }
  /** Whether there are keys at all. */
  get hasKeys(): boolean {
    return this.#own !== null;
  }

  /** Whose the token is; null when it is nobody's here. @throws UsageError 'badKey' when it is no key at all */
  check(token: string): Bearer | null {
    // Looked up by its digest: how long that takes tells nothing of a token that is nearly right.
    const digest = hash('sha256', token);
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const key = parseKey(token, 'The bearer token');
    if (!this.#isGenuine(key)) return null;
    const bearer = { id: formatIdentity(key), role: key.role, key: formatKey(key) };
    this.#known.set(digest, bearer);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
    return bearer;
  }

  /** The Queen has refused it. */
  forget(id: string): void {
    for (const [digest, bearer] of this.#known) if (bearer.id === id) this.#known.delete(digest);
  }

  #isGenuine(key: PeerKey): boolean {
    const given = key.forTls();
    const expected =
      this.#keyring === null
        ? this.#own !== null && this.#own.forTls().identity === given.identity
          ? this.#own.forTls().psk
          : null
        : this.#keyring.keyFor(key);
    return expected !== null && timingSafeEqual(expected, given.psk);
  }
}
