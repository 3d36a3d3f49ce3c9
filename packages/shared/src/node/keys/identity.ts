/**
 * The Queen's identity: an Ed25519 key whose private half only holders of the secret can derive. A key shared with Drones
 * or clients proves membership; this proves that the peer is a Queen.
 *
 * What is signed always begins with its purpose, so a signature made for one thing is never good for another.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { UsageError } from '../../errors.ts';

/** An Ed25519 private key in PKCS #8 (RFC 8410) is this and the seed; a public one in SPKI is the other and the point. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const SIGNATURE_BYTES = 64;

/** @param seed 32 bytes */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
}

/** The 32 bytes of the public half. */
export function publicBytesOf(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI_HEAD.length));
}

/** Signs as the Queen, for one purpose (small letters and hyphens): 64 bytes. */
export function signAsQueen(privateKey: KeyObject, purpose: string, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, signedBytes(purpose, bytes), privateKey));
}

/** Whether a Queen signed these bytes for this purpose. `publicBytes` are 32; whatever the signature is, it never throws. */
export function verifyQueen(
  publicBytes: Uint8Array,
  purpose: string,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicBytes]), format: 'der', type: 'spki' });
  return verify(null, signedBytes(purpose, bytes), key, signature);
}

function signedBytes(purpose: string, bytes: Uint8Array): Buffer {
  if (!/^[a-z-]{1,32}$/.test(purpose)) throw new UsageError(`"${purpose}" is not a purpose of a signature.`);
  return Buffer.concat([Buffer.from(`hive/1|sign|${purpose}\0`), bytes]);
}

/** What the signature of a Welcome covers: this TLS session's exporter, the Queen's id and the session's name. */
export function welcomeBytes(exporter: Uint8Array, queen: string, session: string): Uint8Array {
  return Buffer.concat([exporter, Buffer.from(queen, 'hex'), Buffer.from(session, 'hex')]);
}
