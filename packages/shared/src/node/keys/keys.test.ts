import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readProtocol } from '../../../../../scripts/protocol-doc.ts';
import { formatIdentity, isKeyId, parseIdentity, roleProblem } from '../../key-identity.ts';
import { LIMITS } from '../../limits.ts';
import { MESSAGES, type Role } from '../../messages.ts';
import { Generation } from './derive.ts';
import { privateKeyOf, publicBytesOf, signAsQueen, verifyQueen, welcomeBytes } from './identity.ts';
import { formatKey, formatKeyLine, parseKey } from './key-line.ts';
import { PeerKey } from './peer-key.ts';

const ROLES: readonly Role[] = ['drone', 'client', 'observer', 'node'];
const generation = new Generation(1, new Uint8Array(32).fill(7));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('the worked example of PROTOCOL.md is what the code makes of it', () => {
  const document = readProtocol();
  const example = new Map(
    [...document.slice(document.indexOf('**An example.**')).matchAll(/^\| (.+) \| `(.+)` \|$/gm)].map(
      ([, what, bytes]) => [what, bytes],
    ),
  );
  expect(Object.fromEntries(example)).toEqual({
    'key of `1.drone.abc`': hex(generation.key({ role: 'drone', keyId: 'abc' })),
    'key of `1.client.abc`': hex(generation.key({ role: 'client', keyId: 'abc' })),
    'public key': hex(generation.queenPublic),
    'signature over purpose `welcome` and 64 bytes of 01': hex(
      generation.sign('welcome', new Uint8Array(64).fill(1)),
    ),
    'line of `1.drone.abc`': formatKeyLine(PeerKey.from(generation, 'drone', 'abc')),
  });
  const { strangerFailuresMax, strangerFailureMillis } = LIMITS;
  expect(document.replace(/\s+/g, ' ')).toContain(
    `an address from which ${strangerFailuresMax} handshakes fail within ${strangerFailureMillis / 1_000} s`,
  );
});

test('Ed25519 is that of RFC 8032: its first test vector', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  expect(hex(publicBytesOf(privateKeyOf(seed)))).toBe(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  );
});

test('a signature is good for its bytes, its purpose and its key alone', () => {
  const bytes = welcomeBytes(new Uint8Array(32).fill(1), '0'.repeat(32), 'f'.repeat(32));
  expect(bytes).toHaveLength(64);
  const signature = generation.sign('welcome', bytes);
  const good = [generation.queenPublic, 'welcome', bytes, signature] as const;
  expect(verifyQueen(...good)).toBe(true);
  const other = new Generation(2, new Uint8Array(32).fill(7));
  // The number is not part of the derivation: the secret is.
  expect(verifyQueen(other.queenPublic, 'welcome', bytes, signature)).toBe(true);
  const stranger = new Generation(1, new Uint8Array(32).fill(8));
  expect(verifyQueen(stranger.queenPublic, 'welcome', bytes, signature)).toBe(false);
  expect(verifyQueen(generation.queenPublic, 'announce', bytes, signature)).toBe(false);
  for (let i = 0; i < bytes.length; i++) {
    const changed = Uint8Array.from(bytes);
    changed[i]! ^= 1;
    expect(verifyQueen(generation.queenPublic, 'welcome', changed, signature)).toBe(false);
  }
  for (const wrong of [new Uint8Array(0), signature.subarray(1), new Uint8Array(64), new Uint8Array(1_000)])
    expect(verifyQueen(generation.queenPublic, 'welcome', bytes, wrong)).toBe(false);
  expect(() => signAsQueen(privateKeyOf(new Uint8Array(32)), 'a\0b', bytes)).toThrow('not a purpose');
});

test('keys of different roles, ids and secrets have nothing in common', () => {
  const keys = ROLES.flatMap((role) =>
    ['a', 'b', 'local'].flatMap((keyId) =>
      [7, 8].map((fill) => hex(new Generation(1, new Uint8Array(32).fill(fill)).key({ role, keyId }))),
    ),
  );
  expect(new Set(keys).size).toBe(keys.length);
});

