/** Datagrams are signed by Queens and by nobody else, whatever key somebody else holds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import {
  type Announcement,
  type DatagramSigner,
  decodeAnnouncement,
  encodeAnnouncement,
} from '../../discovery/datagram.ts';
import { UsageError } from '../../errors.ts';
import type { Role } from '../../messages.ts';
import type { Access } from '../keys/access.ts';
import { Generation } from '../keys/derive.ts';
import { formatKey, parseKey } from '../keys/key-line.ts';
import { Keyring } from '../keys/keyring.ts';
import { PeerKey } from '../keys/peer-key.ts';
import { newSecret } from '../keys/secret.ts';
import { randomIncarnation, randomQueenId } from '../random-id.ts';
import { openSigner, seedSigner, signerOf, verifierOf } from './keys.ts';
import { seekingOf, signersOf } from './settings.ts';

const ROLES: readonly Role[] = ['drone', 'client', 'observer', 'node'];
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hive-test-'));
  folders.push(folder);
  return folder;
}
/** As its holder has it: only what the line carries. */
const handedOn = (generation: Generation, role: Role): PeerKey =>
  parseKey(formatKey(PeerKey.from(generation, role, 'abc')), 'a test');

function announcementOf(signer: Pick<DatagramSigner, 'cluster' | 'sign'>): Uint8Array {
  const { cluster } = signer;
  const announcement: Announcement = {
    cluster,
    queen: randomQueenId(),
    incarnation: randomIncarnation(),
    epoch: 1,
    serial: 1,
    port: 8080,
    everyMillis: 5_000,
    name: 'q',
  };
  return encodeAnnouncement(announcement, signer as DatagramSigner);
}
function believes(key: PeerKey, datagram: Uint8Array): boolean {
  const verifier = verifierOf(key);
  const { announcement, signed, signature } = decodeAnnouncement(datagram)!;
  return announcement.cluster === verifier.cluster && verifier.verify(signed, signature);
}

describe('a datagram of a Queen', () => {
  const [generation] = newSecret();

  test.each(ROLES)('is believed by whoever has the key of a %s', (role) => {
    const datagram = announcementOf(signerOf(generation));
    expect(believes(handedOn(generation, role), datagram)).toBe(true);
    const other = newSecret()[0];
    expect(believes(handedOn(other, role), datagram)).toBe(false);
    const last = datagram.length - 1;
    datagram[last] = datagram[last]! ^ 1;
    expect(believes(handedOn(generation, role), datagram)).toBe(false);
  });

  test.each(['drone', 'client', 'observer'] as const)('cannot be made with the key of a %s', (role) => {
    const key = handedOn(generation, role);
    const { cluster } = verifierOf(key);
    // Everything that the key's line carries, tried as what only a Queen has.
    const own = [key.forTls().psk, key.queenPublic, Buffer.from(key.lineText, 'base64url')];
    const seeds = own.flatMap((bytes) => [bytes, ...asSecret(bytes)]);
    for (const seed of seeds) {
      const forged = announcementOf({ cluster, sign: seedSigner(seed).sign });
      for (const victim of ROLES) expect(believes(handedOn(generation, victim), forged)).toBe(false);
    }
    expect(key.secret).toBeNull();
  });

  test('is not made from what a Queen signs for another purpose', () => {
    const { cluster } = signerOf(generation);
    const sign = (bytes: Uint8Array) => generation.sign('welcome', bytes);
    expect(believes(handedOn(generation, 'drone'), announcementOf({ cluster, sign }))).toBe(false);
  });

  /** The Queen's identity, as it would follow if these bytes were the secret. */
  function asSecret(bytes: Uint8Array): Uint8Array[] {
    const mistaken = new Generation(1, bytes);
    return [mistaken.queenPublic, mistaken.key({ role: 'node', keyId: 'abc' })];
  }
});

describe('while two generations are valid', () => {
  test('a Queen signs for both, and for the newest alone once the other is retired', () => {
    const folder = newFolder();
    const keys = Keyring.ofFolder(folder);
    const signers = signersOf(keys);
    const old = handedOn(keys.valid[0]!, 'drone');
    expect(signers().map(({ cluster }) => cluster)).toEqual([verifierOf(old).cluster]);
    // Rotated by another process.
    Keyring.ofFolder(folder).rotate();
    expect(signers()).toHaveLength(2);
    const recent = handedOn(keys.valid[0]!, 'drone');
    expect(recent.generation).toBe(2);
    const [byNew, byOld] = signers().map(announcementOf);
    expect([believes(recent, byNew!), believes(old, byOld!)]).toEqual([true, true]);
    expect([believes(old, byNew!), believes(recent, byOld!)]).toEqual([false, false]);
    keys.retire();
    expect(signers().map(({ cluster }) => cluster)).toEqual([verifierOf(recent).cluster]);
  });
});

describe('without keys', () => {
  const insecure = (isForced: boolean) => (): Access => ({ kind: 'insecure', isForced });

  test('everybody has the same pair, which nobody with a key listens to', () => {
    const [open] = signersOf(null)();
    const newcomer = seekingOf(insecure(false), 8080)!.verifier()!;
    const { announcement, signed, signature } = decodeAnnouncement(announcementOf(open!))!;
    expect(announcement.cluster).toBe(newcomer.cluster);
    expect(newcomer.verify(signed, signature)).toBe(true);
    const [generation] = newSecret();
    for (const role of ROLES) expect(believes(handedOn(generation, role), announcementOf(open!))).toBe(false);
    expect(signerOf(generation).cluster).not.toBe(openSigner().cluster);
    const mixed = { cluster: signerOf(generation).cluster, sign: openSigner().sign };
    expect(believes(handedOn(generation, 'client'), announcementOf(mixed))).toBe(false);
  });

  test('a newcomer looks on its own machine only, unless that was forced', () => {
    expect(seekingOf(insecure(false), 8080)).toMatchObject({ reach: 'loopback' });
    expect(seekingOf(insecure(true), 8080)).toMatchObject({ reach: 'everywhere' });
    expect(seekingOf(insecure(true), null)).toBeNull();
  });
});

test('a newcomer without a key believes nobody, and begins to when it has one', () => {
  const folder = newFolder();
  let access: Access | null = null;
  const seeking = seekingOf(() => access ?? missing(), 8080)!;
  expect(seeking.reach).toBe('everywhere');
  expect(seeking.verifier()).toBeNull();
  const key = PeerKey.from(Keyring.ofFolder(folder).valid[0]!, 'node');
  access = { kind: 'key', key };
  expect(seeking.verifier()?.cluster).toBe(verifierOf(key).cluster);
});

function missing(): never {
  throw new UsageError('There is no key.', 'noKey');
}
