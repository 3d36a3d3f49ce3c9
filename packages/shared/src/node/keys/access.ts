/**
 * What a process may do and how it proves that: which key counts, of all that may be named, and what is said when there is
 * none. For peers (`accessOf`) and for Queens (`keyringOf`).
 *
 * In this order: insecure if it was asked for; the key that was given; HIVE_INSECURE; HIVE_KEY; the file HIVE_KEY_FILE;
 * the secret in the data folder, whose reader is a node.
 */
import { UsageError } from '../../errors.ts';
import { roleProblem } from '../../key-identity.ts';
import type { Role } from '../../messages.ts';
import { isLoopback } from '../address.ts';
import { defaultDataFolder } from '../data-folder.ts';
import type { Generation } from './derive.ts';
import { hideKey, type Insecure, insecureOfEnvironment, keyOfEnvironment } from './environment.ts';
import { parseKey } from './key-line.ts';
import { Keyring } from './keyring.ts';
import { PeerKey } from './peer-key.ts';
import { ensureSecret, readSecret, secretPath } from './secret.ts';

export interface AccessOptions {
  /** A key, as "hive key" printed it. */
  readonly key?: string | undefined;
  /** Folder with the secret; default: HIVE_DATA, else the user's own. */
  readonly data?: string | undefined;
  /** Plain TCP without keys; `yes-really` for other machines than this one, too. */
  readonly insecure?: Insecure | undefined;
}

/** Whether plain TCP was asked for: here, else by HIVE_INSECURE, which a key that is given overrules. */
export function insecureOf({ insecure, key }: AccessOptions): Insecure {
  return insecure || (key === undefined && insecureOfEnvironment());
}

/** How a peer proves that it belongs. */
export type Access =
  | { readonly kind: 'key'; readonly key: PeerKey }
  | { readonly kind: 'insecure'; readonly isForced: boolean };

/**
 * Says how to open a session as `role` (null: as whatever the key is for); to be asked before every dial, because a secret may appear, or rotate.
 * @throws UsageError 'badKey' at once when a key that was named is none, or does not allow the role; 'noKey' when asked and
 * there is none
 */
export function accessOf(options: AccessOptions, role: Role | null): () => Access {
  hideKey();
  const insecure = insecureOf(options);
  if (insecure) return () => ({ kind: 'insecure', isForced: insecure === 'yes-really' });
  const given = options.key === undefined ? null : allowed(parseKey(options.key, 'The option "key"'), role);
  if (given !== null) return () => ({ kind: 'key', key: given });
  if (keyOfEnvironment() !== null) {
    // A file may get another key while we run.
    const named = (): Access => ({ kind: 'key', key: allowed(keyOfEnvironment()!, role) });
    named();
    return named;
  }
  const folder = options.data ?? defaultDataFolder();
  return () => ({ kind: 'key', key: localKey(folder, role ?? 'client') });
}

/** @throws UsageError 'badKey' when the key does not open sessions in this role */
function allowed(key: PeerKey, role: Role | null): PeerKey {
  if (role === null) return key;
  const problem = role === 'client' && key.role === 'observer' ? null : roleProblem(key.role, role);
  if (problem !== null) throw new UsageError(problem, 'badKey');
  return key;
}

/** @throws UsageError 'noKey' */
function localKey(folder: string, role: Role): PeerKey {
  const secret = readSecret(folder);
  if (secret !== null) return PeerKey.from(secret[0], 'node');
  throw new UsageError(
    `There is no key: no secret at ${secretPath(folder)} yet (the first Queen makes it), and neither HIVE_KEY nor HIVE_KEY_FILE is set. For a Queen elsewhere run "hive key --role ${role}" there, and paste its line here.`,
    'noKey',
  );
}

/** Who the holder says that it is in Hello: whoever may only look does not ask for more. */
export function clientRole(access: Access): 'client' | 'observer' {
  return access.kind === 'key' && access.key.role === 'observer' ? 'observer' : 'client';
}

/** @throws UsageError 'insecure' when plain TCP would leave this machine and that was not forced */
export function allowInsecure(host: string, isForced: boolean): void {
  if (isForced || isLoopback(host)) return;
  throw new UsageError(
    `--insecure is for this machine only, and ${host} is not on it: everybody on the way could read, change and submit work. Use keys ("hive key"), or force it with --insecure=yes-really.`,
    'insecure',
  );
}

/** The keys of a Queen: null when she is insecure. The secret is made if there is none. @throws UsageError */
export function keyringOf(options: AccessOptions): Keyring | null {
  hideKey();
  if (insecureOf(options)) return null;
  const named = options.key === undefined ? keyOfEnvironment() : parseKey(options.key, 'The option "key"');
  if (named === null) return Keyring.ofFolder(options.data ?? defaultDataFolder());
  if (named.secret !== null) return Keyring.of([named.secret]);
  throw new UsageError(
    `The key in use is for the role ${named.role}; a Queen needs a node's ("hive key --role node"), or none at all: then she has a secret of her own.`,
    'badKey',
  );
}

/** The generation from which new keys are made: that of a node's key, else of the secret in the folder. @throws UsageError */
export function issuingGeneration(folder: string): Generation {
  const named = keyOfEnvironment();
  if (named === null) return ensureSecret(folder)[0];
  if (named.secret !== null) return named.secret;
  throw new UsageError(
    `HIVE_KEY is a key of the role ${named.role}, which makes no others. Run this where the Queen runs, without HIVE_KEY.`,
    'badKey',
  );
}
