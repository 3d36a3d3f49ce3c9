/**
 * The keys as a Queen has them: derives the key of any identity without storing one, signs, and follows its source when
 * the secret rotates, without a restart.
 */
import { statSync } from 'node:fs';
import { UsageError } from '../../errors.ts';
import type { KeyIdentity } from '../../key-identity.ts';
import type { Generation } from './derive.ts';
import { formatKey } from './key-line.ts';
import { PeerKey } from './peer-key.ts';
import { ensureSecret, readSecret, retireSecret, rotateSecret, type Secret, secretPath } from './secret.ts';

export class Keyring {
  #secret: Secret;
  /** The data folder whose secret this is; null when it came as a key or is this process's alone. */
  readonly #folder: string | null;
  /** What the file looked like when it was read last. */
  #stamp = '';

  private constructor(secret: Secret, folder: string | null) {
    this.#secret = secret;
    this.#folder = folder;
    if (folder !== null) this.#stamp = stampOf(folder);
  }

  /** Of a folder's secret, which is made if there is none. @throws UsageError when the secret cannot be used */
  static ofFolder(folder: string): Keyring {
    return new Keyring(ensureSecret(folder), folder);
  }
  /** Of a secret in memory. */
  static of(secret: Secret): Keyring {
    return new Keyring(secret, null);
  }

  /** Whether the secret lies in a folder, where others of this user find it, too. */
  get hasFolder(): boolean {
    return this.#folder !== null;
  }
  /** Numbers of the generations that are valid, the newest first. */
  get generations(): readonly number[] {
    return this.#secret.map(({ number }) => number);
  }
  /** The generations that are valid, the newest first. */
  get valid(): readonly Generation[] {
    return this.#secret;
  }
  get oldest(): number {
    return this.#secret.at(-1)!.number;
  }

  /** The key of an identity, 32 bytes; null when its generation is not valid. */
  keyFor(identity: KeyIdentity): Uint8Array | null {
    return this.#generation(identity.generation)?.key(identity) ?? null;
  }

  /** Signs as the Queen, with the key of a valid generation (default: the newest). Null when it is not valid (any more). */
  sign(purpose: string, bytes: Uint8Array, generation: number = this.#secret[0].number): Uint8Array | null {
    return this.#generation(generation)?.sign(purpose, bytes) ?? null;
  }

  /** The key of this process itself, as a text for `connect` and Drones that it starts. */
  nodeKey(): string {
    return formatKey(PeerKey.from(this.#secret[0], 'node'));
  }

  /** Looks whether the secret has changed; cheap. What cannot be read now leaves things as they are. */
  refresh(): void {
    if (this.#folder === null) return;
    const stamp = stampOf(this.#folder);
    if (stamp === this.#stamp || stamp === '') return;
    try {
      const secret = readSecret(this.#folder);
      if (secret === null) return;
      this.#secret = secret;
      this.#stamp = stamp;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }

  /** A new generation; the one before stays valid. Returns its number. @throws UsageError with what to do instead */
  rotate(): number {
    this.#take(rotateSecret(this.#ownFolder()));
    return this.#secret[0].number;
  }

  /** Only the newest generation stays valid. Returns its number. @throws UsageError with what to do instead */
  retire(): number {
    this.#take(retireSecret(this.#ownFolder()));
    return this.#secret[0].number;
  }

  #take(secret: Secret): void {
    this.#secret = secret;
    this.#stamp = stampOf(this.#folder!);
  }

  #ownFolder(): string {
    if (this.#folder !== null) return this.#folder;
    throw new UsageError(
      'This Queen was given her secret as a key, so it cannot be changed here. Rotate where the secret lies, and start her with a new key.',
      'notPermitted',
    );
  }

  #generation(number: number): Generation | undefined {
    const known = this.#secret.find((generation) => generation.number === number);
    if (known !== undefined) return known;
    this.refresh();
    return this.#secret.find((generation) => generation.number === number);
  }
}

/** Changes whenever the file does. Empty when there is none. */
function stampOf(folder: string): string {
  try {
    const { mtimeMs, ino, size } = statSync(secretPath(folder));
    return `${mtimeMs} ${ino} ${size}`;
  } catch {
    return '';
  }
}
