import { LIMITS } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Strangers } from './strangers.ts';

const nobody = () => {};
const AWAY = '192.0.2.1';

test('beyond so many unfinished handshakes the oldest gives way, and those of this machine are counted apart', () => {
  const strangers = new Strangers();
  const dropped: number[] = [];
  const all = Array.from({ length: LIMITS.strangersMax + 3 }, (_, i) =>
    strangers.admit(`192.0.2.${i % 250}`, () => dropped.push(i), 0),
  );
  expect(dropped).toEqual([0, 1, 2]);
  expect(strangers.size).toBe(LIMITS.strangersMax);
  for (let i = 0; i < 1_000; i++) strangers.admit('127.0.0.1', nobody, 0);
  expect(dropped).toHaveLength(3);
  for (const stranger of all) stranger?.known();
  expect(strangers.size).toBe(1_000);
});

test('an address that fails too often is not listened to for a while, and its neighbours are', () => {
  const strangers = new Strangers();
  const fail = (host: string, now: number) => strangers.admit(host, nobody, now)?.failed(now);
  for (let i = 0; i < LIMITS.strangerFailuresMax; i++) fail(AWAY, i);
  const last = LIMITS.strangerFailuresMax - 1;
  expect(strangers.admit(AWAY, nobody, last + 1)).toBeNull();
  expect(strangers.admit('192.0.2.2', nobody, last + 1)).not.toBeNull();
  expect(strangers.admit(AWAY, nobody, last + LIMITS.strangerFailureMillis - 1)).toBeNull();
  expect(strangers.admit(AWAY, nobody, last + LIMITS.strangerFailureMillis)).not.toBeNull();
  expect(strangers.refused).toBe(2);
});

test('failures that are far apart are forgiven, and a handshake fails once however often that is said', () => {
  const strangers = new Strangers();
  for (let i = 0; i < 10 * LIMITS.strangerFailuresMax; i++) {
    const now = i * LIMITS.strangerFailureMillis;
    const stranger = strangers.admit(AWAY, nobody, now);
    for (let n = 0; n < 5; n++) stranger!.failed(now);
  }
  expect(strangers.refused).toBe(0);
});

test('a peer with a wrong key that dials as peers do is not locked out, so it hears why', () => {
  const strangers = new Strangers();
  let now = 0;
  for (let attempt = 0; attempt < 100; attempt++) {
    expect(strangers.admit(AWAY, nobody, now)).not.toBeNull();
    strangers.count(AWAY, now);
    // The shortest delay that redialling allows: half of it is certain.
    now += Math.min(LIMITS.redialMillisMax, LIMITS.redialMillis * 2 ** attempt) / 2;
  }
});

test('of IPv6 the network counts, however its addresses are written', () => {
  const strangers = new Strangers();
  for (let i = 0; i < LIMITS.strangerFailuresMax; i++) strangers.count(`2001:db8::${i + 1}`, 0);
  expect(strangers.admit('2001:db8:0:0:9:9:9:9', nobody, 1)).toBeNull();
  expect(strangers.admit('2001:db8:0:1::1', nobody, 1)).not.toBeNull();
  for (let i = 0; i < LIMITS.strangerFailuresMax; i++) strangers.count('fe80::1%eth0', 0);
  expect(strangers.admit('fe80::2%eth1', nobody, 1)).toBeNull();
});

test('so many addresses are remembered, and no more', () => {
  const strangers = new Strangers();
  const host = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  for (let n = 0; n < LIMITS.strangerFailuresMax; n++) strangers.count(host(0), 0);
  for (let i = 1; i <= LIMITS.strangerAddressesMax; i++) strangers.count(host(i), 1);
  expect(strangers.admit(host(0), nobody, 2)).not.toBeNull();
});
