/**
 * What Queens and newcomers say to each other by UDP, as bytes: a newcomer's question, and a Queen's announcement, which
 * with the nonce of a question in it is the answer to that. PROTOCOL.md specifies them under Datagrams.
 *
 * A datagram is a hint and never a proof: the worst that a false one may do is to cost one dial. A question has a fixed
 * length that no answer exceeds, so that nobody can make Queens send more to a third party than it sends itself.
 */
import { UsageError } from '../errors.ts';
import { between, bytes, hex, type Infer, oneOf, optional, struct, text, u32, u53 } from '../fields.ts';
import { LIMITS } from '../limits.ts';
import { msgpackProblem } from '../plain-msgpack.ts';
import type { ClusterId, Incarnation, QueenId } from '../units.ts';
import { decodeMsgpack, encodeMsgpack } from '../values.ts';

/** What a newcomer needs: which cluster is its own, and whether a Queen of it has signed these bytes as a datagram. */
export interface DatagramVerifier {
  readonly cluster: ClusterId;
  verify(signed: Uint8Array, signature: Uint8Array): boolean;
}
/** What a Queen needs. `sign` gives 64 bytes, good for these bytes as a datagram and for nothing else. */
export interface DatagramSigner extends DatagramVerifier {
  sign(signed: Uint8Array): Uint8Array;
}

export const DATAGRAM_VERSION = 1;
export const DISCOVERY_GROUP = '239.72.73.86';
export const NONCE_BYTES = 16;
export const SIGNATURE_BYTES = 64;

const HEADER = {
  magic: oneOf('hive'),
  version: between(DATAGRAM_VERSION, DATAGRAM_VERSION),
} as const;
/** A newcomer's: who of this cluster is there? */
export const QUESTION = struct('Question', {
  ...HEADER,
  type: oneOf('Question'),
  cluster: hex<ClusterId>(32),
  nonce: bytes,
  pad: bytes,
});
/** A Queen's. The host is where it came from. */
export const ANNOUNCEMENT = struct('Announcement', {
  ...HEADER,
  type: oneOf('Announcement'),
  cluster: hex<ClusterId>(32),
  queen: hex<QueenId>(32),
  incarnation: hex<Incarnation>(16),
  epoch: u53,
  serial: u53,
  port: between(1, 65_535),
  everyMillis: u32,
  name: text,
  nonce: optional(bytes),
});

export interface Question {
  readonly cluster: ClusterId;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
}
/** What a Queen says of herself; `serial` grows with every datagram of one incarnation. */
export type Announcement = Omit<Infer<typeof ANNOUNCEMENT.fields>, 'magic' | 'version' | 'type'>;

/** @throws UsageError if the nonce has another length than 16 bytes */
export function encodeQuestion({ cluster, nonce }: Question): Uint8Array {
  if (nonce.length !== NONCE_BYTES) throw new UsageError(`A nonce has ${NONCE_BYTES} bytes.`);
  const header = { magic: 'hive', version: DATAGRAM_VERSION, type: 'Question', cluster, nonce };
  // One length for all paddings that are needed: between 256 and 511 bytes the header of a byte string takes three.
  const bare = encodeMsgpack({ ...header, pad: new Uint8Array(256) }).length - 256;
  return encodeMsgpack({ ...header, pad: new Uint8Array(LIMITS.datagramBytes - bare) });
}

/** A datagram that a Queen heard; null when it is no question. */
export function decodeQuestion(datagram: Uint8Array): Question | null {
  // A shorter one could be answered with more bytes than were asked with.
  if (datagram.length !== LIMITS.datagramBytes) return null;
  const value = decodeMap(datagram);
  if (value === null || QUESTION.problem(value) !== null) return null;
  const { cluster, nonce } = value as Question;
  return nonce.length === NONCE_BYTES ? { cluster, nonce } : null;
}

/** The map, and after it the signature. */
export function encodeAnnouncement(announcement: Announcement, signer: DatagramSigner): Uint8Array {
  const name = announcement.name.slice(0, LIMITS.datagramNameMax);
  const header = { magic: 'hive', version: DATAGRAM_VERSION, type: 'Announcement' };
  const { nonce, ...rest } = announcement;
  const map = encodeMsgpack({ ...header, ...rest, name, ...(nonce === undefined ? {} : { nonce }) });
  return joined(map, signer.sign(map));
}

/** An announcement as it was heard, not yet believed. */
export interface HeardAnnouncement {
  readonly announcement: Announcement;
  /** What `signature` is said to be of. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Null when it is no announcement. Its signature is not looked at. */
export function decodeAnnouncement(datagram: Uint8Array): HeardAnnouncement | null {
  if (datagram.length <= SIGNATURE_BYTES || datagram.length > LIMITS.datagramBytes) return null;
  const map = datagram.subarray(0, datagram.length - SIGNATURE_BYTES);
  const value = decodeMap(map);
  if (value === null || ANNOUNCEMENT.problem(value) !== null) return null;
  const { magic: _m, version: _v, type: _t, ...announcement } = value as Infer<typeof ANNOUNCEMENT.fields>;
  if (announcement.nonce !== undefined && announcement.nonce.length !== NONCE_BYTES) return null;
  if (announcement.name.length > LIMITS.datagramNameMax) return null;
  return { announcement, signed: map, signature: datagram.subarray(map.length) };
}

function decodeMap(bytes: Uint8Array): unknown {
  return msgpackProblem(bytes, false) === null ? decodeMsgpack(bytes) : null;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
