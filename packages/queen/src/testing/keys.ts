/** For tests: a secret in memory, and keys that follow from it. */
import type { Role } from '@hive/shared';
import { Generation, Keyring, PeerKey } from '@hive/shared/node';

export const testGeneration = (number = 1, fill = 7): Generation =>
  new Generation(number, new Uint8Array(32).fill(fill));

/** What `startQueen` takes, so that `TestPeer` gets in. */
export const TEST_KEYS = Keyring.of([testGeneration()]);

export const testKey = (role: Role, keyId = 'test'): PeerKey => PeerKey.from(testGeneration(), role, keyId);
