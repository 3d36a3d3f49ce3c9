/**
 * The keys of datagrams. A Queen signs with her own identity, the Ed25519 key that only the secret gives, so whoever holds
 * the key of a Drone, a client or an observer can check a datagram and cannot make one. The cluster's id follows from the
 * public half.
 *
 * Insecure Queens use the pair of a seed that everybody knows: their datagrams look the same, prove nothing, and are of one
 * cluster of their own, which nobody with a key ever listens to.
 */
import { createHash } from 'node:crypto';
import type { DatagramSigner, DatagramVerifier } from '../../discovery/datagram.ts';
import { UsageError } from '../../errors.ts';
import { type ClusterId, clusterId } from '../../units.ts';
import type { Generation } from '../keys/derive.ts';
import { privateKeyOf, publicBytesOf, signAsQueen, verifyQueen } from '../keys/identity.ts';
import type { PeerKey } from '../keys/peer-key.ts';

/** The purpose of a datagram's signature. */
const PURPOSE = 'datagram';
const SEED_BYTES = 32;
const ID_BYTES = 16;

/** Of a Queen who has this generation of the secret. */
export function signerOf(generation: Generation): DatagramSigner {
  return {
    ...verifierFor(generation.queenPublic),
    sign: (bytes) => generation.sign(PURPOSE, bytes),
  };
}

/** Of whoever has this key and looks for Queens. */
export function verifierOf(key: PeerKey): DatagramVerifier {
  return verifierFor(key.queenPublic);
}

/** Of the pair of a seed. @throws UsageError when that has another length than 32 bytes */
export function seedSigner(seed: Uint8Array): DatagramSigner {
  if (seed.length !== SEED_BYTES) throw new UsageError(`The seed of a key pair has ${SEED_BYTES} bytes.`);
  const privateKey = privateKeyOf(seed);
  return {
    ...verifierFor(publicBytesOf(privateKey)),
    sign: (bytes) => signAsQueen(privateKey, PURPOSE, bytes),
  };
}

let open: DatagramSigner | null = null;

/** For clusters that have no keys: anybody can make it. */
export function openSigner(): DatagramSigner {
  open ??= seedSigner(createHash('sha256').update('hive/1|open').digest());
  return open;
}

function verifierFor(publicKey: Uint8Array): DatagramVerifier {
  return {
    cluster: clusterIdOf(publicKey),
    verify: (bytes, signature) => verifyQueen(publicKey, PURPOSE, bytes, signature),
  };
}

/** @param publicKey the 32 bytes of the public half of the Queens' key */
export function clusterIdOf(publicKey: Uint8Array): ClusterId {
  const digest = createHash('sha256').update('hive/1|cluster|').update(publicKey).digest();
  return clusterId(digest.subarray(0, ID_BYTES).toString('hex'));
}
