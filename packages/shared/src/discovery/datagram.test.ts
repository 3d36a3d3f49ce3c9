import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS } from '../limits.ts';
import { clusterId, incarnation, queenId } from '../units.ts';
import { encodeMsgpack } from '../values.ts';
import {
  type Announcement,
  type DatagramSigner,
  decodeAnnouncement,
  decodeQuestion,
  encodeAnnouncement,
  encodeQuestion,
} from './datagram.ts';

const CLUSTER = clusterId('c'.repeat(32));
/** Not a signature, but as long as one, and different for different bytes. */
const signer: DatagramSigner = {
  cluster: CLUSTER,
  sign: (bytes) => {
    const signature = new Uint8Array(64);
    for (const [i, byte] of bytes.entries()) signature[i % 64] = (signature[i % 64]! * 31 + byte + 1) & 0xff;
    return signature;
  },
  verify: (bytes, signature) => Buffer.compare(signer.sign(bytes), signature) === 0,
};

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits });
const nonces = fc.uint8Array({ minLength: 16, maxLength: 16 });
const announcements: fc.Arbitrary<Announcement> = fc.record(
  {
    cluster: hex(32).map(clusterId),
    queen: hex(32).map(queenId),
    incarnation: hex(16).map(incarnation),
    epoch: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    serial: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    port: fc.integer({ min: 1, max: 65_535 }),
    everyMillis: fc.nat({ max: 0xffff_ffff }),
    name: fc.string({ unit: 'binary', maxLength: LIMITS.datagramNameMax }),
    nonce: nonces,
  },
  { requiredKeys: ['cluster', 'queen', 'incarnation', 'epoch', 'serial', 'port', 'everyMillis', 'name'] },
);

describe('a question', () => {
  test('has one length whatever is asked, and is read as it was written', () => {
    fc.assert(
      fc.property(hex(32).map(clusterId), nonces, (cluster, nonce) => {
        const datagram = encodeQuestion({ cluster, nonce });
        expect(datagram).toHaveLength(LIMITS.datagramBytes);
        expect(decodeQuestion(datagram)).toEqual({ cluster, nonce: Buffer.from(nonce) });
      }),
    );
  });

  test('that is shorter than an answer may be is none', () => {
    const nonce = new Uint8Array(16);
    const short = { magic: 'hive', version: 1, type: 'Question', cluster: CLUSTER, nonce, pad: nonce };
    expect(decodeQuestion(encodeMsgpack(short))).toBeNull();
    expect(() => encodeQuestion({ cluster: CLUSTER, nonce: new Uint8Array(3) })).toThrow(/16 bytes/);
  });

  test('of another version, or with a short nonce, is none', () => {
    const padded = (fields: object) => {
      const bare = encodeMsgpack({ ...fields, pad: new Uint8Array(256) }).length - 256;
      return encodeMsgpack({ ...fields, pad: new Uint8Array(LIMITS.datagramBytes - bare) });
    };
    const nonce = new Uint8Array(16);
    const fields = { magic: 'hive', version: 1, type: 'Question', cluster: CLUSTER, nonce };
    expect(decodeQuestion(padded(fields))).not.toBeNull();
    for (const wrong of [
      { version: 2 },
      { magic: 'bees' },
      { nonce: nonce.subarray(1) },
      { type: 'Answer' },
    ]) {
      expect(decodeQuestion(padded({ ...fields, ...wrong }))).toBeNull();
    }
  });
});

describe('an announcement', () => {
  test('is never longer than a question, and is read as it was written', () => {
    fc.assert(
      fc.property(announcements, (announcement) => {
        const datagram = encodeAnnouncement(announcement, signer);
        expect(datagram.length).toBeLessThanOrEqual(LIMITS.datagramBytes);
        const heard = decodeAnnouncement(datagram)!;
        const { nonce, name, ...rest } = announcement;
        const { nonce: heardNonce, name: heardName, ...heardRest } = heard.announcement;
        expect(heardRest).toEqual(rest);
        // A lone half of a surrogate pair cannot travel as UTF-8.
        expect(heardName).toBe(Buffer.from(name).toString());
        expect(heardNonce === undefined ? undefined : Uint8Array.from(heardNonce)).toEqual(nonce);
        expect(signer.verify(heard.signed, heard.signature)).toBe(true);
      }),
    );
  });

  test('with any bit turned over is not what was signed, or none at all', () => {
    const [announcement] = fc.sample(announcements, { numRuns: 1, seed: 1 });
    const datagram = encodeAnnouncement(announcement!, signer);
    fc.assert(
      fc.property(fc.nat({ max: datagram.length * 8 - 1 }), (bit) => {
        const changed = Uint8Array.from(datagram);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const heard = decodeAnnouncement(changed);
        expect(heard !== null && signer.verify(heard.signed, heard.signature)).toBe(false);
      }),
    );
  });

  test('has a name that is cut where it would be too long', () => {
    const [announcement] = fc.sample(announcements, { numRuns: 1, seed: 2 });
    const name = '🐝'.repeat(100);
    const heard = decodeAnnouncement(encodeAnnouncement({ ...announcement!, name }, signer));
    expect(heard!.announcement.name).toBe('🐝'.repeat(LIMITS.datagramNameMax / 2));
  });
});

test('bytes from anywhere are read without an error', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 700 }),
    fc.uint8Array({ minLength: LIMITS.datagramBytes, maxLength: LIMITS.datagramBytes }),
    fc.tuple(announcements, fc.nat(300), fc.uint8Array({ maxLength: 8 })).map(([announcement, at, bytes]) => {
      const datagram = encodeAnnouncement(announcement, signer);
      datagram.set(bytes.subarray(0, Math.max(0, datagram.length - at)), Math.min(at, datagram.length));
      return datagram;
    }),
  );
  fc.assert(
    fc.property(anything, (datagram) => {
      expect(decodeQuestion(datagram)?.nonce.length ?? 16).toBe(16);
      expect(decodeAnnouncement(datagram)?.signature.length ?? 64).toBe(64);
    }),
    { numRuns: 500 },
  );
});
