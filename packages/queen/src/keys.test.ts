/** Keys that stop being valid: revoked ones, also after a restart, and whole generations. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  ensureSecret,
  type Generation,
  Keyring,
  PeerKey,
  readSecret,
  retireSecret,
  rotateSecret,
} from '@hive/shared/node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { folder, removeFoldersAfterEach } from './testing/folders.ts';
import { TestPeer } from './testing/peer.ts';

removeFoldersAfterEach();

let data: string;
let queen: Queen;
const peers: TestPeer[] = [];
const start = async () => {
  queen = await startQueen({ port: 0, store: 'sqlite', data });
};
beforeEach(async () => {
  data = folder();
  await start();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  await queen.stop();
});

/** The newest secret's key, unless it is of another generation. */
const key = (role: 'client' | 'drone' | 'node', keyId: string, at = 0) =>
  PeerKey.from(readSecret(data)!.at(at)!, role, keyId);
async function open(own: PeerKey): Promise<TestPeer> {
  const peer = await TestPeer.dial(queen.address, own);
  peers.push(peer);
  const isDrone = own.role === 'drone';
  peer.hello(isDrone ? 'drone' : 'client', isDrone ? { slots: 1, kinds: ['echo'] } : {});
  await peer.next('Welcome');
  if (isDrone) peer.send({ type: 'Holdings', leases: [] });
  return peer;
}
const refusal = (own: PeerKey) =>
  expect(TestPeer.dial(queen.address, own)).rejects.toMatchObject({ code: 'badKey' });

async function manage(peer: TestPeer, action: 'revokeKey' | 'rotateKeys' | 'retireKeys', keyId?: string) {
  peer.send({ type: 'Manage', request: 1, action, ...(keyId === undefined ? {} : { key: keyId }) });
  return (await peer.next('Answer')).body;
}

describe('a key that is revoked', () => {
  test('loses its sessions at once, opens no others, and other keys notice nothing', async () => {
    const node = await open(key('node', 'local'));
    const [one, two] = [await open(key('client', 'aaaa')), await open(key('drone', 'aaaa'))];
    const other = await open(key('client', 'bbbb'));
    expect(await manage(node, 'revokeKey', 'aaaa')).toEqual({ key: 'aaaa', sessions: 2 });
    for (const peer of [one, two]) {
      expect((await peer.next('Goodbye')).code).toBe('keyRevoked');
      await peer.closed();
    }
    await refusal(key('client', 'aaaa'));
    await refusal(key('drone', 'aaaa'));
    other.send({ type: 'Query', request: 2, about: 'status' });
    expect((await other.next('Answer')).request).toBe(2);
    node.send({ type: 'Query', request: 3, about: 'keys' });
    expect((await node.next('Answer')).body).toEqual({
      revoked: [{ id: 'aaaa', revokedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) }],
    });
  });

  test('stays so after a restart', async () => {
    await manage(await open(key('node', 'local')), 'revokeKey', 'aaaa');
    await queen.stop();
    await start();
    await refusal(key('client', 'aaaa'));
    await open(key('client', 'bbbb'));
  });

  test('between TLS and Hello is refused by its Hello', async () => {
    const node = await open(key('node', 'local'));
    const late = await TestPeer.dial(queen.address, key('client', 'aaaa'));
    peers.push(late);
    await manage(node, 'revokeKey', 'aaaa');
    late.hello('client');
    expect((await late.next('Reject')).code).toBe('keyRevoked');
  });

  test('is a key: neither the holder of the secret nor nonsense can be revoked', async () => {
    const node = await open(key('node', 'local'));
    for (const wrong of ['local', '', 'A B', undefined]) {
      node.send({
        type: 'Manage',
        request: 4,
        action: 'revokeKey',
        ...(wrong === undefined ? {} : { key: wrong }),
      });
      expect(await node.next('Refused')).toMatchObject({ request: 4, code: 'badSpec' });
    }
  });
});

describe('a secret that is renewed', () => {
  let first: Generation;
  beforeEach(() => {
    [first] = ensureSecret(data);
  });

  test('through the Queen: both generations are good until the old one is retired, without a restart', async () => {
    const node = await open(key('node', 'local'));
    const old = await open(key('client', 'aaaa'));
    expect(await manage(node, 'rotateKeys')).toEqual({ generation: 2, generations: [2, 1] });
    const young = await open(key('client', 'cccc'));
    await open(key('client', 'dddd', 1));
    node.send({ type: 'Manage', request: 5, action: 'rotateKeys' });
    expect((await node.next('Refused')).message).toMatch(/Generation 1 is still valid/);
    // The one who asks has a key of the old generation itself.
    node.send({ type: 'Manage', request: 6, action: 'retireKeys' });
    for (const peer of [old, node]) expect((await peer.next('Goodbye')).code).toBe('keyRevoked');
    await refusal(PeerKey.from(first, 'client', 'aaaa'));
    young.send({ type: 'Query', request: 7, about: 'status' });
    await young.next('Answer');
    expect(readSecret(data)!.map(({ number }) => number)).toEqual([2]);
  });
  test('in its file by somebody else: the Queen follows, and closes what is retired', async () => {
    const old = await open(key('client', 'aaaa'));
    rotateSecret(data);
    await open(key('client', 'cccc'));
    retireSecret(data);
    expect((await old.next('Goodbye')).code).toBe('keyRevoked');
    await refusal(PeerKey.from(first, 'client', 'aaaa'));
  });

  test('cannot be renewed by a Queen who was only lent it', async () => {
    const lent = await startQueen({ port: 0, keys: Keyring.of(ensureSecret(data)) });
    const peer = await TestPeer.dial(lent.address, key('node', 'local'));
    peer.hello('client');
    await peer.next('Welcome');
    peer.send({ type: 'Manage', request: 8, action: 'rotateKeys' });
    expect(await peer.next('Refused')).toMatchObject({ request: 8, code: 'notPermitted' });
    peer.end();
    await lent.stop();
  });
});

test('neither the secret nor a key is in what the Queen keeps, but in the one file for it', async () => {
  const client = key('client', 'aaaa');
  await open(client);
  await manage(await open(key('node', 'local')), 'revokeKey', 'bbbb');
  await queen.stop();
  const [generation] = readSecret(data)!;
  const secrets = [Buffer.from(generation.secretText, 'base64url'), Buffer.from(client.forTls().psk)];
  const forms = secrets.flatMap((bytes) => [
    bytes,
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(bytes.toString(form))),
  ]);
  const entries = readdirSync(data, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const holding = files.filter((path) => {
    const contents = readFileSync(path);
    return forms.some((form) => contents.includes(form));
  });
  expect(holding).toEqual([join(data, 'hive.secret')]);
  expect(statSync(join(data, 'hive.secret')).mode & 0o777).toBe(0o600);
  await start();
});