test('any key survives its line, in whatever form people paste it', () => {
  fc.assert(
    fc.property(
      fc.record({
        fill: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        number: fc.integer({ min: 1, max: 999_999_999 }),
        role: fc.constantFrom(...ROLES),
        keyId: fc.stringMatching(/^[0-9a-z]{1,32}$/),
      }),
      ({ fill, number, role, keyId }) => {
        const key = PeerKey.from(new Generation(number, fill), role, keyId);
        for (const form of [formatKeyLine(key), ` "${formatKey(key)}"\n`, `export ${formatKeyLine(key)}`]) {
          const read = parseKey(form, 'it');
          expect(formatKey(read)).toBe(formatKey(key));
          expect(read.forTls()).toEqual(key.forTls());
          expect(read.secret !== null).toBe(role === 'node');
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('a slip in any place of a line is noticed, and what is said of it never shows the key', () => {
  for (const role of ROLES) {
    const key = PeerKey.from(generation, role, 'abc');
    const line = formatKey(key);
    const slips = [
      line.slice(1),
      line.slice(0, -1),
      `${line}x`,
      '',
      'HIVE_KEY=',
      line.replace('hive1', 'hive9'),
    ];
    for (let i = 0; i < line.length; i++) {
      slips.push(
        line.slice(0, i) + (line[i] === 'A' ? 'B' : 'A') + line.slice(i + 1),
        line.slice(0, i) + line.slice(i + 1),
      );
    }
    for (const slip of slips) {
      let message = '';
      try {
        parseKey(slip, 'HIVE_KEY');
      } catch (error) {
        ({ message } = error as Error);
        expect(error).toMatchObject({ name: 'UsageError', code: 'badKey' });
      }
      expect(message).toMatch(/^HIVE_KEY is not a key: .*Copy the whole line/);
      expect(message).not.toContain(key.lineText.slice(4, 20));
    }
  }
});

test('no log shows a key by accident', () => {
  const key = PeerKey.from(generation, 'node', 'abc');
  const shown =
    inspect({ key, generation }, { depth: 10, showHidden: true }) + JSON.stringify({ key, generation });
  for (const secret of [new Uint8Array(32).fill(7), key.forTls().psk])
    for (const form of ['hex', 'base64', 'base64url'] as const)
      expect(shown).not.toContain(Buffer.from(secret).toString(form).slice(0, 20));
  expect(shown).not.toContain('07, 7, 7');
});

test('an identity is read as it was written, and nothing else is one', () => {
  for (const role of ROLES) {
    const identity = { generation: 12, role, keyId: 'a1' };
    expect(parseIdentity(formatIdentity(identity))).toEqual(identity);
  }
  for (const wrong of [
    '',
    '1.drone',
    '0.drone.a',
    '01.drone.a',
    '1.queen.a',
    '1.drone.A',
    '1.drone.a|b',
    '1.drone.a\n',
    '-1.drone.a',
    `1.drone.${'a'.repeat(33)}`,
    '1e3.drone.a',
    '1.drone.a.b',
  ])
    expect(parseIdentity(wrong)).toBeNull();
  expect(['', 'A', 'a b', 'a|b'].some(isKeyId)).toBe(false);
});

test('a key opens sessions of its own role, or of less', () => {
  const may = ROLES.map((key) => ROLES.filter((wanted) => roleProblem(key, wanted) === null));
  expect(may).toEqual([['drone'], ['client', 'observer'], ['observer'], [...ROLES]]);
  const rows = new Map(
    [...readProtocol().matchAll(/^\| `(\w+)`.* \| (.+) \|$/gm)].map(([, role, roles]) => [role, roles]),
  );
  for (const [i, role] of ROLES.entries())
    expect(rows.get(role)).toBe(role === 'node' ? 'any' : may[i]!.join(', '));
});

test('an observer may say what changes nothing', () => {
  const may = Object.entries(MESSAGES).filter(([, { from }]) => from.includes('observer'));
  expect(may.map(([type]) => type)).toEqual([
    'Hello',
    'Heartbeat',
    'Goodbye',
    'Query',
    'Watch',
    'WatchOutput',
  ]);
});

test('the secret leaves its object in one place only', () => {
  const source = readFileSync(new URL('./derive.ts', import.meta.url), 'utf8');
  expect(source.match(/this\.#secret\b/g)).toHaveLength(4);
});
